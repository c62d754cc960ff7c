"""Several other people who speak at once beneath the speech: babble made of other clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from augment.drawn import ChannelTransform, draw_between
from augment.loudness import active_power, mix
from augment.pool import join_credits
from augment.values import Checked, checked_by, number, span, whole
from clips import BadInput, BadParams, Clip

FEWEST = 3
"""Voices at least: fewer can be understood, and their mouths are not the ones that are labelled."""


def _voices(key: str, value: Any) -> tuple[tuple[str, int], ...]:
    try:
        voices = tuple((str(clip_id), int(start)) for clip_id, start in value)
    except (TypeError, ValueError) as error:
        raise BadParams(f"{key} is {value!r}", remedy="write [[clip id, sample], …]") from error
    if not voices or min(start for _, start in voices) < 0:
        raise BadParams(f"{key} is {value!r}", remedy="name clips, with samples from 0")
    return voices


@dataclass(frozen=True, slots=True)
class BabbleSettings(Checked):
    """voices: at most so many (3..12), fewer where the pool is small. snr_db: −10..60 dB."""

    voices: int = whole(FEWEST, 12, 6)
    snr_db: tuple[float, float] = span(-10, 60, 8, 30)


@dataclass(frozen=True, slots=True)
class BabbleParams(Checked):
    """voices: (clip id, the sample at which it starts; it goes round). snr_db: speech over all."""

    voices: tuple[tuple[str, int], ...] = checked_by(_voices)
    snr_db: float = number(-10, 60)


class Babble(ChannelTransform[BabbleParams]):
    """Adds the voices of other clips; their licences and attributions come along."""

    name = "babble"
    Settings, Params = BabbleSettings, BabbleParams

    def fits(self, clip: Clip) -> bool:
        """See DrawnTransform.fits: the pool must hold FEWEST other clips."""
        return len(self.pool.others(clip)) >= FEWEST

    def draw(self, rng: np.random.Generator, clip: Clip) -> BabbleParams:
        """See Transform.draw. Raises BadInput if the pool holds fewer than FEWEST other clips."""
        if not self.fits(clip):
            raise BadInput(
                f"babble needs {FEWEST} other clips of the same split",
                where=f"clip {clip.clip_id}",
                remedy="give a larger Pool, or leave babble out",
            )
        others = self.pool.others(clip)
        count = int(rng.integers(FEWEST, min(self.settings.voices, len(others)) + 1))
        chosen = [others[n] for n in rng.choice(len(others), count, replace=False)]
        voices = tuple((other.clip_id, int(rng.integers(len(other)))) for other in chosen)
        return BabbleParams(voices, draw_between(rng, self.settings.snr_db, 1))

    def render(self, clip: Clip, params: BabbleParams) -> np.ndarray:
        """See ChannelTransform.render: all voices speak equally loud."""
        babble = np.zeros(len(clip))
        for clip_id, start in params.voices:
            other = self.pool.find(clip_id)
            power = active_power(other)
            if power:
                at = (start + np.arange(len(clip))) % len(other)
                babble += other.audio[at] / np.sqrt(power)
        return mix(clip, babble, params.snr_db)

    def apply(self, clip: Clip, params: BabbleParams) -> Clip:
        """See ChannelTransform.apply."""
        others = (self.pool.find(clip_id) for clip_id, _ in params.voices)
        credits = join_credits(clip, [(other.licence, other.attribution) for other in others])
        return super().apply(clip, params).with_(**credits)


TRANSFORM = Babble
