from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import BadLabels, Segment, cut, find_faults, merge_equal, tile, warp

CUTS = st.lists(st.integers(1, 5000), min_size=1, max_size=30, unique=True).map(sorted)


def tiling(cuts: list[int]) -> tuple[Segment, ...]:
    """Segments named after their number that tile 0..cuts[-1]."""
    return tuple(
        Segment(str(n), start, end) for n, (start, end) in enumerate(zip([0, *cuts], cuts))
    )


def test_seconds_are_samples_at_16_khz():
    assert Segment("P", 800, 2400).seconds == 0.1


@given(CUTS)
def test_a_tiling_has_no_faults(cuts):
    assert find_faults(tiling(cuts), cuts[-1], tiled=True, name="phones") == []


@pytest.mark.parametrize(
    ("segments", "fault"),
    [
        ([Segment("P", 0, 5), Segment("T", 6, 10)], "gap before phones[1] 'T'"),
        ([Segment("P", 0, 6), Segment("T", 5, 10)], "starts before phones[0] ends"),
        ([Segment("P", 0, 5)], "end at 5, not at the clip's end 10"),
        ([Segment("P", 1, 10)], "start at 1, not at 0"),
        ([Segment("P", 0, 11)], "outside the clip"),
        ([Segment("P", 5, 5), Segment("T", 5, 10)], "not after its start"),
        ([Segment("", 0, 10)], "empty label"),
        ([Segment("P", 0.0, 10)], "not integer samples"),
        (
            [Segment("P", 0, None), Segment("T", 5, 10)],
            "phones[0] 'P' has times that are not integer",
        ),
    ],
)
def test_every_fault_is_named_with_its_place(segments, fault):
    faults = find_faults(segments, 10, tiled=True, name="phones")
    assert any(fault in found for found in faults), faults


@given(CUTS, st.data())
def test_tile_fills_what_was_taken_away(cuts, data):
    whole = tiling(cuts)
    kept = [s for s in whole if data.draw(st.booleans())]
    tiled = tile(kept, cuts[-1], filler="SIL")
    assert find_faults(tiled, cuts[-1], tiled=True, name="phones") == []
    assert [s for s in tiled if s.label != "SIL"] == kept


def test_tile_refuses_overlaps():
    with pytest.raises(BadLabels, match="overlaps"):
        tile([Segment("P", 0, 6), Segment("T", 5, 10)], 10, filler="SIL")


@given(CUTS, st.integers(0, 5000), st.integers(1, 5000))
def test_a_cut_of_a_tiling_tiles_the_cut(cuts, start, length):
    end = min(start + length, cuts[-1])
    if start >= end:
        return
    assert find_faults(cut(tiling(cuts), start, end), end - start, tiled=True, name="x") == []


@given(CUTS, st.floats(0.05, 4.0))
def test_a_monotone_warp_keeps_a_tiling(cuts, factor):
    length = round(cuts[-1] * factor)
    warped = warp(tiling(cuts), lambda sample: round(sample * factor))
    assert find_faults(warped, length, tiled=True, name="phones") == []


def test_merging_joins_touching_equals_and_keeps_the_lower_score():
    merged = merge_equal([Segment("A", 0, 2, 0.9), Segment("A", 2, 4, 0.4), Segment("B", 4, 5)])
    assert merged == (Segment("A", 0, 4, 0.4), Segment("B", 4, 5))


def test_merging_leaves_equals_with_a_gap_between_them():
    apart = (Segment("A", 0, 2), Segment("A", 3, 4))
    assert merge_equal(apart) == apart
