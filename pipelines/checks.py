"""What can be checked about a labelled clip by itself: does its sound agree with its labels?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clips import SILENCE, Clip
from clips.arpabet import CLOSED, VOWELS
from clips.segment import RATE

_HOP = 80  # samples (5 ms): short enough to find the dip of a closure


@dataclass(frozen=True)
class CheckLimits:
    """Limits for `find_doubt`; levels in dB under the clip's vowels, times in seconds."""

    silence_below_db: float
    longest_phone: float
    closure_below_db: float
    max_open_closures: float
    min_seconds: float
    max_seconds: float


def levels(audio: np.ndarray) -> np.ndarray:
    """RMS level in dB of every 5 ms, shape (samples // 80,); −100 for silence."""
    count = len(audio) // _HOP
    frames = audio[: count * _HOP].reshape(count, _HOP).astype(np.float64)
    return 10 * np.log10(np.maximum(np.mean(frames**2, axis=1), 1e-10))


def find_doubt(clip: Clip, limits: CheckLimits) -> tuple[str, float]:
    """The worst thing that speaks against a clip's labels and a doubt in 0..1; ("", 0.0) if none.

    Silence must be quiet, no phone may be endless, and the sound must dip while lips are closed
    for P, B and M.
    """
    if not limits.min_seconds <= clip.seconds <= limits.max_seconds:
        return f"length outside {limits.min_seconds:g}–{limits.max_seconds:g} s", 1.0
    spoken = [phone for phone in clip.phones if phone.label != SILENCE]
    if not spoken:
        return "no speech", 1.0
    longest = max(phone.seconds for phone in spoken)
    if longest > limits.longest_phone:
        return "a phone is too long", min(1.0, longest / limits.longest_phone - 0.5)
    power = levels(clip.audio)
    vowel_levels = [_inside(power, p.start, p.end) for p in spoken if p.label in VOWELS]
    if not vowel_levels:
        return "no vowel", 0.5
    loud = float(np.median(np.concatenate(vowel_levels)))
    quiet = [_inside(power, p.start, p.end) for p in clip.phones if _is_pause(p)]
    if quiet:
        silence = float(np.percentile(np.concatenate(quiet), 90))
        if silence > loud - limits.silence_below_db:
            return "silence is not quiet", 0.8
    closures = [p for p in spoken if p.label in CLOSED]
    if closures:
        open_ones = sum(
            _inside(power, p.start, p.end).min() > loud - limits.closure_below_db for p in closures
        )
        if open_ones > max(1, limits.max_open_closures * len(closures)):
            return "lips are closed where the sound is loud", 0.7
    return "", 0.0


def _is_pause(phone) -> bool:
    return phone.label == SILENCE and phone.samples > 0.06 * RATE


def _inside(power: np.ndarray, start: int, end: int) -> np.ndarray:
    first = min(start // _HOP, len(power) - 1)
    return power[first : max(first + 1, end // _HOP)]
