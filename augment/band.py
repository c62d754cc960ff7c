"""Only a band of frequencies: telephones and the microphones of small devices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augment.drawn import ChannelTransform
from augment.filters import HERTZ, shape_spectrum
from augment.values import Checked, number, some_of, span
from augment.voice import keep_level
from clips import Clip

BANDS = {"telephone": (300.0, 3400.0), "wideband": (50.0, 7000.0), "laptop": (200.0, 6000.0)}
"""Lowest and highest frequency (Hz). Telephone: ITU-T G.712; wideband: ITU-T G.722. Laptop: no
standard, a guess at a small microphone behind a hole."""


@dataclass(frozen=True, slots=True)
class BandSettings(Checked):
    """bands: those to draw from. spread: octaves that each edge may lie off (0..1). slope: range of
    the fall beyond the edges, dB an octave (6..96)."""

    bands: tuple[str, ...] = some_of(tuple(BANDS), tuple(BANDS))
    spread: float = number(0, 1, 0.2)
    slope: tuple[float, float] = span(6, 96, 12, 48)


@dataclass(frozen=True, slots=True)
class BandParams(Checked):
    """low, high: Hz where the gain is −3 dB. slope: dB an octave."""

    low: float = number(20, 2000)
    high: float = number(2000, 16000)
    slope: float = number(6, 96)


class Band(ChannelTransform[BandParams]):
    """Takes away what lies outside a band; the level stays."""

    name = "band"
    Settings, Params = BandSettings, BandParams

    def draw(self, rng: np.random.Generator, clip: Clip) -> BandParams:
        """See Transform.draw: band, edges (in octaves) and slope evenly."""
        ranges = self.settings
        edges = BANDS[ranges.bands[rng.integers(len(ranges.bands))]]
        off = 2 ** rng.uniform(-ranges.spread, ranges.spread, 2)
        low, high = (round(float(x)) for x in edges * off)
        return BandParams(low, high, round(float(rng.uniform(*ranges.slope)), 1))

    def render(self, clip: Clip, params: BandParams) -> np.ndarray:
        """See ChannelTransform.render. Both edges fall like Butterworth filters."""
        power = params.slope / 3.01  # dB an octave to twice the order
        below = (params.low / np.maximum(HERTZ, 1.0)) ** power
        above = (HERTZ / params.high) ** power
        gains = -10 * (np.log10(1 + below) + np.log10(1 + above))
        return keep_level(clip.audio, shape_spectrum(clip.audio, gains))


TRANSFORM = Band
