from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import BadLabels
from visemes.comparison import Comparison, Motion, compare_tracks, matches, motion

TRACK = st.lists(st.integers(0, 3), min_size=1, max_size=40).map(np.array)


@given(TRACK, st.sampled_from([Fraction(24), 100.0]))
def test_a_track_equals_itself(track, rate):
    same = compare_tracks(track, track, rate, 4)
    assert same.frame_accuracy == same.macro_f1 == 1
    assert same.boundary_f1 == (1, 1)


@given(TRACK, TRACK)
def test_comparing_is_fair_to_both(one, other):
    frames = min(len(one), len(other))
    a = compare_tracks(one, other, 100, 4)
    b = compare_tracks(other, one, 100, 4)
    assert (a.frame_accuracy, a.macro_f1) == pytest.approx((b.frame_accuracy, b.macro_f1))
    assert a.boundary_f1 == b.boundary_f1 and a.matched[0] <= a.matched[1]
    assert a.frame_accuracy == pytest.approx((one[:frames] == other[:frames]).mean())
    assert a.confusion.sum() == frames


def test_the_figures_of_a_small_example():
    one, other = np.array([0, 0, 0, 1, 1, 1, 2, 2]), np.array([0, 0, 0, 0, 0, 1, 1, 1])
    found = compare_tracks(one, other, 100, 4)
    assert found.frame_accuracy == 4 / 8
    # F1 of 0: 3 of 3 and 5; of 1: 1 of 3 and 3; of 2: none; 3 is nowhere
    assert found.macro_f1 == pytest.approx((6 / 8 + 2 / 6 + 0) / 3)
    # changes at 30 and 60 ms, and at 50 ms
    assert found.boundary_f1 == pytest.approx((2 / 3, 2 / 3))
    assert (found + found).frame_accuracy == found.frame_accuracy
    assert (found + found).changes == (4, 2)


def test_frames_that_are_not_known_do_not_count():
    known = np.array([True, False])
    assert compare_tracks(np.array([0, 1]), np.array([0, 0]), 100, 2, known).frame_accuracy == 1


@pytest.mark.parametrize(
    ("one", "other", "pairs"),
    [([], [1], 0), ([10], [12], 1), ([10], [13], 0), ([10, 11], [12], 1), ([1, 5, 9], [3, 7], 2)],
)
def test_changes_pair_one_to_one(one, other, pairs):
    assert matches(np.array(one), np.array(other), 2) == pairs


@given(
    st.lists(st.integers(0, 60), unique=True).map(sorted),
    st.lists(st.integers(0, 60), unique=True).map(sorted),
    st.integers(0, 6),
)
def test_no_pairing_finds_more(one, other, tolerance):
    best = [0] * (len(other) + 1)  # the longest chain of pairs, by the book
    for a in one:
        row = [0]
        for n, b in enumerate(other):
            near = abs(a - b) <= tolerance
            row.append(max(best[n + 1], row[n], best[n] + near))
        best = row
    assert matches(np.array(one), np.array(other), tolerance) == best[-1]


def test_motion_counts_changes_and_shapes_of_one_frame():
    moved = motion(np.array([0, 1, 0, 0, 2, 2, 1]), 24, 2.0)
    assert (moved.changes, moved.flickers) == (4, 1), "the ends are no flickers"
    assert (moved.changes_per_second, moved.flickers_per_second) == (2, 0.5)
    assert moved + Motion(1, 1, 1.0) == Motion(5, 2, 3.0)


def test_nothing_has_no_figures():
    nothing = Comparison(np.zeros((2, 2), int))
    assert np.isnan(nothing.frame_accuracy) and np.isnan(nothing.macro_f1)
    assert np.isnan(Motion().changes_per_second)
    with pytest.raises(BadLabels, match="class 3 is not one of 2"):
        compare_tracks(np.array([3]), np.array([0]), 24, 2)
