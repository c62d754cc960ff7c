"""What can be said about a labelled clip by itself: does its sound agree with its labels, how
doubtful are they, and where most?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from align.calibration import load_durations
from clips import SILENCE, Clip, Segment
from clips.arpabet import ARPABET, CLOSED, VOWELS
from clips.segment import RATE

_HOP = 80  # samples (5 ms): short enough to find the dip of a closure
_FRAME = 160  # samples (10 ms) of the tracks here
_SPOT = 50  # frames: a worst spot is half a second long
_STRETCH = 10  # phones, two or three words
_PLACE = {phone: place for place, phone in enumerate((SILENCE, *sorted(ARPABET)))}


@dataclass(frozen=True)
class CheckLimits:
    """Limits for `find_fault`; levels in dB under the clip's vowels, times in seconds."""

    silence_below_db: float
    longest_phone: float
    closure_below_db: float
    max_open_closures: float
    min_seconds: float
    max_seconds: float


@dataclass(frozen=True, slots=True)
class Fault:
    """What speaks against a clip's labels, a doubt in 0..1, and the samples where it is worst."""

    reason: str
    doubt: float
    start: int
    end: int


def levels(audio: np.ndarray) -> np.ndarray:
    """RMS level in dB of every 5 ms, shape (samples // 80,); −100 for silence."""
    count = len(audio) // _HOP
    frames = audio[: count * _HOP].reshape(count, _HOP).astype(np.float64)
    return 10 * np.log10(np.maximum(np.mean(frames**2, axis=1), 1e-10))


def find_fault(clip: Clip, limits: CheckLimits) -> Fault | None:
    """The first rule that a clip breaks, or None.

    Silence must be quiet, no phone may be endless, and the sound must dip while lips are closed
    for P, B and M.
    """
    if not limits.min_seconds <= clip.seconds <= limits.max_seconds:
        reason = f"length outside {limits.min_seconds:g}–{limits.max_seconds:g} s"
        return Fault(reason, 1.0, 0, len(clip))
    spoken = [phone for phone in clip.phones if phone.label != SILENCE]
    if not spoken:
        return Fault("no speech", 1.0, 0, len(clip))
    longest = max(spoken, key=lambda phone: phone.samples)
    if longest.seconds > limits.longest_phone:
        doubt = min(1.0, longest.seconds / limits.longest_phone - 0.5)
        return Fault("a phone is too long", doubt, longest.start, longest.end)
    power = levels(clip.audio)
    vowel_levels = [_inside(power, p) for p in spoken if p.label in VOWELS]
    if not vowel_levels:
        return Fault("no vowel", 0.5, 0, len(clip))
    loud = float(np.median(np.concatenate(vowel_levels)))
    if pauses := [phone for phone in clip.phones if _is_pause(phone)]:
        silence = float(np.percentile(np.concatenate([_inside(power, p) for p in pauses]), 90))
        if silence > loud - limits.silence_below_db:
            worst = max(pauses, key=lambda p: float(np.percentile(_inside(power, p), 90)))
            return Fault("silence is not quiet", 0.8, worst.start, worst.end)
    if closures := [phone for phone in spoken if phone.label in CLOSED]:
        dips = [float(_inside(power, phone).min()) for phone in closures]
        open_ones = sum(dip > loud - limits.closure_below_db for dip in dips)
        if open_ones > max(1, limits.max_open_closures * len(closures)):
            worst = closures[int(np.argmax(dips))]
            return Fault("lips are closed where the sound is loud", 0.7, worst.start, worst.end)
    return None


EVIDENCE = ("mismatch", "stretch", "odd", "vowel", "noise", "differs", "differs_spot")
"""What `evidence` says of a clip, each 0..1.

mismatch: by how much `align_match` is below what is usual for the speaker. stretch: mean of 1 −
score over the worst ten phones in a row. odd: how odd the oddest two durations are (1: four
standard deviations). vowel: the longest vowel (s). noise: how loud silence is beside speech (0: −30
dB, 1: 0 dB). differs, differs_spot: the share of 10 ms frames, of the clip and of its worst half
second, where a trained network shows another mouth.
"""


