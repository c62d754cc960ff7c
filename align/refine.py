"""Boundaries on a grid of 2.5 ms: each is moved to where the sound itself changes.

An acoustic model learns where a synthesizer stamps its phones and sees frames of 20 ms, so its
boundaries scatter around the place that a phonetician marks: where one sound stops being like
itself and the next begins. Here that place is the cut that leaves the least variance in the two
stretches beside it (two means, one at each side: the log likelihood of one change between two
Gaussians of the same width), with a penalty for going far. Where the phones are known, a small
network that learned on exact synthetic timing (align.edges) says as well where a boundary between
such phones is likely.

Measured by `python benchmarks/align_truth.py`, with the model of a run with espeak-ng and flite
(mean distance of matched boundaries and F1 at 20 ms; first with the variance alone): emodb
8.7 → 8.3 ms, 0.824 → 0.830; the 3 sentences of emu_ae 8.1 → 6.7 ms, 0.835 → 0.856; emodb in noise
(10 dB) and reverberation 14.5 → 13.6 ms, 0.689 → 0.708. Without any refinement every second
recording of emodb is 11.9 ms off. Hand labels of emodb thrown off by 14.9 ms come back to 10.0 ms
by the variance, to 8.7 ms with the network (`python benchmarks/align_edges.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from align.edges import edge_scores, pairs_of
from align.spectrum import log_mel
from clips import Clip, Op, Segment

HOP = 40
"""The grid of refined boundaries (samples: 2.5 ms)."""

REACH, REACH_KNOWN = 12, 16
"""A boundary moves this many steps at most: 30 ms, and 40 ms where the network has its say."""

CONTEXT = 10
"""Steps beyond that reach that still count as the sound at that side (25 ms)."""

_VARIANCE = 50.0  # dB²: what counts as one unit of evidence, summed over steps, mean over bands
_REACH_PREDICTED = 24  # steps (60 ms): predictions are farther off than alignments
_SPREAD = 8.0  # steps (20 ms): standard deviation of the distance moved
_SPREAD_KNOWN = 12.0  # the same where the network has its say
_BESIDE = 0.5  # what the variance counts beside the network
_ROUNDS = 2  # the second sees the neighbours where the first has put them
_RANGE = 50.0  # dB: what is softer than this below the loudest counts as equally silent


def change_features(audio: np.ndarray) -> np.ndarray:
    """20 mel bands (dB) in windows of 12 ms every HOP samples, float32, shape (steps, 20).

    Levels under _RANGE below the utterance's loud frames are raised to it: the shape of what
    nobody hears is no change.
    """
    bands = log_mel(audio, hop=HOP, window=192, size=256, bands=20)
    loud = np.sort(bands.max(axis=1))[-max(len(bands) // 10, 1) :].mean()
    return np.maximum(bands, loud - _RANGE)


def refine(
    features: np.ndarray,
    boundaries: Sequence[int],
    phones: Sequence[str] | None = None,
    reach: int | None = None,
    rounds: int = _ROUNDS,
) -> list[int]:
    """The boundaries (samples, ascending; first and last stay) at the nearby changes of sound.

    features: of `change_features`. phones: the labels (ARPAbet, SIL) between the boundaries;
    without them only the variance counts. reach: steps that a boundary may go, else REACH or
    REACH_KNOWN. Every boundary stays between the middles of the segments beside it, so their order
    and number stay; one without room does not move.
    """
    x = np.asarray(features, np.float64) / np.sqrt(features.shape[1])
    sums = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((x**2).sum(axis=1))])
    weight, spread, usual = 1.0, _SPREAD, REACH
    if phones is not None:
        weight, spread, usual = _BESIDE, _SPREAD_KNOWN, REACH_KNOWN
        chances = edge_scores(features)[:, pairs_of(phones)].T

    def variance(first, last):  # summed over steps and bands, from step `first` up to `last`
        total = sums[last] - sums[first]
        return squares[last] - squares[first] - (total**2).sum(axis=-1) / (last - first)

    reach = reach or usual
    origin = [min(round(b / HOP), len(x)) for b in boundaries]
    places = list(origin)
    for _ in range(rounds):
        before = list(places)
        for n in range(1, len(places) - 1):
            here = before[n]
            low = max(here - reach - CONTEXT, (before[n - 1] + here) // 2)
            high = min(here + reach + CONTEXT, (here + before[n + 1] + 1) // 2)
            steps = np.arange(max(origin[n] - reach, low + 2), min(origin[n] + reach, high - 2) + 1)
            if not len(steps):
                continue
            lows, highs = np.full_like(steps, low), np.full_like(steps, high)
            left = variance(lows, steps) + variance(steps, highs)
            cost = weight * left / _VARIANCE + ((steps - origin[n]) / spread) ** 2 / 2
            if phones is not None:
                cost = cost - chances[n - 1, steps]
            places[n] = int(steps[cost.argmin()])
    return [
        boundaries[0],
        *(
            place * HOP if place != start else boundary
            for place, start, boundary in zip(places[1:-1], origin[1:-1], boundaries[1:-1])
        ),
        boundaries[-1],
    ]


def relabelled(phones: Sequence[Segment], bounds: Sequence[int]) -> tuple[Segment, ...]:
    """The phones between other boundaries (samples): one more than there are phones."""
    pairs = zip(phones, pairwise(bounds), strict=True)
    return tuple(replace(phone, start=start, end=end) for phone, (start, end) in pairs)


def fitted(clip: Clip) -> Clip:
    """A clip whose phones were timed by a prediction, with boundaries at the changes of its sound.

    For engines that tell how long they meant each phone to last (VITS). Words keep the phones that
    they had; `timing` becomes "aligned", `ops` gains an Op "refine". What it is worth stands in
    docs/timing.md.
    """
    given = [0, *(phone.end for phone in clip.phones)]
    labels = [phone.label for phone in clip.phones]
    found = refine(change_features(clip.audio), given, labels, reach=_REACH_PREDICTED)
    moved = dict(zip(given, found))
    return clip.with_(
        phones=relabelled(clip.phones, found),
        words=tuple(
            replace(
                word, start=moved.get(word.start, word.start), end=moved.get(word.end, word.end)
            )
            for word in clip.words
        ),
        timing="aligned",
        ops=(*clip.ops, Op.of("refine", reach=_REACH_PREDICTED)),
    ).validate()
