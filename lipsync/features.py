"""Sound to the 26 numbers per frame that the network sees: 13 mel bands in dB and their deltas.

The definition is Cherry Lip Sync's, so that weights interchange. 16 kHz; periodic Hann window of
400 samples; hop of 160 samples; no centring: frame k covers samples 160·k .. 160·k + 400.
Power spectrum of a 400-point Fourier transform; 13 triangular HTK mel bands from 0 to 8000 Hz
without normalization; 10·log10(max(power, 1e-10)). The delta of frame i is
0.5·(x[i] + x[i+1] − x[i−1] − x[i−2]), where frames outside the sound count as 0 dB.

All sums run over one frame at a time in a fixed order and in float64, so a stream gives the very
same bits as the whole file, however it is cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

RATE = 16_000
"""Samples per second (Hz)."""
WINDOW = 400
"""Samples in a frame (25 ms)."""
HOP = 160
"""Samples from one frame to the next (10 ms)."""
BANDS = 13
"""Mel bands."""
FEATURES = 2 * BANDS
"""Numbers per frame: mel bands in dB, then their deltas."""
FLOOR = 1e-10
"""The smallest power: nothing is below −100 dB."""
BEFORE, AFTER = 2, 1
"""Frames before and after a frame that its delta needs."""

_BLOCK = 2048  # frames analysed at a time: about 20 MB of scratch memory


def frame_count(samples: int) -> int:
    """Whole frames in `samples` samples: ceil((samples − 399) / 160), and 0 below 400 samples.

    >>> frame_count(399), frame_count(400), frame_count(559), frame_count(560)
    (0, 1, 1, 2)
    """
    return max(0, (samples - WINDOW) // HOP + 1)


def _filters() -> tuple[np.ndarray, np.ndarray]:
    """First bin of each of the 14 stretches between band edges; rise and fall weight of each bin.

    A bin lies on the rising side of one band and the falling side of the band before it, so two
    weights per bin, (2, 201), say everything.
    """
    top = 2595.0 * np.log10(1.0 + (RATE / 2) / 700.0)  # HTK's mel scale
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, BANDS + 2) / 2595.0) - 1.0)
    hertz = np.linspace(0.0, RATE / 2, WINDOW // 2 + 1)
    stretch = np.clip(np.searchsorted(edges, hertz, side="right") - 1, 0, BANDS)
    rise = (hertz - edges[stretch]) / (edges[stretch + 1] - edges[stretch])
    rise = np.clip(rise, 0.0, 1.0)
    return np.searchsorted(stretch, np.arange(BANDS + 1)), np.stack([rise, 1.0 - rise])


_HANN = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(WINDOW) / WINDOW)
_STARTS, _SIDES = _filters()


def mel(audio: np.ndarray) -> np.ndarray:
    """Mel bands in dB of mono samples at 16 kHz (−1..1): float32, shape (frames, 13)."""
    audio = np.ascontiguousarray(audio, np.float32)
    count = frame_count(len(audio))
    if count <= _BLOCK:
        return _mel_of(audio, count)
    blocks = range(0, count, _BLOCK)
    return np.concatenate([_mel_of(audio[at * HOP :], min(_BLOCK, count - at)) for at in blocks])


def _mel_of(audio: np.ndarray, count: int) -> np.ndarray:
    """The first `count` frames. What a stream spends its time on: no call more than needed."""
    if not count:
        return np.zeros((0, BANDS), np.float32)
    step = audio.itemsize
    frames = np.ndarray((count, WINDOW), np.float32, audio, strides=(HOP * step, step))
    parts = np.fft.rfft(frames * _HANN).view(np.float64)
    np.multiply(parts, parts, out=parts)
    power = parts[:, ::2] + parts[:, 1::2]
    bands = _summed(power)
    np.maximum(bands, FLOOR, out=bands)
    np.log10(bands, out=bands)
    np.multiply(bands, 10.0, out=bands)
    return bands.astype(np.float32)


def band_weights() -> np.ndarray:
    """How much each frequency counts in each band: (201, 13), from 0 to 8000 Hz, 40 Hz apart."""
    return _summed(np.eye(WINDOW // 2 + 1))


def _summed(power: np.ndarray) -> np.ndarray:
    """Power in each band (frames, 13) of power spectra (frames, 201)."""
    sides = np.add.reduceat(power[:, None] * _SIDES, _STARTS, axis=2)
    return sides[:, 0, :BANDS] + sides[:, 1, 1:]


def deltas(bands: np.ndarray) -> np.ndarray:
    """Deltas (dB) of mel bands (frames, 13), float32; frames outside count as 0 dB."""
    padded = np.zeros((len(bands) + BEFORE + AFTER, bands.shape[1]), np.float32)
    padded[BEFORE : BEFORE + len(bands)] = bands
    return inner_deltas(padded)


def inner_deltas(bands: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
    """Deltas of the frames that have 2 neighbours before and 1 after: 3 frames fewer than came in.

    For arrays or tensors of shape (…, frames, bands); zeros stand for frames outside the sound.
    """
    return 0.5 * (
        (bands[..., 2:-1, :] + bands[..., 3:, :]) - (bands[..., 1:-2, :] + bands[..., :-3, :])
    )


def with_deltas(bands: np.ndarray) -> np.ndarray:
    """Mel bands (frames, 13) and their deltas beside them: float32, shape (frames, 26)."""
    return np.concatenate([bands, deltas(bands)], axis=1)


def features(audio: np.ndarray) -> np.ndarray:
    """What the network sees of mono samples at 16 kHz: float32, shape (frames, 26)."""
    return with_deltas(mel(audio))


class FeatureStream:
    """Features of sound that arrives in pieces; together exactly `features` of the whole.

    A frame comes out as soon as the next frame is complete (its delta looks one frame ahead),
    the last one at `finish`.
    """

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.float32)
        self._bands = np.zeros((BEFORE, BANDS), np.float32)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Takes samples (any number), returns the frames that they complete: (frames, 26)."""
        samples = np.concatenate([self._samples, np.asarray(samples, np.float32)])
        new = mel(samples)
        self._samples = samples[len(new) * HOP :]
        return self._advance(new)

    def finish(self) -> np.ndarray:
        """The frames still held back, at the end of the sound; then starts afresh."""
        # What is before the sound counts as 0 dB too, so BEFORE frames alone mean "nothing held".
        held = len(self._bands) > BEFORE
        out = self._advance(np.zeros((AFTER, BANDS), np.float32)) if held else _NOTHING
        self.__init__()
        return out

    def _advance(self, new: np.ndarray) -> np.ndarray:
        bands = np.concatenate([self._bands, new])
        if len(bands) <= BEFORE + AFTER:
            self._bands = bands
            return _NOTHING
        self._bands = bands[-(BEFORE + AFTER) :]
        return np.concatenate([bands[BEFORE:-AFTER], inner_deltas(bands)], axis=1)


_NOTHING = np.zeros((0, FEATURES), np.float32)
