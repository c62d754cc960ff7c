from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lipsync.dataset import (
    SCHEMA,
    Corpus,
    FeatureRow,
    load_feature_tables,
    write_feature_table,
)
from lipsync.errors import BadFeatures


def row(clip_id: str, frames: int, split: str = "train", **changes) -> FeatureRow:
    rng = np.random.default_rng(frames)
    values = {
        "mel": rng.normal(-20, 10, (frames, 13)).astype(np.float32),
        "visemes": rng.integers(0, 12, frames).astype(np.uint8),
        **changes,
    }
    return FeatureRow(clip_id, "anna", "flite", split, **values)


def test_what_was_written_is_loaded_in_order_by_split(tmp_path):
    rows = [row("a", 5), row("b", 7, "valid"), row("c", 3)]
    assert write_feature_table(tmp_path / "one.parquet", rows[:2]) == 2
    write_feature_table(tmp_path / "two.parquet", rows[2:])
    corpus = load_feature_tables([tmp_path / "one.parquet", tmp_path / "two.parquet"], "train")
    assert corpus.clip_ids == ("a", "c") and corpus.offsets.tolist() == [0, 5, 8]
    np.testing.assert_array_equal(corpus.mel, np.concatenate([rows[0].mel, rows[2].mel]))
    np.testing.assert_array_equal(corpus.visemes[5:], rows[2].visemes)
    assert corpus.mel.dtype == np.float32 and corpus.visemes.dtype == np.uint8
    assert corpus.digest() == Corpus.of([rows[0], rows[2]]).digest()


def test_a_split_without_clips_is_empty(tmp_path):
    write_feature_table(tmp_path / "one.parquet", [row("a", 5)])
    corpus = load_feature_tables([tmp_path / "one.parquet"], "test")
    assert len(corpus) == 0 and corpus.frames == 0 and corpus.mel.shape == (0, 13)


def test_the_same_clips_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_feature_table(tmp_path / name, [row("a", 5), row("b", 600)])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_digest_sees_a_single_changed_label():
    changed = row("a", 50).visemes.copy()
    changed[7] = (changed[7] + 1) % 12
    assert Corpus.of([row("a", 50)]).digest() != Corpus.of([row("a", 50, visemes=changed)]).digest()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"visemes": np.full(9, 12)}, "0..11"),
        ({"visemes": np.zeros(8, int)}, "9 frames"),
        ({"visemes": np.zeros(9)}, "type float64"),
        ({"mel": np.zeros((9, 26))}, "shape"),
        ({"mel": np.full((9, 13), np.nan)}, "finite"),
        ({"mel": np.zeros((0, 13)), "visemes": np.zeros(0, int)}, "no frames"),
    ],
)
def test_a_clip_with_a_fault_is_named(tmp_path, changes, message):
    with pytest.raises(BadFeatures, match=f"clip 'b'.*{message}"):
        write_feature_table(tmp_path / "one.parquet", [row("a", 4), row("b", 9, **changes)])
    assert list(tmp_path.iterdir()) == []  # nothing half written is left


def test_a_clip_that_comes_twice_is_refused(tmp_path):
    for name in ("one.parquet", "two.parquet"):
        write_feature_table(tmp_path / name, [row("a", 4)])
    with pytest.raises(BadFeatures, match=r"two\.parquet: clip 'a' is in .*one\.parquet"):
        load_feature_tables([tmp_path / "one.parquet", tmp_path / "two.parquet"], "train")


def test_a_table_with_missing_columns_names_them(tmp_path):
    pq.write_table(pa.table({"clip_id": ["a"], "mel": [b""]}), tmp_path / "bad.parquet")
    with pytest.raises(BadFeatures, match=r"bad\.parquet: lacks the columns frames, source"):
        load_feature_tables([tmp_path / "bad.parquet"], "train")


def test_a_row_whose_bytes_do_not_fit_its_frames_is_refused(tmp_path):
    values = dict.fromkeys(SCHEMA.names, "train")
    values |= {"clip_id": "a", "frames": 3, "mel": b"123", "visemes": b"abc"}
    pq.write_table(pa.Table.from_pylist([values], schema=SCHEMA), tmp_path / "bad.parquet")
    with pytest.raises(BadFeatures, match="says 3 frames but has 3 bytes"):
        load_feature_tables([tmp_path / "bad.parquet"], "train")


@pytest.mark.parametrize("content", [None, b"", b"PAR1 but not really"])
def test_a_file_that_is_no_table_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "bad.parquet").write_bytes(content)
    with pytest.raises(BadFeatures, match=r"bad\.parquet: cannot be read"):
        load_feature_tables([tmp_path / "bad.parquet"], "train")
