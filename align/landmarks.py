"""Where the sound itself changes near a claimed boundary: the judge of labels that needs no model.

Each boundary belongs to a class, and each class has a cue that can be seen in the sound. The claim
only says where to look. tests/align/test_landmarks.py moves true labels by a known time and checks
that the measure says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from clips import RATE, SILENCE, Segment

STEP = 16
"""Boundaries are looked for on a grid of this many samples (1 ms)."""

STOPS = frozenset({"P", "T", "K", "B", "D", "G", "CH", "JH"})
FRICATIVES = frozenset({"F", "V", "TH", "DH", "S", "Z", "SH", "ZH", "HH"})
NASALS = frozenset({"M", "N", "NG"})

VOICELESS = frozenset({"P", "T", "K", "CH", "F", "TH", "S", "SH", "HH"})

CLASSES = {
    "onset": "silence to sound: the level rises above the quiet",
    "closure": "into a stop: the steepest fall of the level above 500 Hz, 10 dB at least",
    "voicing": "from a voiceless stop to a voiced sound: the steepest rise below 500 Hz",
    "release": "from a voiced stop: spectral change",
    "fricative": "into or out of a fricative: spectral change",
    "nasal": "into or out of a nasal: spectral change",
    "glide": "between a vowel and L R W Y: spectral change (no sharp edge: a wide spread)",
    "vowel": "between two vowels: spectral change (no sharp edge: a wide spread)",
    "offset": "sound to silence: the level falls to the quiet",
}
"""Every class of boundaries and its cue."""

PHONETICIANS = {
    "onset": 2.3, "closure": 1.1, "voicing": 7.7, "release": 12.0, "fricative": 0.8,
    "nasal": 1.8, "glide": 2.0, "vowel": 9.4, "offset": -1.8,
}  # fmt: skip
"""How late (ms) labels made by hand come by this measure: a stop ends after its aspiration, not at
the burst that changes the spectrum most. Medians of 5,677 boundaries of five German speakers
(`visemill timing --truth FOLDER` with the Berlin Database of Emotional Speech)."""

_WINDOW = 320  # 20 ms: at least one period of a voice of 50 Hz
_APART = 160  # the two windows that are compared lie this far before and after (centres)
_REACH = 640  # 40 ms: the farthest that a boundary is looked for
_CLOSURE_REACH = 1600  # a stop stamped at its burst has its closure up to 100 ms earlier
_EDGE_DB = 10.0
_QUIET_DB = 40.0  # what lies this far under the loudest is no sound


@dataclass(frozen=True, slots=True)
class Landmark:
    """A boundary as claimed and as found. claimed, found: samples. kind: a key of CLASSES."""

    before: str
    after: str
    kind: str
    claimed: int
    found: int

    @property
    def milliseconds(self) -> float:
        """Claimed minus found: positive where the label comes late."""
        return (self.claimed - self.found) * 1000 / RATE

    @property
    def lag(self) -> float:
        """How much later (ms) the label comes than a phonetician's would."""
        return self.milliseconds - PHONETICIANS[self.kind]


def boundary_class(before: str, after: str) -> str:
    """The class of the boundary between two phones (ARPAbet or SIL).

    >>> boundary_class("AA", "P"), boundary_class("P", "AA"), boundary_class("SIL", "M")
    ('closure', 'voicing', 'onset')
    """
    if SILENCE in (before, after):
        return "onset" if before == SILENCE else "offset"
    if after in STOPS:
        return "closure"
    if before in STOPS:
        return "voicing" if before in VOICELESS else "release"
    for kind, phones in (("fricative", FRICATIVES), ("nasal", NASALS)):
        if before in phones or after in phones:
            return kind
    return "glide" if {before, after} & {"L", "R", "W", "Y"} else "vowel"


def find_landmarks(audio: np.ndarray, phones: Sequence[Segment]) -> list[Landmark]:
    """What the sound says about each boundary between `phones`.

    audio: float, shape (samples,), 16 kHz. phones: in order, touching; ARPAbet and SIL. Left out,
    since they cannot be heard: boundaries between silence and a stop, between stops, from a
    nasal to a stop, from a stop to a voiceless sound, and those whose fall or rise is under 10 dB.
    """
    track = _Track(np.asarray(audio, dtype=np.float64))
    found = []
    for before, after in pairwise(phones):
        kind = boundary_class(before.label, after.label)
        at = after.start
        if _unheard(before.label, after.label):
            continue
        back, ahead = _reach(before), _reach(after)
        if kind == "closure":
            # Either the closure follows in the stop, or it was left in the phone before.
            place = track.steepest_fall(at - min(_CLOSURE_REACH, before.samples), at + ahead)
        elif kind == "voicing":
            place = track.steepest_rise(at - back, at + ahead)
        elif kind in ("onset", "offset"):
            place = track.crossing(at - back, at + ahead, rising=kind == "onset")
        else:
            place = track.most_change(at - back, at + ahead)
        if place is not None:
            found.append(Landmark(before.label, after.label, kind, at, place))
    return found