def evidence(
    clip: Clip, usual: float, shown: np.ndarray | None, labelled: np.ndarray
) -> np.ndarray:
    """The evidence against a clip's labels, shape (len(EVIDENCE),).

    usual: the speaker's usual `align_match` (align.confidence.usual_match). shown: the class that a
    network shows at each 10 ms, or None; labelled: those of the labels, as many
    (visemes.frames.frame_classes). A phone without a score counts as its clip does; what an aligner
    did not measure counts as no evidence.
    """
    score = clip.score
    differs = differs_spot = 0.0
    if shown is not None and len(shown):
        apart = (shown != labelled).astype(float)
        differs, differs_spot = float(apart.mean()), float(_means(apart, _SPOT).max())
    values = (
        usual - score.get("align_match", usual),
        _means(_misfit(clip), _STRETCH).max(),
        np.sort(_odd(clip.phones))[-2:].mean(),
        score.get("align_vowel", 0.0),
        1 + score.get("align_silence_db", -30.0) / 30,
        differs,
        differs_spot,
    )
    return np.clip(np.array(values, dtype=float), 0, 1)


_PLAIN = np.array([-9.83, 7.47, 7.6, 1.62, 6.75, 4.57, 0.0, 0.0])
_WITH_MODEL = np.array([-12.14, 7.31, 7.6, 1.51, 6.18, 4.17, 0.0, 3.02])
"""A constant and the weights of EVIDENCE, for when one clip in ten is wrong.

Fitted as `benchmarks/review_simulation.py --fit` does, on pocketsphinx's labels of 450 right and 69
wrong clips by flite's voices rms and kal16 (docs/review.md has what they are worth on others)."""


def chance_wrong(found: np.ndarray, with_model: bool) -> float:
    """The chance (0..1) that a clip's labels are wrong, from its `evidence`.

    with_model: whether a network was asked.
    """
    weights = _WITH_MODEL if with_model else _PLAIN
    return float(1 / (1 + np.exp(-(weights[0] + weights[1:] @ found))))


def worst_spot(
    clip: Clip, shown: np.ndarray | None, labelled: np.ndarray, fault: Fault | None
) -> tuple[int, int]:
    """The samples (start, end) of the half second to look at first.

    It lies around a fault; else where scores are lowest, durations oddest and, if there is a
    network, mouths differ.
    """
    if fault:
        middle = (fault.start + fault.end) // 2
    else:
        track = _per_frame(clip, _misfit(clip) + _odd(clip.phones))
        if shown is not None:
            apart = (shown != labelled)[: len(track)]
            track[: len(apart)] += apart
        middle = (int(np.argmax(_means(track, _SPOT))) + min(_SPOT, len(track)) // 2) * _FRAME
    half = _SPOT * _FRAME // 2
    start = max(0, min(middle - half, len(clip) - 2 * half))
    return start, min(len(clip), start + 2 * half)


def _misfit(clip: Clip) -> np.ndarray:
    """1 − the score of each phone, shape (phones,)."""
    usual = clip.score.get("confidence", 0.0)
    return np.array([1 - (usual if p.score is None else p.score) for p in clip.phones])


def _odd(phones: tuple[Segment, ...]) -> np.ndarray:
    """How odd each phone's length is at the clip's tempo: 0 to 1 (four standard deviations)."""
    mean, deviation = load_durations()[[_PLACE[phone.label] for phone in phones]].T
    longer = np.log([phone.samples for phone in phones]) - mean
    spoken = np.array([phone.label != SILENCE for phone in phones])
    if not spoken.any():
        return np.zeros(len(phones))
    odd = np.abs(longer - np.median(longer[spoken])) / deviation / 4
    return np.where(spoken, odd.clip(0, 1), 0.0)


def _per_frame(clip: Clip, values: np.ndarray) -> np.ndarray:
    """Values of phones as a track of 10 ms, shape (frames,)."""
    times = np.arange(max(1, len(clip) // _FRAME)) * _FRAME
    ends = [phone.end for phone in clip.phones]
    return values[np.minimum(np.searchsorted(ends, times, side="right"), len(values) - 1)]


def _means(track: np.ndarray, width: int) -> np.ndarray:
    """Means over every `width` values in a row (or over all, if these are fewer)."""
    width = min(width, len(track))
    sums = np.append(0.0, np.cumsum(track))
    return (sums[width:] - sums[:-width]) / width


def _is_pause(phone: Segment) -> bool:
    return phone.label == SILENCE and phone.samples > 0.06 * RATE


def _inside(power: np.ndarray, phone: Segment) -> np.ndarray:
    first = min(phone.start // _HOP, len(power) - 1)
    return power[first : max(first + 1, phone.end // _HOP)]
