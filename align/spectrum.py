"""Mel bands in dB, for any window and step."""

from __future__ import annotations

from functools import cache

import numpy as np

from clips import RATE

FLOOR = 1e-9
"""The smallest power of a band: nothing is below −90 dB."""

_BLOCK = 2000  # frames at a time: what is in memory at once


def log_mel(audio: np.ndarray, *, hop: int, window: int, size: int, bands: int) -> np.ndarray:
    """Mel bands from 60 to 7800 Hz in dB, float32, shape (ceil(samples / hop), bands).

    audio: float, mono, 16 kHz, shape (samples,). The Hann window of `window` samples of frame k
    lies around the middle of the samples k·hop .. (k+1)·hop, so the boundary between frames k−1
    and k is sample k·hop. size: of the Fourier transform. Outside the audio is silence.
    """
    count = -(-len(audio) // hop)
    before = (window - hop) // 2
    padded = np.zeros(count * hop + window, np.float32)
    padded[before : before + len(audio)] = audio
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][:count]
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(window) + 0.5) / window)
    filters = _filters(bands, size)
    out = np.empty((count, bands), np.float32)
    for at in range(0, count, _BLOCK):
        spectrum = np.fft.rfft(frames[at : at + _BLOCK] * shape.astype(np.float32), size, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        out[at : at + _BLOCK] = 10 * np.log10(np.maximum(power @ filters, FLOOR))
    return out


def to_mel(hertz: np.ndarray | float) -> np.ndarray | float:
    """HTK's mel scale."""
    return 2595 * np.log10(1 + np.asarray(hertz) / 700)


LOWEST, HIGHEST = 60.0, 7800.0
"""The outer edges of the bands (Hz)."""


@cache
def _filters(bands: int, size: int) -> np.ndarray:
    """Triangles without normalization, shape (size / 2 + 1, bands)."""
    edges = 700 * (10 ** (np.linspace(to_mel(LOWEST), to_mel(HIGHEST), bands + 2) / 2595) - 1)
    hertz = np.linspace(0, RATE / 2, size // 2 + 1)[:, None]
    rise = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)
