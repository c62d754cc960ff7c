"""A clip that starts or ends in mid speech, often in mid word, as a stream does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augment.drawn import DrawnTransform
from augment.values import Checked, number, whole
from clips import RATE, SILENCE, BadParams, Clip


@dataclass(frozen=True, slots=True)
class ExcerptSettings(Checked):
    """late, early: share (0..1) of the clips that start late and that end early; where neither is
    drawn the clip starts late. shortest: seconds of the clip that remain at least (0.2..60)."""

    late: float = number(0, 1, 0.7)
    early: float = number(0, 1, 0.5)
    shortest: float = number(0.2, 60, 1.0)


@dataclass(frozen=True, slots=True)
class ExcerptParams(Checked):
    """start, end: the samples that are kept, half-open."""

    start: int = whole(0, 2**40)
    end: int = whole(1, 2**40)

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if self.start >= self.end:
            raise BadParams(f"start is {self.start}, not below end {self.end}", remedy="mend it")


class Excerpt(DrawnTransform[ExcerptParams]):
    """Cuts sound and labels together, to the sample.

    A phone or word that is cut keeps its label. The text becomes the words that are still heard,
    where the clip has words; else it stays.
    """

    name = "excerpt"
    Settings, Params = ExcerptSettings, ExcerptParams

    def fits(self, clip: Clip) -> bool:
        """See DrawnTransform.fits: something may be cut, and there are phones to say where."""
        first, last = _speech(clip)
        return last - first > 0 and len(clip) - first > self._shortest

    def draw(self, rng: np.random.Generator, clip: Clip) -> ExcerptParams:
        """See Transform.draw: evenly among the samples in which the clip speaks.

        Raises BadParams if the clip is too short for `shortest`.
        """
        if not self.fits(clip):
            raise BadParams(
                f"the clip has no speech, or no {self.settings.shortest:g} s of it",
                where=f"clip {clip.clip_id}",
                remedy="lower `shortest`, or leave excerpts out",
            )
        (first, last), shortest = _speech(clip), self._shortest
        late, early = rng.random(2) < (self.settings.late, self.settings.early)
        start, end = 0, len(clip)
        if late or not early:
            start = int(rng.integers(first, min(last, len(clip) - shortest)))
        if early and max(start + shortest, first + 1) < last:
            end = int(rng.integers(max(start + shortest, first + 1), last))
        return ExcerptParams(start, end)

    def apply(self, clip: Clip, params: ExcerptParams) -> Clip:
        """See Transform.apply. Raises BadParams if the clip is too short for the parameters."""
        if params.end > len(clip):
            raise BadParams(
                f"end is {params.end}, beyond the clip's {len(clip)} samples",
                where=f"clip {clip.clip_id}",
                remedy="give the clip that the parameters were drawn for",
            )
        part = cut_clip(clip, params.start, params.end)
        changes = {k: getattr(part, k) for k in ("audio", "text", "words", "phones", "ipa")}
        return self.make_child(clip, params, visemes=part.visemes, **changes)

    @property
    def _shortest(self) -> int:
        return round(self.settings.shortest * RATE)


def cut_clip(clip: Clip, start: int, end: int) -> Clip:
    """Samples `start`..`end` of a clip; its text is what is still heard of its words."""
    part = clip.between(start, end)
    if not clip.words or len(part.words) == len(clip.words):
        return part
    return part.with_(text=" ".join(word.label for word in part.words))


def _speech(clip: Clip) -> tuple[int, int]:
    """Where speech begins and ends (samples); (0, 0) if there is none."""
    spoken = [phone for phone in clip.phones if phone.label != SILENCE]
    return (spoken[0].start, spoken[-1].end) if spoken else (0, 0)


TRANSFORM = Excerpt
