from __future__ import annotations

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips import (
    BadInput,
    BadLabels,
    Op,
    Reject,
    Segment,
    read_clips,
    read_rejects,
    write_clips,
    write_rejects,
)
from clips.store import REJECTS, read_rows
from tests.conftest import make_clip

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=30)
@given(
    text=WORDS,
    speaker=WORDS,
    attribution=WORDS,
    scores=st.dictionaries(st.text(min_size=1, max_size=8), st.floats(-100, 100), max_size=4),
    value=st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), WORDS),
)
def test_a_partition_returns_the_same_clips(
    tmp_path_factory, text, speaker, attribution, scores, value
):
    path = tmp_path_factory.mktemp("store") / "part-0000.parquet"
    clip = make_clip(
        text=text,
        speaker=speaker,
        attribution=attribution,
        ops=(Op.of("x", value=value),),
        ipa=("", "p", "ɑː", ""),
        scores=tuple(sorted(scores.items())),
        visemes=(Segment("M", 0, 16000, 0.5),),
    )
    write_clips(path, [clip, make_clip("b", 0.5)])
    assert list(read_clips(path)) == [clip, make_clip("b", 0.5)]


def test_the_same_clips_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_clips(tmp_path / name, (make_clip(f"c{n}") for n in range(300)))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_faulty_clip_is_not_written_and_leaves_no_file(tmp_path):
    with pytest.raises(BadLabels):
        write_clips(tmp_path / "part", [make_clip(), make_clip("bad", licence="")])
    assert list(tmp_path.iterdir()) == []


def test_rejects_keep_their_reasons(tmp_path):
    rejects = [Reject("b", "ingest", "too short"), Reject("a", "align", "no words", "line 3")]
    write_rejects(tmp_path / REJECTS, rejects)
    assert read_rejects(tmp_path) == rejects[::-1]
    assert read_rejects(tmp_path / "nowhere") == []


def test_pandas_reads_a_partition(tmp_path):
    write_clips(tmp_path / "part.parquet", [make_clip()])
    table = pandas.read_parquet(tmp_path / "part.parquet")
    assert table["audio"][0]["bytes"][:4] == b"fLaC"
    assert [phone["label"] for phone in table["phones"][0]] == ["SIL", "P", "AA", "SIL"]


@pytest.mark.parametrize("damage", [b"", b"PAR1 nothing", None])
def test_a_damaged_partition_is_named(tmp_path, damage):
    path = tmp_path / "part-0000.parquet"
    write_clips(path, [make_clip()])
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    with pytest.raises(BadInput, match="part-0000"):
        list(read_rows(path))
