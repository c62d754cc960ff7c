"""What happens to recordings before a model hears them: loudness, noise, a room, a telephone.

A condition has a name and changes a clip's sound, never its length, so the labels stay. All noise
comes from hash(clip id, condition): every model hears the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from clips import Clip, draw_stream
from clips.segment import RATE

Condition = Callable[[Clip], np.ndarray]
"""A clip to its samples (float32, as many as before)."""

AS_RECORDED = "as recorded"


def conditions(
    gains: Sequence[float] = (),
    noises: Sequence[float] = (),
    rooms: Sequence[float] = (),
    bands: Sequence[tuple[float, float]] = (),
) -> dict[str, Condition]:
    """The conditions by name, the untouched recording first.

    gains: dB; what gets louder than full scale is clipped, as a recorder does. noises: dB between
    speech and noise. rooms: seconds in which the echo falls by 60 dB. bands: the lowest and
    the highest frequency (Hz) that a telephone or a low sampling rate leaves.
    """
    found: dict[str, Condition] = {AS_RECORDED: lambda clip: clip.audio}
    for gain in gains:
        found[f"{gain:+g} dB"] = lambda clip, gain=gain: _louder(clip.audio, gain)
    for noise in noises:
        found[f"noise {noise:g} dB"] = lambda clip, noise=noise: _noisy(clip, noise)
    for room in rooms:
        found[f"room {room:g} s"] = lambda clip, room=room: _echoing(clip, room)
    for low, high in bands:
        found[f"{low:g}-{high:g} Hz"] = lambda clip, edges=(low, high): _narrow(clip.audio, edges)
    return found


def _narrow(audio: np.ndarray, edges: tuple[float, float]) -> np.ndarray:
    """What lies between the edges, where 6 dB are lost: Butterworth filters of order 8, forwards
    and backwards, so that nothing moves."""
    low, high = edges
    size = 2 * len(audio)  # the end must not ring in the beginning
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 1.0)
    gain = 1 / ((1 + (low / hertz) ** 16) * (1 + (hertz / high) ** 16))
    return np.fft.irfft(np.fft.rfft(audio, size) * gain, size)[: len(audio)].astype(np.float32)


def _louder(audio: np.ndarray, gain: float) -> np.ndarray:
    return np.clip(audio * np.float32(10 ** (gain / 20)), -1, 1)


def _noisy(clip: Clip, ratio: float) -> np.ndarray:
    """Noise, `ratio` dB under the clip's mean power.

    Its power falls with frequency from 200 Hz on, as that of traffic and fans does.
    """
    rng = draw_stream(1, f"noise {ratio:g}", clip.clip_id)
    colour = 1 / np.sqrt(np.maximum(np.fft.rfftfreq(len(clip.audio), 1 / RATE), 200.0))
    white = rng.standard_normal(len(clip.audio))
    noise = np.fft.irfft(np.fft.rfft(white) * colour, len(white))
    power = np.mean(clip.audio.astype(float) ** 2) / np.mean(noise**2)
    return (clip.audio + noise * np.sqrt(power) * 10 ** (-ratio / 20)).astype(np.float32)


def _echoing(clip: Clip, seconds: float) -> np.ndarray:
    """Direct sound, and a tail of decaying noise 3 dB under it."""
    rng = draw_stream(1, f"room {seconds:g}", clip.clip_id)
    time = np.arange(round(seconds * RATE)) / RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    tail *= 10 ** (-3 / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    tail = tail[: len(clip.audio)]  # what rings on after the clip's end is not heard
    whole = np.fft.irfft(
        np.fft.rfft(clip.audio, 2 * len(clip.audio)) * np.fft.rfft(tail, 2 * len(clip.audio))
    )
    return whole[: len(clip.audio)].astype(np.float32)
