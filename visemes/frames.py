"""Viseme segments as one class for each frame, and back."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from clips.errors import BadLabels
from clips.segment import RATE, Segment
from visemes.hold import held
from visemes.inventory import Inventory

HOP = 160
"""Samples between frames: 100 frames a second at 16 kHz."""

WINDOW = 400
"""Samples in an analysis window (25 ms)."""


def frame_count(samples: int) -> int:
    """Frames at 100 per second of a clip of `samples` samples: ceil((samples − 399) / 160).

    As Cherry Lip Sync counts them, so that labels and features match one to one.
    """
    return max(0, -(-(samples - WINDOW + 1) // HOP))


def classes_at(visemes: Sequence[Segment], times: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """The class index at each of `times` (samples), shape like `times`, uint8.

    The last segment also answers for times after the end. Raises BadLabels if there are none.
    """
    if not visemes:
        raise BadLabels("there are no visemes", remedy="run the visemes stage first")
    index = {viseme: number for number, viseme in enumerate(classes)}
    numbers = np.array([index[segment.label] for segment in visemes], dtype=np.uint8)
    ends = np.array([segment.end for segment in visemes])
    at = np.searchsorted(ends, times, side="right")
    return numbers[np.minimum(at, len(numbers) - 1)]


def frame_classes(visemes: Sequence[Segment], samples: int, classes: Sequence[str]) -> np.ndarray:
    """The class of frame k at t = k · 10 ms, shape (frame_count(samples),), uint8."""
    return classes_at(visemes, np.arange(frame_count(samples)) * HOP, classes)


def classes_at_rate(
    visemes: Sequence[Segment], frames: int, fps: float, classes: Sequence[str]
) -> np.ndarray:
    """The class at the middle of each of `frames` frames at `fps` per second, uint8."""
    times = np.floor((np.arange(frames) + 0.5) * RATE / fps).astype(np.int64)
    return classes_at(visemes, times, classes)


def resample(
    visemes: Sequence[Segment], rate: Fraction, inventory: Inventory, *, hold: int = 2
) -> np.ndarray:
    """The class of each picture at `rate` per second, shape (frames_in(length, rate),), uint8.

    A picture shows the viseme at its middle, as `classes_at_rate` does, but no closed lips and no
    lip on the teeth are lost between two pictures, and every shape stays for at least `hold`
    pictures (see visemes.hold for what gives way where there is no room). `visemes` tile a clip of
    integer samples. Raises BadLabels if there are none.
    """
    if not visemes:
        raise BadLabels("there are no visemes", remedy="run the visemes stage first")
    labels = [segment.label for segment in visemes]
    ticks = [0, *(segment.end * rate.numerator for segment in visemes)]
    shown, edges = held(labels, ticks, RATE * rate.denominator, hold, inventory)
    index = {viseme: number for number, viseme in enumerate(inventory.classes)}
    return np.repeat(np.array([index[viseme] for viseme in shown], np.uint8), np.diff(edges))


def to_segments(numbers: np.ndarray, hop: int, length: int, classes: Sequence[str]) -> tuple:
    """Class indices at every `hop` samples as merged viseme segments that tile 0..`length`."""
    segments: list[Segment] = []
    starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1)]
    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        last = length if end == len(numbers) else int(end) * hop
        if last > start * hop:
            segments.append(Segment(classes[int(numbers[start])], int(start) * hop, last))
    return tuple(segments)
