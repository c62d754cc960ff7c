"""Louder or softer; what goes beyond full scale is cut off, as a recorder would."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augment.drawn import ChannelTransform, draw_between
from augment.values import Checked, number, span
from clips import Clip


@dataclass(frozen=True, slots=True)
class GainSettings(Checked):
    """gain_db: range of the gain (−40..30 dB)."""

    gain_db: tuple[float, float] = span(-40, 30, -30, 12)


@dataclass(frozen=True, slots=True)
class GainParams(Checked):
    """gain_db: of the whole clip."""

    gain_db: float = number(-40, 30)


class Gain(ChannelTransform[GainParams]):
    """Changes the level."""

    name = "gain"
    Settings, Params = GainSettings, GainParams

    def draw(self, rng: np.random.Generator, clip: Clip) -> GainParams:
        """See Transform.draw: evenly in dB."""
        return GainParams(draw_between(rng, self.settings.gain_db, 1))

    def render(self, clip: Clip, params: GainParams) -> np.ndarray:
        """See ChannelTransform.render."""
        return clip.audio.astype(np.float64) * 10 ** (params.gain_db / 20)


TRANSFORM = Gain
