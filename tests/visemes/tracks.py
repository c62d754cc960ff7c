"""Random tracks for property tests."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import strategies as st

from clips import Segment
from visemes.classes import CLASSES

RATES = [Fraction(24), Fraction(25), Fraction(30), Fraction(60), Fraction(100),
         Fraction(24000, 1001), Fraction(30000, 1001)]  # fmt: skip


def laid_out(pairs) -> tuple[Segment, ...]:
    """(label, length) pairs one after the other; equal neighbours become one."""
    segments: list[Segment] = []
    at = 0
    for label, length in pairs:
        if segments and segments[-1].label == label:
            segments[-1] = Segment(label, segments[-1].start, at + length)
        else:
            segments.append(Segment(label, at, at + length))
        at += length
    return tuple(segments)


TRACKS = st.lists(
    st.tuples(st.sampled_from([*CLASSES, "M", "F"]), st.integers(1, 5000)), min_size=1, max_size=40
).map(laid_out)
"""Tracks of cherry12 with as many closures as anything else, from one sample to 0.3 s a shape."""


def runs_of(values) -> list[tuple[object, int]]:
    """(value, length) of each stretch of equal values."""
    edges = [0, *(n for n, (a, b) in enumerate(pairwise(values), 1) if a != b), len(values)]
    return [(values[a], b - a) for a, b in pairwise(edges) if b > a]
