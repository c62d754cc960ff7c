"""Filters without delay: any curve of gains over frequency, as a symmetric kernel.

A symmetric kernel has phase zero, so no sound moves; it is short, so what it smears stays near.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import oaconvolve

from clips import RATE

REACH = 256
"""Samples (16 ms) that the kernel reaches to each side."""

_SIZE = 1024
_FLOOR_DB = -80.0

HERTZ = np.fft.rfftfreq(_SIZE, 1 / RATE)
"""The frequencies at which a curve is given: 513 from 0 to 8000 Hz."""


def shape_spectrum(audio: np.ndarray, gains_db: np.ndarray) -> np.ndarray:
    """`audio` with the gain at each of HERTZ (dB, shape (513,)) applied; float64, same length."""
    kernel = np.fft.irfft(10 ** (np.maximum(gains_db, _FLOOR_DB) / 20))
    kernel = np.roll(kernel, REACH)[: 2 * REACH + 1] * np.hanning(2 * REACH + 3)[1:-1]
    return oaconvolve(audio.astype(np.float64), kernel, mode="same")
