"""The speech through a measured impulse response: real rooms and devices, from a user's folder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import oaconvolve

from augment.sounds import SoundTransform
from augment.values import Checked, text
from augment.voice import keep_level
from clips import BadAudio, Clip


@dataclass(frozen=True, slots=True)
class ResponseSettings(Checked):
    """folder: where the impulse responses lie (datasets/noises/README.md)."""

    folder: str = text("datasets/noises/responses")


@dataclass(frozen=True, slots=True)
class ResponseParams(Checked):
    """file, digest: the impulse response, by its path in the folder and a hash of its bytes."""

    file: str = text()
    digest: str = text()


class Response(SoundTransform[ResponseParams]):
    """Convolves; what comes before the main peak of the response counts as delay, taken off."""

    name = "response"
    Settings, Params = ResponseSettings, ResponseParams

    def draw(self, rng: np.random.Generator, clip: Clip) -> ResponseParams:
        """See Transform.draw: every file equally often."""
        name, sound = self.draw_sound(rng)
        return ResponseParams(name, sound.digest)

    def render(self, clip: Clip, params: ResponseParams) -> np.ndarray:
        """See ChannelTransform.render: with the level of the clip."""
        response = self.folder.read(params.file, params.digest).audio.astype(np.float64)
        delay = int(np.abs(response).argmax())
        if not response[delay]:
            raise BadAudio("is silent", where=params.file, remedy="take it out of the folder")
        sound = oaconvolve(clip.audio.astype(np.float64), response)[delay : delay + len(clip)]
        return keep_level(clip.audio, sound)


TRANSFORM = Response
