from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips import BadLabels, Segment, read_textgrid, tile, write_textgrid
from tests.clips.test_segment import CUTS

LABEL = st.text(
    st.characters(categories=["L", "N", "P"], exclude_characters='"'), min_size=1, max_size=6
)


@settings(max_examples=50)
@given(CUTS, st.data())
def test_reading_back_returns_the_same_samples(tmp_path_factory, cuts, data):
    path = tmp_path_factory.mktemp("grid") / "a.TextGrid"
    starts = [0, *cuts[:-1]]
    phones = tuple(Segment(data.draw(LABEL), a, b) for a, b in zip(starts, cuts))
    words = phones[::2]
    write_textgrid(path, {"words": words, "phones": phones}, cuts[-1])
    assert read_textgrid(path, cuts[-1]) == {"words": words, "phones": phones}


def test_what_praat_says_about_the_file_agrees(tmp_path):
    parselmouth = pytest.importorskip("parselmouth")
    path = tmp_path / "a.TextGrid"
    write_textgrid(path, {"phones": tile([Segment("P", 800, 1600)], 16000, filler="SIL")}, 16000)
    grid = parselmouth.read(str(path))
    count = parselmouth.praat.call(grid, "Get number of intervals", 1)
    label = parselmouth.praat.call(grid, "Get label of interval", 1, 2)
    start = parselmouth.praat.call(grid, "Get start time of interval", 1, 2)
    assert (count, label, start) == (3, "P", 0.05)


@pytest.mark.parametrize("text", ["", "nonsense", 'File type = "ooTextFile"\nxmin = x'])
def test_a_damaged_textgrid_is_named(tmp_path, text):
    path = tmp_path / "bad.TextGrid"
    path.write_text(text)
    with pytest.raises(BadLabels, match=r"bad\.TextGrid"):
        read_textgrid(path)
