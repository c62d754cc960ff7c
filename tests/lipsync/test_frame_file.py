from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lipsync.dataset import load_feature_tables, write_feature_table
from lipsync.frame_file import FrameFile
from lipsync.train import Frames, TrainParams, train
from tests.lipsync.test_train import corpus, speech_like


@given(st.lists(st.integers(0, 7), max_size=6), st.integers(-3, 40), st.integers(-3, 40))
def test_a_slice_is_that_of_an_array(lengths, first, last):
    file, arrays = FrameFile(3, np.float16), [np.zeros((0, 3), np.float16)]
    for length in lengths:
        start = sum(map(len, arrays))
        arrays.append(np.arange(start * 3, (start + length) * 3, dtype=np.float16).reshape(-1, 3))
        file.append(arrays[-1])
    whole = np.concatenate(arrays)
    assert file.shape == whole.shape
    np.testing.assert_array_equal(file[first:last], whole[first:last])


def test_sequences_are_gathered_as_from_an_array(tmp_path):
    file, rows = FrameFile(2, np.float32, tmp_path / "new"), np.arange(40, dtype=np.float32)
    file.append(rows.reshape(20, 2))
    places = np.clip(np.array([[-2], [7], [16]]) + np.arange(6), 0, 19)  # held at both ends
    np.testing.assert_array_equal(file.gather(places), rows.reshape(20, 2)[places])
    places = np.array([[3, 3, 19, 0, 1, 18], [5, 4, 3, 2, 1, 0]])  # clips in any order
    np.testing.assert_array_equal(file.gather(places), rows.reshape(20, 2)[places])
    assert not list((tmp_path / "new").iterdir()), "the file has no name that could stay"


def test_rows_are_written_to_any_place():
    file, whole = FrameFile(2, np.float32), np.zeros((9, 2), np.float32)
    for first, last in ((5, 7), (0, 3), (2, 6), (8, 9)):
        rows = np.random.default_rng(first).random((last - first, 2), np.float32)
        file[first:last] = whole[first:last] = rows
    np.testing.assert_array_equal(file[:], whole)


def test_rows_of_another_width_and_steps_are_refused():
    file = FrameFile(2, np.float32)
    with pytest.raises(ValueError, match=r"not \(any, 2\)"):
        file.append(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="one after the other"):
        file[::2]
    with pytest.raises(ValueError, match="each to a place of its own"):
        file[3:5] = np.zeros((3, 2))


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"tempo": 0.3}, {"carry": 0.5}, {"reverberation": 0.5},
        {"teachers": 1, "tempo": 0.3}, {"offline_teachers": 1, "carry": 0.5},
    ],
)  # fmt: skip
def test_training_from_a_file_gives_the_weights_of_training_from_memory(tmp_path, changes):
    rows = [speech_like(f"c{n}", n, 30 + 19 * n) for n in range(8)]  # some shorter than a sequence
    write_feature_table(tmp_path / "one.parquet", rows)
    tables, valid = [tmp_path / "one.parquet"], corpus(3)
    kept = load_feature_tables(tables, "train")
    filed = load_feature_tables(tables, "train", tmp_path / "work")
    assert filed.digest() == kept.digest()
    assert isinstance(Frames(filed, torch.device("cpu")).mel, FrameFile)
    params = TrainParams(epochs=2, batch=4, frames=60, device="cpu", **changes)
    first, second = (train(data, valid, params).last.state_dict() for data in (kept, filed))
    assert all(torch.equal(first[name], second[name]) for name in first)
