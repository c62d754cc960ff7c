"""Two tracks beside each other, and how restless one is: the figures of `visemill compare`.

All counts add up over clips, so that a corpus is measured like one long clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from clips.errors import BadLabels

TOLERANCES = (0.02, 0.04)
"""How far apart (seconds) two changes may lie and count as one, as in measures of alignment."""


@dataclass(frozen=True)
class Comparison:
    """Counts of a track beside a reference.

    confusion[reference, other]: frames. changes: of the reference and of the other. matched: for
    each of TOLERANCES, the changes of one that have a partner in the other.
    """

    confusion: np.ndarray
    changes: tuple[int, int] = (0, 0)
    matched: tuple[int, ...] = (0,) * len(TOLERANCES)

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(
            self.confusion + other.confusion,
            (self.changes[0] + other.changes[0], self.changes[1] + other.changes[1]),
            tuple(a + b for a, b in zip(self.matched, other.matched, strict=True)),
        )

    @property
    def frame_accuracy(self) -> float:
        """The share of frames that show the same class; nan without frames."""
        frames = int(self.confusion.sum())
        return float(np.trace(self.confusion) / frames) if frames else float("nan")

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that one of the two tracks shows; nan without frames."""
        both = self.confusion.sum(0) + self.confusion.sum(1)
        f1 = 2 * np.diag(self.confusion)[both > 0] / both[both > 0]
        return float(f1.mean()) if len(f1) else float("nan")

    @property
    def boundary_f1(self) -> tuple[float, ...]:
        """For each of TOLERANCES, the F1 of the changes' times; 1 if neither track changes."""
        total = sum(self.changes)
        return tuple(2 * matched / total if total else 1.0 for matched in self.matched)


def compare_tracks(
    reference: np.ndarray,
    other: np.ndarray,
    rate: float | Fraction,
    classes: int,
    known: np.ndarray | None = None,
) -> Comparison:
    """The counts of two tracks of class indices, both (frames,) at `rate`, of `classes` shapes.

    Of a longer track the end is left out. Frames that are not `known` (bool) do not count in the
    confusion. Raises BadLabels if a class is not below `classes`.
    """
    frames = min(len(reference), len(other))
    reference, other = np.asarray(reference)[:frames], np.asarray(other)[:frames]
    if frames and max(reference.max(), other.max()) >= classes:
        raise BadLabels(
            f"class {max(reference.max(), other.max())} is not one of {classes}",
            remedy="compare tracks of one set of shapes",
        )
    confusion = np.zeros((classes, classes), np.int64)
    counted = np.ones(frames, bool) if known is None else np.asarray(known)[:frames]
    np.add.at(confusion, (reference[counted], other[counted]), 1)
    ours, theirs = (np.flatnonzero(np.diff(t)) + 1 for t in (reference, other))
    matched = tuple(matches(ours, theirs, tolerance * float(rate)) for tolerance in TOLERANCES)
    return Comparison(confusion, (len(ours), len(theirs)), matched)


def matches(one: np.ndarray, other: np.ndarray, tolerance: float) -> int:
    """The most pairs of rising times, each time in one pair at most, not farther apart."""
    found = a = b = 0
    while a < len(one) and b < len(other):
        gap = one[a] - other[b]
        if abs(gap) <= tolerance + 1e-9:
            found, a, b = found + 1, a + 1, b + 1
        elif gap < 0:
            a += 1
        else:
            b += 1
    return found


@dataclass(frozen=True)
class Motion:
    """How much a track moves: changes and one-frame shapes, over `seconds` of speech."""

    changes: int = 0
    flickers: int = 0
    seconds: float = 0.0

    def __add__(self, other: Motion) -> Motion:
        return Motion(
            self.changes + other.changes,
            self.flickers + other.flickers,
            self.seconds + other.seconds,
        )

    @property
    def changes_per_second(self) -> float:
        """Changes of shape per second of speech; nan without speech."""
        return self.changes / self.seconds if self.seconds else float("nan")

    @property
    def flickers_per_second(self) -> float:
        """Shapes of a single frame per second of speech; nan without speech."""
        return self.flickers / self.seconds if self.seconds else float("nan")


def motion(classes: np.ndarray, rate: float | Fraction, speech: float) -> Motion:
    """The motion of a track of class indices (frames,) at `rate` with `speech` seconds of speech.

    The first and last shape are cut by the track's ends, so they are no flickers.
    """
    edges = np.flatnonzero(np.diff(np.asarray(classes)))
    return Motion(len(edges), int(np.sum(np.diff(edges) == 1)), speech)
