"""Recorded noise under the speech: streets, kitchens, fans, from a user's folder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augment.drawn import draw_between
from augment.loudness import mix
from augment.sounds import SoundTransform
from augment.values import Checked, number, span, text, whole
from clips import Clip


@dataclass(frozen=True, slots=True)
class BackgroundSettings(Checked):
    """folder: where the sounds lie (datasets/noises/README.md). snr_db: −10..60 dB."""

    folder: str = text("datasets/noises/backgrounds")
    snr_db: tuple[float, float] = span(-10, 60, 5, 30)


@dataclass(frozen=True, slots=True)
class BackgroundParams(Checked):
    """file, digest: the sound, by its path in the folder and a hash of its bytes. start: its
    sample (16 kHz) that sounds first; it goes round. snr_db: speech over noise."""

    file: str = text()
    digest: str = text()
    start: int = whole(0, 2**31)
    snr_db: float = number(-10, 60)


class Background(SoundTransform[BackgroundParams]):
    """Adds a piece of a recording."""

    name = "background"
    Settings, Params = BackgroundSettings, BackgroundParams

    def draw(self, rng: np.random.Generator, clip: Clip) -> BackgroundParams:
        """See Transform.draw: file, place and ratio evenly."""
        name, sound = self.draw_sound(rng)
        start = int(rng.integers(len(sound.audio)))
        return BackgroundParams(
            name, sound.digest, start, draw_between(rng, self.settings.snr_db, 1)
        )

    def render(self, clip: Clip, params: BackgroundParams) -> np.ndarray:
        """See ChannelTransform.render."""
        audio = self.folder.read(params.file, params.digest).audio
        return mix(clip, audio[(params.start + np.arange(len(clip))) % len(audio)], params.snr_db)


TRANSFORM = Background
