"""Generated noise under the speech: white, pink or brown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from augment.drawn import ChannelTransform, draw_between, draw_seed
from augment.loudness import mix
from augment.values import Checked, number, one_of, some_of, span, whole
from clips import RATE, Clip

COLOURS = {"white": 0.0, "pink": 0.5, "brown": 1.0}
"""How the amplitude falls with frequency: as 1 / f to this power (0, 3 and 6 dB an octave)."""

_LOWEST = 20.0  # Hz: below it the spectrum is flat, since nothing there can be heard


@dataclass(frozen=True, slots=True)
class NoiseSettings(Checked):
    """colours: those to draw from. snr_db: speech over noise (−10..60 dB), see augment.loudness."""

    colours: tuple[str, ...] = some_of(tuple(COLOURS), tuple(COLOURS))
    snr_db: tuple[float, float] = span(-10, 60, 5, 30)


@dataclass(frozen=True, slots=True)
class NoiseParams(Checked):
    """What one child was given; seed: of the noise."""

    colour: str = one_of(tuple(COLOURS))
    snr_db: float = number(-10, 60)
    seed: int = whole(0, 2**32 - 1)


class Noise(ChannelTransform[NoiseParams]):
    """Adds steady noise."""

    name = "noise"
    Settings, Params = NoiseSettings, NoiseParams

    def draw(self, rng: np.random.Generator, clip: Clip) -> NoiseParams:
        """See Transform.draw: colour and ratio evenly."""
        colour = self.settings.colours[rng.integers(len(self.settings.colours))]
        return NoiseParams(colour, draw_between(rng, self.settings.snr_db, 1), draw_seed(rng))

    def render(self, clip: Clip, params: NoiseParams) -> np.ndarray:
        """See ChannelTransform.render."""
        return mix(clip, make_noise(params.colour, len(clip), params.seed), params.snr_db)


def make_noise(colour: str, samples: int, seed: int) -> np.ndarray:
    """Gaussian noise of one of COLOURS, shape (samples,), of no particular level."""
    size = next_fast_len(samples, real=True)
    noise = np.random.Generator(np.random.PCG64(seed)).normal(size=size)
    if COLOURS[colour]:
        hertz = np.maximum(np.fft.rfftfreq(size, 1 / RATE), _LOWEST)
        noise = irfft(rfft(noise) / hertz ** COLOURS[colour], size)
    return noise[:samples]


TRANSFORM = Noise
