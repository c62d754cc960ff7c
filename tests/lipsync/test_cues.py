from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import BadLabels
from visemes.cues import read_json, read_tsv, to_json, to_tsv, write_tsv

TRACKS = st.lists(
    st.tuples(st.integers(0, 3_600_000), st.sampled_from("ABCDEFGHIJKX")),
    unique_by=lambda cue: cue[0],
).map(lambda cues: [(time / 1000, letter) for time, letter in sorted(cues)])


@given(track=TRACKS)
def test_a_track_survives_both_formats(tmp_path_factory, track):
    folder = tmp_path_factory.getbasetemp()
    write_tsv(folder / "track.tsv", track)
    assert read_tsv(folder / "track.tsv") == track
    (folder / "track.json").write_text(to_json(track, fps=30, seconds=1.5))
    assert read_json(folder / "track.json") == track


def test_the_tsv_is_cherrys():
    assert to_tsv([(0.0, "X"), (1.26666, "B")]) == "0.000\tX\n1.267\tB\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0.5 A", "1 columns"),
        ("0.5\tA\tB", "3 columns"),
        ("soon\tA", "'soon' is not a time"),
        ("-1\tA", "'-1' is not a time"),
        ("nan\tA", "'nan' is not a time"),
        ("0.5\tQ", "'Q' is not a mouth shape"),
        ("0.100\tB", "0.100 s does not come after 0.100 s"),
    ],
)
def test_a_bad_line_is_named_with_its_file_and_number(tmp_path, line, message):
    path = tmp_path / "bad.tsv"
    path.write_text(f"0.000\tX\n\n0.100\tA\n{line}\n")
    with pytest.raises(BadLabels, match=rf"bad\.tsv:4: .*{message}"):
        read_tsv(path)


@pytest.mark.parametrize("text", ["", "[]", '{"cues": [{"time": 0}]}'])
def test_a_json_file_that_is_no_track_is_named(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(
        BadLabels, match=r"bad\.json(:1)?: (is|cannot be read as) (not a track|no JSON object|JSON)"
    ):
        read_json(path)


def test_files_that_are_no_text_are_named(tmp_path):
    (tmp_path / "bad.tsv").write_bytes(b"\xff\xfe\x00")
    for name in ("bad.tsv", "absent.tsv"):
        with pytest.raises(BadLabels, match=f"{name}: cannot be read"):
            read_tsv(tmp_path / name)
