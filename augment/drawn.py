"""What the transforms of level, room, channel and joins share.

A transform names its Settings (ranges to draw from) and its Params (what was drawn), both checked
dataclasses (augment.values). The parameters go into the Op as they are, and come back from it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from augment.pool import Pool
from augment.transform import Transform
from augment.values import Checked, build
from clips import BadAudio, Clip, EngineFailed, Op, to_grid

P = TypeVar("P", bound=Checked)

SEEDS = 2**32
"""Seeds of generated sound are drawn below this."""

_AUDIBLE = 4 / 32768  # a child whose highest sample is lower has lost its sound to the 16-bit grid


class DrawnTransform(Transform[P]):
    """Settings, parameters and ids; subclasses draw and apply.

    pool: other clips, for the transforms that need them; a Chain hands it to all of its own.
    """

    Settings: ClassVar[type[Checked]]
    Params: ClassVar[type[Checked]]

    def __init__(self, settings: Checked | None = None, pool: Pool | None = None) -> None:
        self.settings: Any = settings or self.Settings()
        self.pool = pool or Pool()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> DrawnTransform:
        """The transform with settings from a mapping. Raises BadParams that names a wrong key."""
        return cls(build(cls.Settings, settings, f"the transform {cls.name}"))

    def fits(self, clip: Clip) -> bool:
        """Whether there is anything to draw for this clip; a Chain leaves the step out if not."""
        return True

    def files(self) -> list[Path]:
        """Files besides the clips that the result depends on."""
        return []

    def versions(self) -> list[str]:
        """Names and versions of programs and libraries that the result depends on."""
        return []

    def read(self, op: Op) -> P:
        """See Transform.read."""
        return build(self.Params, op.read(), f"the operation {op.name!r}")

    def make_child(self, clip: Clip, params: P, **changes: Any) -> Clip:
        """The child of `clip` with these fields changed; its Op holds the parameters."""
        op = Op.of(self.name, **asdict(params))
        digest = blake2b(op.params.encode(), digest_size=4).hexdigest()
        return clip.child(f"{self.name}-{digest}", op, **changes).validate()


class ChannelTransform(DrawnTransform[P]):
    """A transform that changes the sound and leaves time alone: all labels stay where they are."""

    def apply(self, clip: Clip, params: P) -> Clip:
        """See Transform.apply. Raises BadAudio if nothing is left to hear."""
        sound = self.render(clip, params)
        if sound.shape != clip.audio.shape or not np.isfinite(sound).all():
            raise EngineFailed(
                f"{self.name} gave {sound.shape} samples, not {clip.audio.shape}, or broken ones",
                where=f"clip {clip.clip_id}",
                remedy="leave the clip out",
            )
        if np.abs(sound).max() < _AUDIBLE <= np.abs(clip.audio).max():
            raise BadAudio(
                f"{self.name} leaves nothing to hear",
                where=f"clip {clip.clip_id}",
                remedy="leave quiet clips out, or draw higher levels",
            )
        return self.make_child(clip, params, audio=to_grid(sound))

    @abstractmethod
    def render(self, clip: Clip, params: P) -> np.ndarray:
        """The new sound: float64, shape (samples,) as the clip's; beyond ±1 it will be clipped."""


def draw_between(rng: np.random.Generator, span: tuple[float, float], digits: int = 2) -> float:
    """A number drawn evenly from a range, rounded so that an Op stays short."""
    return round(float(rng.uniform(*span)), digits)


def draw_ratio(rng: np.random.Generator, span: tuple[float, float], digits: int = 2) -> float:
    """A number drawn evenly on a logarithmic scale from a range above 0, rounded."""
    return round(float(np.exp(rng.uniform(*np.log(span)))), digits)


def draw_seed(rng: np.random.Generator) -> int:
    """A seed for sound that is generated when the parameters are applied."""
    return int(rng.integers(SEEDS))
