"""The speech in a simulated room: a box with walls that swallow part of the sound.

The image method (Allen and Berkley 1979) of pyroomacoustics; the time that the sound takes to the
microphone is taken off again, so labels stay. The tail of each sound then falls into the labels
after it, as it does in recordings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import oaconvolve

from augment.drawn import ChannelTransform, draw_between, draw_ratio
from augment.values import Checked, number, numbers, span
from augment.voice import keep_level
from clips import RATE, BadParams, Clip, EngineMissing

MARGIN = 0.4
"""Metres that mouth and microphone stay off the walls."""

NEAREST = 0.1
"""Metres between mouth and microphone at least."""

_MOST = 40  # reflections: with an absorption of 0.15 what is left out lies 28 dB down
_SINC = 81  # samples: the filter that places a reflection between two samples


@dataclass(frozen=True, slots=True)
class RoomSettings(Checked):
    """Ranges. length, width, height: metres. absorption: share of the energy that each reflection
    loses (0.1..0.95). distance: metres from mouth to microphone, at most (0.1..10).

    Of 200 rooms drawn with these, the middle half reverberates for 0.20 to 0.42 s (RT60 as
    pyroomacoustics measures it), and 95 % for less than 0.64 s.
    """

    length: tuple[float, float] = span(1.5, 30, 3, 8)
    width: tuple[float, float] = span(1.5, 30, 2.5, 6)
    height: tuple[float, float] = span(1.5, 10, 2.3, 3.5)
    absorption: tuple[float, float] = span(0.1, 0.95, 0.15, 0.7)
    distance: tuple[float, float] = span(NEAREST, 10, 0.2, 2)


@dataclass(frozen=True, slots=True)
class RoomParams(Checked):
    """size, mouth, microphone: metres, each (length, width, height) from one corner."""

    size: tuple[float, ...] = numbers(1.5, 30, 3)
    mouth: tuple[float, ...] = numbers(0, 30, 3)
    microphone: tuple[float, ...] = numbers(0, 30, 3)
    absorption: float = number(0.1, 0.95)

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        for key in ("mouth", "microphone"):
            if any(not 0 < at < wall for at, wall in zip(getattr(self, key), self.size)):
                raise BadParams(f"{key} is outside the room", remedy="keep it within the size")
        if self.distance < NEAREST / 2:
            raise BadParams("mouth and microphone touch", remedy=f"keep {NEAREST} m between them")

    @property
    def distance(self) -> float:
        """Metres from mouth to microphone."""
        return math.dist(self.mouth, self.microphone)


class Room(ChannelTransform[RoomParams]):
    """Puts the speaker into a room."""

    name = "room"
    Settings, Params = RoomSettings, RoomParams

    def draw(self, rng: np.random.Generator, clip: Clip) -> RoomParams:
        """See Transform.draw: both places evenly in the room; where they are farther apart than the
        drawn distance, the mouth comes nearer on the line between them."""
        ranges = self.settings
        size = [draw_between(rng, side) for side in (ranges.length, ranges.width, ranges.height)]
        mouth, microphone = (rng.uniform(MARGIN, np.array(size) - MARGIN) for _ in range(2))
        apart = float(np.linalg.norm(mouth - microphone))
        if apart < NEAREST:
            mouth, apart = microphone + np.array([NEAREST, 0, 0]), NEAREST
        share = min(1.0, draw_ratio(rng, ranges.distance) / apart)
        mouth = microphone + (mouth - microphone) * share
        places = ([round(float(x), 2) for x in place] for place in (mouth, microphone))
        return RoomParams(size, *places, draw_between(rng, ranges.absorption))

    def render(self, clip: Clip, params: RoomParams) -> np.ndarray:
        """See ChannelTransform.render: with the level of the clip."""
        response, delay = make_response(params)
        sound = oaconvolve(clip.audio.astype(np.float64), response)[delay : delay + len(clip)]
        return keep_level(clip.audio, sound)

    def versions(self) -> list[str]:
        """See DrawnTransform.versions."""
        return [f"pyroomacoustics {_library().__version__}"]


def make_response(params: RoomParams) -> tuple[np.ndarray, int]:
    """The impulse response of a room (float64, 16 kHz) and the sample of its direct sound.

    The direct sound lies within half a sample of it. Raises EngineMissing.
    """
    library = _library()
    library.constants.set("num_threads", 1)  # the stage runs a process for each processor
    library.constants.set("rir_hpf_enable", False)  # it would smear the start over 100 ms
    order = min(_MOST, math.ceil(6 / -math.log10(1 - params.absorption)))  # down by 60 dB
    box = library.ShoeBox(
        params.size, fs=RATE, materials=library.Material(params.absorption), max_order=order
    )
    box.add_source(params.mouth)
    box.add_microphone(params.microphone)
    box.compute_rir()
    response = np.array(box.rir[0][0], dtype=np.float64)
    return response, round(params.distance / box.c * RATE) + _SINC // 2


def _library():
    try:
        import pyroomacoustics
    except ImportError as error:
        raise EngineMissing(
            "pyroomacoustics is not installed", remedy='pip install "pyroomacoustics>=0.10"'
        ) from error
    return pyroomacoustics


TRANSFORM = Room
