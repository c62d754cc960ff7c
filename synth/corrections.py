"""What engines are known to stamp late or early, put right in one place.

Closures: a stop is a closure, then a burst. espeak-ng stamps voiceless stops and affricates at the
burst; the lips of a /p/ are closed 30-50 ms earlier. `move_closures` moves the silent run into the
stop. Releases: the way from a consonant into its vowel is stamped as a part of the consonant.
`move_releases` ends the consonant where phoneticians would. docs/timing.md shows both, before and
after; `visemill timing` measures them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from clips import SILENCE, Segment
from clips.arpabet import VOWELS

VOICELESS_STOPS = frozenset({"P", "T", "K", "CH"})
"""What espeak-ng stamps at the burst: measured in 17 languages, after 39-51 ms of silence, plain,
aspirated and ejective alike; after 123-149 ms where they are doubled (Italian, Finnish)."""

VOICED_STOPS = frozenset({"B", "D", "G", "JH"})
"""Stamped at the start of their closure after vowels (0 ms), but after most consonants at the
burst: 33-36 ms of silence before it."""

FRICATIVES = frozenset({"F", "TH", "S", "SH", "HH"})
"""Before these espeak-ng leaves up to 12 ms of silence, in which the mouth is already there."""

RELEASES = {
    "espeak": {"P": 0.26, "B": 0.25, "M": 0.26, "N": 0.33, "L": 0.27, "R": 0.20, "W": 0.20},
    "flite": {"L": 0.20, "R": 0.20, "W": 0.18, "Y": 0.20},
}
"""The share of a consonant that the vowel after it gets, by engine.

Measured with align.landmarks on 300 sentences per engine, all voices: the median lag of the stamp
behind the acoustic boundary (espeak: P 36, B 20, M 21, N 27, L 21, R 15, W 20 ms; flite: L 19,
R 14, W 11, Y 21 ms), less the lag of phoneticians' own labels by the same measure (emodb: P 16,
B 7, M, N 0, L, R 2 ms), over the median length of the consonant. It lengthens with the consonant.
"""

BEGINNINGS = {"flite": {"R": 0.18}}
"""The share of a consonant that the vowel before it gets: flite's R begins 12 ms early (median of
224 boundaries, 66 ms long), measured in the same way."""

FRAME = 32
"""Energy is looked at in frames of this many samples (2 ms at 16 kHz)."""


def move_closures(
    phones: Sequence[Segment],
    audio: np.ndarray,
    *,
    labels: Collection[str] = VOICELESS_STOPS,
    threshold_db: float = -35.0,
    longest: int = 2400,
    share: float = 0.75,
    after_silence: int = 800,
) -> tuple[Segment, ...]:
    """The phones with the start of each stop moved back over the silent run before its burst.

    phones: tiling `audio` (float, shape (samples,), 16 kHz). labels: which phones to look at.
    threshold_db: a frame is silent that far under the loudest frame; espeak's closures lie at −44
    to −98 dB (one variant with echo at −30), its weakest voiced consonants at −25 to −34.
    longest: the most that is moved (samples). share: the most of the phone before that may go.
    after_silence: behind SIL every sample is silent and the run says nothing, so a stop gets this
    much (50 ms, the closure between vowels); other labels stay there.
    """
    level = _levels(audio)
    limit = 10 ** (threshold_db / 10) * (level[-1] if len(level) else 0.0)
    power = np.concatenate([[0.0], np.cumsum(np.asarray(audio, dtype=np.float64) ** 2)])
    moved = list(phones)
    for n in range(1, len(moved)):
        phone, before = moved[n], moved[n - 1]
        if phone.label not in labels:
            continue
        room = min(longest, int(before.samples * share))
        if before.label == SILENCE:
            taken = min(room, after_silence) if phone.label in VOICELESS_STOPS else 0
        else:
            taken = _silent_run(power, phone.start, room, limit)
        if taken:
            start = phone.start - taken
            moved[n - 1] = replace(before, end=start)
            moved[n] = replace(phone, start=start)
    return tuple(moved)


def move_releases(phones: Sequence[Segment], engine: str) -> tuple[Segment, ...]:
    """The phones with the edges of consonants beside vowels moved into them: see RELEASES and
    BEGINNINGS.

    phones: touching, in order.

    >>> phones = [Segment("M", 0, 1000), Segment("AA", 1000, 3000)]
    >>> [(p.label, p.end) for p in move_releases(phones, "espeak")]
    [('M', 740), ('AA', 3000)]
    """
    return move_edges(phones, RELEASES.get(engine, {}), BEGINNINGS.get(engine, {}))


def move_edges(
    phones: Sequence[Segment], releases: Mapping[str, float], beginnings: Mapping[str, float]
) -> tuple[Segment, ...]:
    """The phones with the edges of consonants moved by a share of the consonant.

    releases, beginnings: the share that the vowel after it, or before it, gets, by consonant. Below
    0 the consonant gets it, from a vowel less than half of that vowel: it never vanishes.

    >>> phones = [Segment("AA", 0, 1000), Segment("M", 1000, 2000), Segment("AA", 2000, 2400)]
    >>> [p.end for p in move_edges(phones, {"M": -0.3}, {"M": 0.1})]
    [1100, 2199, 2400]
    """
    edges = [phone.end for phone in phones]
    for n, (before, after) in enumerate(pairwise(phones)):
        if after.label in VOWELS:
            move = -round(before.samples * releases.get(before.label, 0.0))
            edges[n] += min(move, (after.samples - 1) // 2)
        elif before.label in VOWELS:
            move = round(after.samples * beginnings.get(after.label, 0.0))
            edges[n] += max(move, -((before.samples - 1) // 2))
    starts = [phone.start for phone in phones[:1]] + edges[:-1]
    return tuple(replace(p, start=s, end=e) for p, s, e in zip(phones, starts, edges))


def _silent_run(power: np.ndarray, at: int, room: int, limit: float) -> int:
    """Samples of silence that end at sample `at`, `room` at most, in whole frames.

    One frame right before `at` may be loud: resampling smears the burst a little to the left.
    """
    taken, skipped = 0, False
    while taken + FRAME <= room:
        end = at - taken
        if (power[end] - power[end - FRAME]) / FRAME > limit:
            if taken or skipped:
                break
            skipped = True
        taken += FRAME
    return taken if taken > FRAME or not skipped else 0


def _levels(audio: np.ndarray) -> np.ndarray:
    """Mean power of each frame, in ascending order."""
    whole = len(audio) // FRAME * FRAME
    frames = np.asarray(audio[:whole], dtype=np.float64).reshape(-1, FRAME)
    return np.sort((frames**2).mean(axis=1))
