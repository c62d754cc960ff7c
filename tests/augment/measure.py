"""Whether a child's sound lies where its parent's did, or where the parent's time went."""

from __future__ import annotations

import numpy as np

from align.landmarks import find_landmarks
from augment.timemap import TimeMap
from clips import Clip

_WINDOW, _REACH = 800, 320  # samples: ±50 ms of sound are looked for within ±20 ms


def landmark_shifts(parent: Clip, child: Clip) -> list[float]:
    """Milliseconds by which each boundary that is seen in both sounds comes later in the child."""
    before = {mark.claimed: mark.found for mark in find_landmarks(parent.audio, parent.phones)}
    after = find_landmarks(child.audio, child.phones)
    return [(m.found - before[m.claimed]) / 16 for m in after if m.claimed in before]


def boundary_shifts(parent: Clip, child: Clip, moved: TimeMap) -> list[float]:
    """Milliseconds by which each boundary's sound comes later in the child than its label says.

    The change of the spectrum within 50 ms of the boundary, as the parent has it and with its time
    undone, is looked for in the child within 25 ms: eight bands, a frame of 16 ms every ms, the
    mean of each band taken out. Boundaries at which little changes are left out.
    """
    ours, theirs = _bands(parent.audio), _bands(child.audio)
    steps, shifts = np.arange(-50, 51), range(-25, 26)
    found = []
    for phone in parent.phones[1:]:
        at = moved.to[phone.start] / 16 + steps
        if at[0] < 25 or at[-1] + 25 >= len(theirs):
            continue
        wanted = _at(ours, moved.back(at * 16) / 16)
        if wanted.std(axis=0).mean() < 4:  # dB
            continue
        errors = [np.abs(wanted - _at(theirs, at + shift)).mean() for shift in shifts]
        found.append(float(shifts[int(np.argmin(errors))]))
    return found


def _bands(audio: np.ndarray) -> np.ndarray:
    """Power (dB, not below −70) in eight bands of 1 kHz, a frame of 16 ms centred on every ms."""
    padded = np.pad(audio.astype(np.float64), 128)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 256)[::16] * np.hanning(256)
    power = np.abs(np.fft.rfft(frames)[:, :128]) ** 2
    return 10 * np.log10(power.reshape(-1, 8, 16).mean(axis=2) + 1e-7)


def _at(bands: np.ndarray, milliseconds: np.ndarray) -> np.ndarray:
    """Rows at these times, the mean of each band taken out."""
    rows = bands[np.clip(np.rint(milliseconds).astype(np.int64), 0, len(bands) - 1)]
    return rows - rows.mean(axis=0)


def level(audio: np.ndarray, width: int) -> np.ndarray:
    """RMS over `width` samples around each sample."""
    return np.sqrt(np.convolve(np.square(audio, dtype=np.float64), np.ones(width) / width, "same"))


def delays(parent: Clip, child: Clip, moved: TimeMap) -> list[float]:
    """Milliseconds by which the child's loudness follows the parent's, tempo undone: best match of
    windows of 150 ms, for windows in which something happens, in steps of 1 ms up to 20 ms."""
    ours, theirs = (10 * np.log10(level(c.audio, 160) ** 2 + 1e-7) for c in (parent, child))
    wanted = np.interp(moved.back(np.arange(len(theirs))), np.arange(len(ours)), ours)
    found = []
    for start in range(800, len(theirs) - 3200, 1200):
        window = wanted[start : start + 2400]
        if window.std() < 6:  # dB
            continue
        fits = {
            shift: np.corrcoef(window, theirs[start + shift : start + shift + 2400])[0, 1]
            for shift in range(-320, 321, 16)
        }
        best = max(fits, key=fits.get)
        if fits[best] > 0.8:
            found.append(best / 16)
    return found


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
