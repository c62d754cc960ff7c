"""What the two voice transforms share: settings, parameters, moving labels, keeping the level."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from typing import Any

import numpy as np

from augment.timemap import time_map
from augment.transform import Transform, refuse_short
from clips import BadParams, Clip, EngineFailed, Op, to_grid

PEAK = 0.999
"""The highest sample that a transform leaves (full scale is 1)."""

_BOUNDS = {"tempo": (0.5, 2.0), "semitones": (-12.0, 12.0), "formants": (0.7, 1.4)}


@dataclass(frozen=True)
class VoiceSettings:
    """Ranges (lowest, highest) that parameters are drawn from.

    tempo: speed, 1 is unchanged, 2 twice as fast (within 0.5..2). semitones: pitch shift
    (−12..12). formants: scale of the resonances, above 1 for a shorter vocal tract (0.7..1.4).
    Raises BadParams that names the key.
    """

    tempo: tuple[float, float] = (0.75, 1.33)
    semitones: tuple[float, float] = (-4.0, 4.0)
    formants: tuple[float, float] = (0.85, 1.2)

    def __post_init__(self) -> None:
        for key, (least, most) in _BOUNDS.items():
            value = getattr(self, key)
            try:
                low, high = (float(number) for number in value)
            except (TypeError, ValueError) as error:
                raise BadParams(
                    f"{key} is {value!r}, not two numbers", remedy="write [lowest, highest]"
                ) from error
            if not least <= low <= high <= most:
                raise BadParams(
                    f"{key} is {low:g}..{high:g}",
                    remedy=f"keep lowest ≤ highest, both within {least:g}..{most:g}",
                )
            object.__setattr__(self, key, (low, high))


@dataclass(frozen=True)
class VoiceParams:
    """tempo (speed factor), semitones (pitch shift), formants (resonance scale) of one child."""

    tempo: float = 1.0
    semitones: float = 0.0
    formants: float = 1.0

    def __post_init__(self) -> None:
        for key, (least, most) in _BOUNDS.items():
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise BadParams(f"{key} is {value!r}, not a number")
            if not least <= value <= most:
                raise BadParams(f"{key} is {value!r}", remedy=f"keep it in {least:g}..{most:g}")
            object.__setattr__(self, key, float(value))  # so that 1 and 1.0 give the same bytes

    @property
    def suffix(self) -> str:
        """What a child's id gains: eight digits that depend on the parameters alone."""
        text = f"{self.tempo!r} {self.semitones!r} {self.formants!r}"
        return blake2b(text.encode(), digest_size=4).hexdigest()


class VoiceTransform(Transform[VoiceParams]):
    """Tempo, pitch and formants at once; subclasses give the sound."""

    def __init__(self, settings: VoiceSettings | None = None) -> None:
        self.settings = settings or VoiceSettings()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> VoiceTransform:
        """The transform with settings from a mapping. Raises BadParams that names a wrong key."""
        known = [f.name for f in fields(VoiceSettings)]
        for key in settings:
            if key not in known:
                raise BadParams(
                    f"the transform {cls.name} has no setting {key!r}",
                    remedy=f"known settings: {', '.join(known)}",
                )
        return cls(VoiceSettings(**settings))

    def draw(self, rng: np.random.Generator, clip: Clip) -> VoiceParams:
        """Tempo and formants evenly on a logarithmic scale, semitones evenly; 3 decimals each.

        What is drawn does not depend on the clip (its id is already in the stream of numbers).
        """
        ranges = self.settings
        tempo = np.exp(rng.uniform(*np.log(ranges.tempo)))
        semitones = rng.uniform(*ranges.semitones)
        formants = np.exp(rng.uniform(*np.log(ranges.formants)))
        return VoiceParams(*(round(float(x), 3) for x in (tempo, semitones, formants)))

    def apply(self, clip: Clip, params: VoiceParams) -> Clip:
        """See Transform.apply. Boundaries move to s / tempo, as the sound does."""
        refuse_short(clip)
        moved = time_map(clip, 1 / params.tempo)
        sound = self.render(clip, params, moved.length)
        if sound.shape != (moved.length,) or not np.isfinite(sound).all():
            raise EngineFailed(
                f"{self.name} gave {sound.shape} samples, not ({moved.length},), or broken ones",
                where=f"clip {clip.clip_id}",
                remedy="leave the clip out",
            )
        op = Op.of(self.name, **asdict(params), samples=moved.length, carry=moved.carry)
        return clip.child(
            f"{self.name}-{params.suffix}",
            op,
            audio=to_grid(keep_level(clip.audio, sound)),
            **moved.labels(clip),
        ).validate()

    def read(self, op: Op) -> VoiceParams:
        """See Transform.read."""
        values = op.read()
        try:
            return VoiceParams(**{f.name: values[f.name] for f in fields(VoiceParams)})
        except KeyError as error:
            raise BadParams(f"the operation {op.name!r} has no parameter {error}") from error

    @abstractmethod
    def render(self, clip: Clip, params: VoiceParams, length: int) -> np.ndarray:
        """The new sound: float64, shape (length,), where sample n sounds as n·tempo did."""


def keep_level(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """`after` with the RMS level of `before`, or as near to it as PEAK allows."""
    wanted, got = (float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) for x in (before, after))
    peak = float(np.abs(after).max(initial=0.0))
    if got < 1e-9 or peak < 1e-9:
        return after
    return after * min(wanted / got, PEAK / peak)
