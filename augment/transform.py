"""What every transform does: draw parameters first, then move audio and labels in one call."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from clips import BadAudio, BadParams, Clip, Op

P = TypeVar("P")

KNOWN = (
    "babble", "background", "band", "clipping", "codec", "equaliser", "excerpt", "gain", "join",
    "noise", "praat", "response", "room", "world",
)  # fmt: skip
"""The transforms of this project: modules of this folder that define TRANSFORM."""

SHORTEST = 1600
"""Clips below this length (samples: 0.1 s) are refused: too short for a pitch period analysis."""


class Transform(ABC, Generic[P]):
    """A transform of clips. `name` is its module's name and the name of its Op."""

    name: ClassVar[str]

    @abstractmethod
    def draw(self, rng: np.random.Generator, clip: Clip) -> P:
        """Parameters for one child of `clip`, from `rng` alone."""

    @abstractmethod
    def apply(self, clip: Clip, params: P) -> Clip:
        """The child of `clip`: new audio (16-bit grid), all labels moved with it, a new Op.

        The same clip and parameters always give the same bytes. The child passes validate().
        Raises BadAudio (too short), EngineFailed, EngineMissing.
        """

    @abstractmethod
    def read(self, op: Op) -> P:
        """The parameters that `apply` wrote into `op`. Raises BadParams if they are not there."""


def find_transform(name: str, settings: Mapping[str, Any] | None = None) -> Transform:
    """A transform by its name, with its settings (see the module's settings class).

    Raises BadParams that names the transform or the key.
    """
    try:
        if not name.isidentifier():
            raise ImportError(name)
        kind = importlib.import_module(f"augment.{name}").TRANSFORM
    except (ImportError, AttributeError) as error:
        raise BadParams(
            f"there is no transform {name!r}", remedy=f"choose one of: {', '.join(KNOWN)}"
        ) from error
    return kind.of(settings or {})


def replay(clip: Clip, op: Op) -> Clip:
    """The child that `op` made from its parent `clip`: the same bytes, labels and id again.

    Raises BadParams if `op` is no transform of this room.
    """
    transform = find_transform(op.name)
    return transform.apply(clip, transform.read(op))


def refuse_short(clip: Clip) -> None:
    """Raises BadAudio if the clip is shorter than SHORTEST."""
    if len(clip) < SHORTEST:
        raise BadAudio(
            f"{clip.seconds:.3f} s are too short to transform",
            where=f"clip {clip.clip_id}",
            remedy=f"leave clips below {SHORTEST / 16000:g} s out of augmentation",
        )
