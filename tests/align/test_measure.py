from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from align.measure import LIMIT, boundaries, compare, match, total
from clips import BadLabels, Segment


def segments(text: str) -> list[Segment]:
    """ "SIL:100 P:300" as segments that end at those samples."""
    found, at = [], 0
    for part in text.split():
        label, end = part.split(":")
        found.append(Segment(label, at, int(end)))
        at = int(end)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SIL:100", []),
        ("SIL:100 P:300", [100]),
        ("SIL:100 PCL:200 P:300 AA:400", [100, 300]),  # closure and release are one stop
        ("SIL:100 PCL:200 TCL:300 T:350 AA:400", [100, 200, 350]),  # an unreleased stop stays
        ("SIL:100 P:200 H:250 AA:400", [100, 250]),  # aspiration belongs to its stop
        ("SIL:100 H:250 AA:400", [100, 250]),  # but not after silence
        ("AA:100 AA:250 S:400", [250]),  # the same phone twice has no boundary
        ("aa:100 AA:250 s:400", [250]),
    ],
)
def test_boundaries_stand_between_different_phones(text, expected):
    assert boundaries(segments(text)) == expected


@pytest.mark.parametrize(
    ("truth", "guess", "pairs"),
    [
        ([], [], []),
        ([100], [], []),
        ([1000], [1000], [(0, 0)]),
        ([1000], [1000 + LIMIT - 1], [(0, 0)]),
        ([1000], [1000 + LIMIT + 1], []),
        ([1000, 2000], [1900], [(1, 0)]),  # the nearer one
        ([1000, 2000], [910, 1100, 2000], [(0, 0), (1, 2)]),
        ([1000, 1200], [1150, 1300], [(0, 0), (1, 1)]),  # one to one, though 1200 is near 1150
    ],
)
def test_boundaries_are_matched_one_to_one(truth, guess, pairs):
    assert match(truth, guess) == pairs


def _cost(truth, guess, pairs) -> int:
    distance = sum(abs(truth[i] - guess[j]) for i, j in pairs)
    return distance + (len(truth) + len(guess) - 2 * len(pairs)) * (LIMIT // 2)


times = st.lists(st.integers(0, 6000), max_size=4, unique=True).map(sorted)


@given(times, times)
def test_no_other_matching_in_order_is_nearer(truth, guess):
    pairs = match(truth, guess)
    assert all(abs(truth[i] - guess[j]) <= LIMIT for i, j in pairs)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(pairs))
    best = min(
        _cost(truth, guess, list(zip(left, right)))
        for size in range(min(len(truth), len(guess)) + 1)
        for left in itertools.combinations(range(len(truth)), size)
        for right in itertools.combinations(range(len(guess)), size)
    )
    assert _cost(truth, guess, pairs) == best


def test_the_numbers_of_a_known_pair():
    truth = segments("SIL:1600 P:3200 AA:4800 S:6400 SIL:8000")
    guess = segments("SIL:1760 P:3200 AA:5200 S:6300 SIL:8000")
    found = compare(truth, guess)
    assert found.errors == (160, 0, 400, -100)
    assert found.mean_ms == pytest.approx(660 / 4 / 16)
    assert found.median_ms == pytest.approx(130 / 16)
    assert found.bias_ms == pytest.approx(460 / 4 / 16)
    assert found.f1 == pytest.approx(0.75)  # 25 ms is too far


def test_results_of_clips_add_up():
    a = compare(segments("SIL:1600 P:3200"), segments("SIL:1610 P:3200"))
    b = compare(segments("SIL:1600 P:3200"), segments("SIL:3200"))
    both = total([a, b])
    assert (both.errors, both.truth, both.guess) == ((10,), 2, 1)
    assert both.f1 == pytest.approx(2 / 3)


def test_labels_of_another_clip_are_refused():
    with pytest.raises(BadLabels, match="3200"):
        compare(segments("SIL:1600"), segments("SIL:3200"))
