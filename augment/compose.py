"""A chain of transforms: steps in order, each with a chance, each one of several transforms.

Its child is one clip with one parent: the ops of all steps are in it, in order, and with them
`replay` makes it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from augment.drawn import DrawnTransform
from augment.pool import Pool
from augment.quality import QualityLimits, find_fault
from augment.transform import Transform, find_transform
from augment.voice import VoiceTransform
from clips import BadAudio, BadParams, Clip, Op

CHANNEL = frozenset(
    {"babble", "background", "band", "clipping", "codec", "equaliser", "gain", "noise", "response",
     "room"}
)  # fmt: skip
"""Transforms that move nothing, and after which a check of sound against labels says little: noise
fills silences, rooms fill closures."""


@dataclass(frozen=True)
class Choice:
    """One transform of a step: its name, how often it is drawn among the step's, its settings."""

    name: str
    weight: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise BadParams(f"weight of {self.name} is {self.weight}", remedy="keep it above 0")


@dataclass(frozen=True)
class Step:
    """chance: share of the children that this step changes (0..1). one_of: the transforms of which
    one is drawn, by weight."""

    chance: float
    one_of: tuple[Choice, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise BadParams(f"chance is {self.chance}", remedy="keep it in 0..1")
        if not self.one_of:
            raise BadParams("one_of is empty", remedy="name a transform, or take the step out")


class Chain:
    """The transforms of the steps, with their settings, the other clips and the limits of quality.

    Only transforms of the voice are held against the limits: what noise, rooms and channels do to
    the sound is what they are for, and none of them moves it.
    """

    def __init__(
        self,
        steps: Iterable[Step],
        pool: Pool | None = None,
        quality: QualityLimits | None = None,
    ) -> None:
        """Raises BadParams that names step, transform and key."""
        self.quality = quality or QualityLimits()
        self._steps: list[tuple[float, np.ndarray, list[Transform]]] = []
        for number, step in enumerate(steps):
            weights = np.array([choice.weight for choice in step.one_of])
            found = []
            for place, choice in enumerate(step.one_of):
                try:
                    transform = find_transform(choice.name, choice.settings)
                except BadParams as error:
                    raise BadParams(
                        error.what,
                        where=f"chain[{number}].one_of[{place}] ({choice.name})",
                        remedy=error.remedy,
                    ) from error
                if isinstance(transform, DrawnTransform) and pool:
                    transform.pool = pool
                found.append(transform)
            self._steps.append((step.chance, weights / weights.sum(), found))

    def make(self, rng: np.random.Generator, clip: Clip) -> Clip | None:
        """A child of `clip`, or None if no step was drawn, or none that fits the clip.

        Raises BadAudio if a voice is spoilt (its message is a phrase that reports can count), and
        what the transforms raise.
        """
        made = clip
        for chance, weights, transforms in self._steps:
            if rng.random() >= chance:
                continue
            transform = transforms[rng.choice(len(transforms), p=weights)]
            if isinstance(transform, DrawnTransform) and not transform.fits(made):
                continue
            before, made = made, transform.apply(made, transform.draw(rng, made))
            if isinstance(transform, VoiceTransform):
                self._judge(before, made)
        return _one_child(clip, made) if made is not clip else None

    def replay(self, clip: Clip, child: Clip) -> Clip:
        """The child that this chain made from `clip`, again: the same bytes, labels and id.

        Raises BadParams if no step makes one of its ops.
        """
        known = {t.name: t for _, _, transforms in self._steps for t in transforms}
        made = clip
        for op in child.ops[len(clip.ops) :]:
            if op.name not in known:
                raise BadParams(
                    f"no step of the chain makes {op.name!r}", remedy="use the chain that made it"
                )
            transform = known[op.name]
            made = transform.apply(made, transform.read(op))
        return _one_child(clip, made)

    def files(self) -> list[Path]:
        """Files besides clips that the children depend on: a stage must watch them."""
        return sorted({path for t in self._drawn() for path in t.files()})

    def versions(self) -> list[str]:
        """Libraries and programs that the children's bytes depend on: a stage's key holds them."""
        return sorted({version for t in self._drawn() for version in t.versions()})

    def _drawn(self) -> list[DrawnTransform]:
        every = (t for _, _, transforms in self._steps for t in transforms)
        return [t for t in every if isinstance(t, DrawnTransform)]

    def _judge(self, before: Clip, after: Clip) -> None:
        if fault := find_fault(before, after, self.quality):
            phrase, _, detail = fault.partition(": ")
            raise BadAudio(phrase, where=f"clip {after.clip_id}", remedy=detail)


def _one_child(clip: Clip, made: Clip) -> Clip:
    """`made` as a direct child of `clip`, whatever lies between."""
    ops: Sequence[Op] = made.ops[len(clip.ops) :]
    digest = blake2b("".join(f"{op.name}{op.params}" for op in ops).encode(), digest_size=4)
    return made.with_(clip_id=f"{clip.clip_id}+chain-{digest.hexdigest()}", parent_id=clip.clip_id)
