"""A labelled stretch of time, in integer samples at 16 kHz.

>>> Segment("P", 0, 800).seconds
0.05
>>> tile([Segment("P", 100, 200)], 400, filler="SIL")
(Segment(label='SIL', start=0, end=100, score=None), Segment(label='P', start=100, end=200, \
score=None), Segment(label='SIL', start=200, end=400, score=None))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from clips.errors import BadLabels

RATE = 16_000
"""Samples per second of every clip (Hz)."""

LONGEST_SECONDS = 43_200
"""No file is believed that claims more: half a day of sound, or labels and cues beyond it."""

SILENCE = "SIL"
"""The phone label of silence."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`label` holds from sample `start` up to, not including, sample `end` (16 kHz).

    `score` is a confidence in 0..1 where the maker of the segment gave one.
    """

    label: str
    start: int
    end: int
    score: float | None = None

    @property
    def samples(self) -> int:
        """Length in samples."""
        return self.end - self.start

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / RATE

    def moved(self, by: int) -> Segment:
        """The same segment, `by` samples later."""
        return replace(self, start=self.start + by, end=self.end + by)


def find_faults(segments: Sequence[Segment], length: int, *, tiled: bool, name: str) -> list[str]:
    """What is wrong with `segments` of a clip of `length` samples; empty if nothing is.

    With `tiled`, they must cover the clip: first start 0, last end `length`, no gap, no overlap.
    Without, they must be in order, inside the clip and apart.
    """
    faults = [
        f"{name}[{number}] {segment.label!r} has times that are not integer samples"
        for number, segment in enumerate(segments)
        if type(segment.start) is not int or type(segment.end) is not int
    ]
    if faults:  # and nothing else can be said
        return faults
    for number, segment in enumerate(segments):
        here = f"{name}[{number}] {segment.label!r}"
        if not segment.label:
            faults.append(f"{here} has an empty label")
        if segment.end <= segment.start:
            faults.append(f"{here} ends at {segment.end}, not after its start {segment.start}")
        if segment.start < 0 or segment.end > length:
            faults.append(
                f"{here} lies outside the clip: {segment.start}..{segment.end} of 0..{length}"
            )
        if number and segment.start < segments[number - 1].end:
            faults.append(f"{here} starts before {name}[{number - 1}] ends")
        elif tiled and number and segment.start > segments[number - 1].end:
            faults.append(f"there is a gap before {here}, from {segments[number - 1].end}")
    if tiled and segments:
        if segments[0].start != 0:
            faults.append(f"{name} start at {segments[0].start}, not at 0")
        if segments[-1].end != length:
            faults.append(f"{name} end at {segments[-1].end}, not at the clip's end {length}")
    return faults


def tile(segments: Iterable[Segment], length: int, *, filler: str) -> tuple[Segment, ...]:
    """The segments with every gap from 0 to `length` filled by segments labelled `filler`.

    Raises BadLabels if they overlap or reach outside the clip.
    """
    tiled: list[Segment] = []
    at = 0
    for segment in segments:
        if segment.start < at or segment.end > length:
            raise BadLabels(
                f"segment {segment.label!r} {segment.start}..{segment.end} overlaps its"
                f" neighbour or leaves the clip of {length} samples",
                remedy="sort the segments and cut them to the clip first",
            )
        if segment.start > at:
            tiled.append(Segment(filler, at, segment.start))
        tiled.append(segment)
        at = segment.end
    if at < length:
        tiled.append(Segment(filler, at, length))
    return tuple(tiled)


def merge_equal(segments: Iterable[Segment], *, only: str | None = None) -> tuple[Segment, ...]:
    """Touching neighbours with the same label (or only those labelled `only`) become one."""
    merged: list[Segment] = []
    for segment in segments:
        last = merged[-1] if merged else None
        same = last and last.label == segment.label and last.end == segment.start
        if same and (only is None or segment.label == only):
            merged[-1] = replace(last, end=segment.end, score=_lower(last.score, segment.score))
        else:
            merged.append(segment)
    return tuple(merged)


def cut(segments: Iterable[Segment], start: int, end: int) -> tuple[Segment, ...]:
    """The part of the segments within samples `start`..`end`, moved so that `start` is 0."""
    return tuple(
        replace(segment, start=max(segment.start, start) - start, end=min(segment.end, end) - start)
        for segment in segments
        if segment.start < end and segment.end > start
    )


def warp(segments: Iterable[Segment], to: Callable[[int], int]) -> tuple[Segment, ...]:
    """The segments with every boundary passed through the monotone map `to` (samples to samples).

    A segment that the map leaves without a sample disappears, so a tiling stays a tiling.
    """
    moved = (replace(segment, start=to(segment.start), end=to(segment.end)) for segment in segments)
    return tuple(segment for segment in moved if segment.end > segment.start)


def _lower(a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return a if b is None else b
    return min(a, b)
