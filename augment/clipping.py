"""Overdriven: peaks are cut off (hard) or bent (soft) below full scale; the level stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augment.drawn import ChannelTransform, draw_between
from augment.values import Checked, number, one_of, some_of, span
from augment.voice import keep_level
from clips import Clip

KINDS = ("hard", "soft")
"""Cut off at the limit; or bent towards it by tanh, which also bends what lies below."""


@dataclass(frozen=True, slots=True)
class ClippingSettings(Checked):
    """kinds: of KINDS. over_db: range of how far the highest sample is over the limit (0..40)."""

    kinds: tuple[str, ...] = some_of(KINDS, KINDS)
    over_db: tuple[float, float] = span(0, 40, 2, 15)


@dataclass(frozen=True, slots=True)
class ClippingParams(Checked):
    """kind: of KINDS. over_db: the clip's highest sample over the limit."""

    kind: str = one_of(KINDS)
    over_db: float = number(0, 40)


class Clipping(ChannelTransform[ClippingParams]):
    """Distorts loud samples."""

    name = "clipping"
    Settings, Params = ClippingSettings, ClippingParams

    def draw(self, rng: np.random.Generator, clip: Clip) -> ClippingParams:
        """See Transform.draw: both evenly."""
        kind = self.settings.kinds[rng.integers(len(self.settings.kinds))]
        return ClippingParams(kind, draw_between(rng, self.settings.over_db, 1))

    def render(self, clip: Clip, params: ClippingParams) -> np.ndarray:
        """See ChannelTransform.render."""
        sound = clip.audio.astype(np.float64)
        limit = max(float(np.abs(sound).max()), 1e-9) / 10 ** (params.over_db / 20)
        if params.kind == "hard":
            bent = np.clip(sound, -limit, limit)
        else:
            bent = limit * np.tanh(sound / limit)
        return keep_level(clip.audio, bent)


TRANSFORM = Clipping
