"""Whether a child's sound still lies where its parent's did: two measures that need no labels."""

from __future__ import annotations

import numpy as np

from align.landmarks import find_landmarks
from clips import Clip

_WINDOW, _REACH = 800, 320  # samples: ±50 ms of sound are looked for within ±20 ms


def landmark_shifts(parent: Clip, child: Clip) -> list[float]:
    """Milliseconds by which each boundary that is seen in both sounds comes later in the child."""
    before = {mark.claimed: mark.found for mark in find_landmarks(parent.audio, parent.phones)}
    after = find_landmarks(child.audio, child.phones)
    return [(m.found - before[m.claimed]) / 16 for m in after if m.claimed in before]


def local_lags(parent: Clip, child: Clip, place: int = 0) -> np.ndarray:
    """Samples by which the child's sound follows the parent's around each of the parent's
    boundaries, by cross-correlation. place: where the parent begins in the child (samples).
    Boundaries beside which nothing sounds, or too near an end, are left out."""
    lags = []
    for phone in parent.phones[1:]:
        first, last = phone.start - _WINDOW, phone.start + _WINDOW
        low, high = first + place - _REACH, last + place + _REACH
        sound = parent.audio[max(first, 0) : last].astype(np.float64)
        if first < 0 or low < 0 or last > len(parent) or high > len(child) or sound.std() < 0.003:
            continue
        other = child.audio[low:high].astype(np.float64)
        energy = np.convolve(other**2, np.ones(len(sound)), "valid")
        match = np.correlate(other, sound, "valid") / np.sqrt(energy + 1e-9)
        lags.append(int(match.argmax()) - _REACH)
    return np.array(lags)
