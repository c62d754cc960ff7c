"""A light check of a transform's child: clipping, level, length, and whether it still says it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clips import RATE, BadParams, Clip

_WINDOW, _HOP = 400, 160  # samples: 25 ms every 10 ms
_BANDS = 12  # wide enough that single harmonics do not show
_RANGE_DB = 40.0  # frames this far below the loudest are room, not speech


@dataclass(frozen=True)
class QualityLimits:
    """Beyond these a child is rejected.

    max_clipped: share of samples at full scale that the child has more than its parent (0..1).
    max_level_db: difference of RMS levels (dB). max_distance_db: mean difference of the smoothed
    log-mel pictures after undoing the tempo (dB).
    """

    max_clipped: float = 0.0005
    max_level_db: float = 3.0
    max_distance_db: float = 5.0

    def __post_init__(self) -> None:
        for key in ("max_clipped", "max_level_db", "max_distance_db"):
            if getattr(self, key) < 0:
                raise BadParams(f"{key} is {getattr(self, key)}; it must not be below 0")


def find_fault(parent: Clip, child: Clip, limits: QualityLimits | None = None) -> str | None:
    """What is wrong with `child`, made from `parent` by its last Op; None if nothing is.

    The text before the first colon is a fixed phrase that reports can count.
    """
    limit = limits or QualityLimits()
    tempo = float(child.ops[-1].read().get("tempo", 1.0)) if child.ops else 1.0
    expected = len(parent) / tempo
    if abs(len(child) - expected) > 2:
        return f"wrong length: {len(child)} samples, not {expected:.0f}"
    clipped = _clipped(child.audio) - _clipped(parent.audio)
    if clipped > limit.max_clipped:
        return f"clipped: {clipped:.2%} of the samples more than in the parent"
    level = _level_db(child.audio) - _level_db(parent.audio)
    if abs(level) > limit.max_level_db:
        return f"level changed: by {level:+.1f} dB, more than {limit.max_level_db:g} dB"
    distance = spectral_distance(parent, child, tempo)
    if distance > limit.max_distance_db:
        return (
            f"sounds different: {distance:.1f} dB from the parent, above {limit.max_distance_db:g}"
        )
    return None


def spectral_distance(parent: Clip, child: Clip, tempo: float = 1.0) -> float:
    """Mean difference in dB between two clips' smoothed log-mel pictures, tempo undone.

    The mean of each band is taken out, so a constant tilt (another vocal tract) does not count;
    what counts is that the same sounds come at the same places.
    """
    ours = _log_mel(parent.audio, np.arange(0, len(parent), _HOP))
    theirs = _log_mel(child.audio, np.arange(len(ours)) * _HOP / tempo)
    loud = ours.max(axis=1) > ours.max() - _RANGE_DB
    ours, theirs = (np.maximum(x, x.max() - 2 * _RANGE_DB) for x in (ours, theirs))
    difference = _smooth(ours - theirs)[loud]
    return float(np.abs(difference - difference.mean(axis=0)).mean())


def _log_mel(audio: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Log-mel frames (dB), shape (len(at), _BANDS), centred on the samples `at`."""
    padded = np.pad(audio.astype(np.float64), (_WINDOW // 2, _WINDOW + _HOP))
    starts = np.minimum(np.rint(at).astype(np.int64), len(audio))
    frames = padded[starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW)
    power = np.square(np.abs(np.fft.rfft(frames, 512)))
    return 10 * np.log10(np.maximum(power @ _mel_bands(), 1e-10))


def _mel_bands() -> np.ndarray:
    """Triangular bands evenly spaced in mel from 100 to 7500 Hz, shape (257, _BANDS)."""
    mel = np.linspace(*(2595 * np.log10(1 + np.array([100.0, 7500.0]) / 700)), _BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    hertz = np.arange(257) * RATE / 512
    rise = (hertz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rise, fall), 0)


def _smooth(picture: np.ndarray) -> np.ndarray:
    """Mean over 5 frames (50 ms), so that single pitch pulses do not show."""
    padded = np.pad(picture, ((2, 2), (0, 0)), mode="edge")
    return sum(padded[n : n + len(picture)] for n in range(5)) / 5


def _clipped(audio: np.ndarray) -> float:
    return float(np.mean(np.abs(audio) >= 0.9995)) if len(audio) else 0.0


def _level_db(audio: np.ndarray) -> float:
    return float(10 * np.log10(max(np.mean(np.square(audio, dtype=np.float64)), 1e-10)))