def _unheard(before: str, after: str) -> bool:
    if {before, after} <= STOPS | {SILENCE} or (before in NASALS and after in STOPS):
        return True
    return before in STOPS and after in VOICELESS


def _reach(phone: Segment) -> int:
    """How far into a phone its boundary may lie: to its middle, so that the next stays out."""
    return min(_REACH, max(phone.samples // 2, 240))


class _Track:
    """Level and spectrum of a sound every STEP samples."""

    def __init__(self, audio: np.ndarray) -> None:
        half = _WINDOW // 2
        padded = np.pad(audio, half)
        frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::STEP]
        spectrum = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), 512)) ** 2
        floor = spectrum.sum(axis=1).max(initial=0.0) * 1e-6 + 1e-12
        self._bands = 10 * np.log10(spectrum @ _mel_bands().T + floor / 40)
        # The level is read in shorter windows: a closure's edges are sharp.
        short = np.lib.stride_tricks.sliding_window_view(np.pad(audio, 64), 128)[::STEP]
        power = np.abs(np.fft.rfft(short * np.hanning(128), 128)) ** 2
        self._high = 10 * np.log10(power[:, 4:].sum(axis=1) + 1e-12)
        self._level = 10 * np.log10(power.sum(axis=1) + 1e-12)
        self._low = 10 * np.log10(spectrum[:, 2:17].sum(axis=1) + 1e-12)
        for level in (self._high, self._level, self._low):
            np.maximum(level, level.max(initial=-120.0) - 60, out=level)

    def most_change(self, low: int, high: int) -> int | None:
        first, last = self._range(low, high)
        if last <= first:
            return None
        apart = _APART // STEP
        bands = self._bands
        places = np.arange(first, last + 1)
        back = bands[np.maximum(places - apart, 0)]
        ahead = bands[np.minimum(places + apart, len(bands) - 1)]
        return int(places[np.linalg.norm(ahead - back, axis=1).argmax()]) * STEP

    def steepest_fall(self, low: int, high: int) -> int | None:
        """The middle of the steepest fall in 10 ms of the level above 500 Hz."""
        return self._steepest(-self._high, low, high)

    def steepest_rise(self, low: int, high: int) -> int | None:
        """The middle of the steepest rise in 10 ms of the level below 500 Hz."""
        return self._steepest(self._low, low, high)

    def _steepest(self, level: np.ndarray, low: int, high: int) -> int | None:
        first, last = self._range(low, high)
        if last <= first:
            return None
        places = np.arange(first, last + 1)
        ahead, back = np.minimum(places + 5, len(level) - 1), np.maximum(places - 5, 0)
        rise = level[ahead] - level[back]
        best = int(rise.argmax())
        return int(places[best]) * STEP if rise[best] >= _EDGE_DB else None

    def crossing(self, low: int, high: int, *, rising: bool) -> int | None:
        """Where the level passes _QUIET_DB under the loudest, next to the quietest place."""
        first, last = self._range(low, high)
        if last <= first:
            return None
        level = self._level[first : last + 1]
        loud = level > self._level.max() - _QUIET_DB
        quietest = int(level.argmin())
        beside = loud[quietest:] if rising else loud[: quietest + 1][::-1]
        if loud[quietest] or not beside.any():
            return None
        steps = int(beside.argmax())
        return (first + (quietest + steps if rising else quietest - steps + 1)) * STEP

    def _range(self, low: int, high: int) -> tuple[int, int]:
        last = len(self._bands) - 1
        return max(0, min(last, -(-low // STEP))), max(0, min(last, high // STEP))


def _mel_bands(count: int = 24, size: int = 257) -> np.ndarray:
    """Triangles on the mel scale from 80 to 7600 Hz, shape (count, size)."""
    hertz = np.linspace(0, RATE / 2, size)
    mel = 2595 * np.log10(1 + hertz / 700)
    edges = np.linspace(2595 * np.log10(1 + 80 / 700), 2595 * np.log10(1 + 7600 / 700), count + 2)
    rise = (mel - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - mel) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(rise, fall), 0, None)
