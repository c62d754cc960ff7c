"""How loud the speech of a clip is, and mixing other sound with it at a signal-to-noise ratio."""

from __future__ import annotations

import numpy as np

from augment.voice import PEAK
from clips import RATE, SILENCE, Clip

_FRAME = RATE // 50  # 20 ms
_RANGE_DB = 40.0  # frames this far below the loudest are no speech


def active_power(clip: Clip) -> float:
    """Mean square of the samples in which the clip speaks (full scale is 1).

    Where it speaks is what its labels say; without labels, the frames of 20 ms within 40 dB of the
    loudest. 0 if nothing sounds.
    """
    power = np.square(clip.audio, dtype=np.float64)
    if clip.phones:
        spoken = [power[p.start : p.end] for p in clip.phones if p.label != SILENCE]
        return float(np.concatenate(spoken).mean()) if spoken else 0.0
    frames = np.pad(power, (0, -len(power) % _FRAME)).reshape(-1, _FRAME).mean(axis=1)
    return float(frames[frames >= frames.max() * 10 ** (-_RANGE_DB / 10)].mean())


def mix(clip: Clip, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """The clip's sound with `noise` beneath its speech, within PEAK.

    noise: float, shape (samples,) as the clip's. snr_db: the speech's active power over the noise's
    mean power (dB). Both keep their ratio where the sum had to come down.
    """
    power = float(np.mean(np.square(noise, dtype=np.float64)))
    sound = clip.audio.astype(np.float64)
    if power:
        sound += noise * np.sqrt(active_power(clip) / power / 10 ** (snr_db / 10))
    return within_peak(sound)


def within_peak(sound: np.ndarray) -> np.ndarray:
    """`sound`, scaled down if its highest sample is above PEAK."""
    return sound * min(1.0, PEAK / max(float(np.abs(sound).max(initial=0.0)), 1e-9))
