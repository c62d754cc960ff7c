"""Another colour of the sound: a smooth curve of gains, and a shelf at each end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from augment.drawn import ChannelTransform, draw_between, draw_ratio
from augment.filters import HERTZ, shape_spectrum
from augment.values import Checked, number, numbers, span
from augment.voice import keep_level
from clips import Clip

OCTAVES = (62.5, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Hz at which the curve is drawn; between them it is smooth (monotone cubic over octaves)."""


@dataclass(frozen=True, slots=True)
class EqualiserSettings(Checked):
    """curve_db, low_db, high_db: ranges of the gain at each octave and of the shelves (±24 dB).
    low_hz, high_hz: ranges of the frequencies where a shelf has half its gain."""

    curve_db: tuple[float, float] = span(-24, 24, -5, 5)
    low_db: tuple[float, float] = span(-24, 24, -8, 8)
    high_db: tuple[float, float] = span(-24, 24, -8, 8)
    low_hz: tuple[float, float] = span(50, 1000, 100, 400)
    high_hz: tuple[float, float] = span(1000, 7000, 2000, 6000)


@dataclass(frozen=True, slots=True)
class EqualiserParams(Checked):
    """curve_db: the gain at each of OCTAVES; shelves as in the settings."""

    curve_db: tuple[float, ...] = numbers(-24, 24, len(OCTAVES))
    low_db: float = number(-24, 24)
    low_hz: float = number(50, 1000)
    high_db: float = number(-24, 24)
    high_hz: float = number(1000, 7000)


class Equaliser(ChannelTransform[EqualiserParams]):
    """Shapes the spectrum; the level stays."""

    name = "equaliser"
    Settings, Params = EqualiserSettings, EqualiserParams

    def draw(self, rng: np.random.Generator, clip: Clip) -> EqualiserParams:
        """See Transform.draw: gains evenly, frequencies evenly on a logarithmic scale."""
        ranges = self.settings
        return EqualiserParams(
            [draw_between(rng, ranges.curve_db, 1) for _ in OCTAVES],
            draw_between(rng, ranges.low_db, 1),
            draw_ratio(rng, ranges.low_hz, 0),
            draw_between(rng, ranges.high_db, 1),
            draw_ratio(rng, ranges.high_hz, 0),
        )

    def render(self, clip: Clip, params: EqualiserParams) -> np.ndarray:
        """See ChannelTransform.render."""
        return keep_level(clip.audio, shape_spectrum(clip.audio, make_curve(params)))


def make_curve(params: EqualiserParams) -> np.ndarray:
    """The gain (dB) at each of filters.HERTZ. Shelves are those of a first-order filter."""
    octaves = np.log2(np.clip(HERTZ, OCTAVES[0], OCTAVES[-1]))
    curve = PchipInterpolator(np.log2(OCTAVES), params.curve_db)(octaves)
    low = params.low_db / (1 + (HERTZ / params.low_hz) ** 2)
    high = params.high_db / (1 + (params.high_hz / np.maximum(HERTZ, 1.0)) ** 2)
    return curve + low + high


TRANSFORM = Equaliser
