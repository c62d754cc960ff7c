"""A track of cues with its length, and what the readers of all formats share."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from clips.errors import BadLabels
from clips.segment import LONGEST_SECONDS
from visemes.inventory import Inventory, load_inventory


@dataclass(frozen=True, slots=True)
class CueTrack:
    """Cues (seconds, letter) with rising times; each holds until the next, the last to the end.

    seconds: the length of the sound. inventory: the one that the letters belong to. sound: the path
    of the recording, for the formats that name it. Raises BadLabels that says which cue is wrong.
    """

    cues: tuple[tuple[float, str], ...]
    seconds: float
    inventory: Inventory = field(default_factory=lambda: load_inventory("cherry12"), repr=False)
    sound: str = ""

    def __post_init__(self) -> None:
        letters = set(self.inventory.letters.values())
        if not 0 <= self.seconds <= LONGEST_SECONDS:
            raise BadLabels(
                f"a track of {self.seconds:g} s is not believable", remedy="mend its times"
            )
        for number, (time, letter) in enumerate(self.cues, start=1):
            if letter not in letters:
                raise BadLabels(
                    f"{letter!r} is not a mouth shape of {self.inventory.name}",
                    where=f"cue {number}",
                    remedy=f"use one of the letters {' '.join(sorted(letters))}",
                )
            if not 0 <= time <= self.seconds:
                raise BadLabels(
                    f"{time} s is not within the sound of {self.seconds} s",
                    where=f"cue {number}",
                    remedy="mend its time or the length",
                )
        for number, ((one, _), (other, _)) in enumerate(pairwise(self.cues), start=2):
            if other <= one:
                raise BadLabels(
                    f"{other} s does not come after {one} s",
                    where=f"cue {number}",
                    remedy="sort the cues by time, one for each time",
                )

    @classmethod
    def of_frames(
        cls, classes: np.ndarray, rate: Fraction, inventory: Inventory, sound: str = ""
    ) -> CueTrack:
        """The track of one class index a frame (visemes.frames.resample)."""
        changes = [0, *(np.flatnonzero(np.diff(np.asarray(classes))) + 1)] if len(classes) else []
        letters = [inventory.letters[viseme] for viseme in inventory.classes]
        cues = tuple((float(at / rate), letters[int(classes[at])]) for at in map(int, changes))
        return cls(cues, float(len(classes) / rate), inventory, sound)

    @property
    def rest(self) -> str:
        """The letter of the mouth at rest."""
        return self.inventory.letters[self.inventory.rest]

    def into(self, inventory: Inventory) -> CueTrack:
        """The same track with the shapes of another inventory.

        From cherry12 to any, by the other's `from_cherry12`. Raises BadLabels for other pairs.
        """
        if inventory.name == self.inventory.name:
            return self
        if self.inventory.name != "cherry12":
            raise BadLabels(
                f"shapes of {self.inventory.name} cannot become shapes of {inventory.name}",
                remedy="make the track with cherry12, or from the phones with the other inventory",
            )
        viseme_of = {letter: viseme for viseme, letter in self.inventory.letters.items()}
        cues = [
            (time, inventory.letters[inventory.from_cherry12[viseme_of[letter]]])
            for time, letter in self.cues
        ]
        return replace(self, cues=merge_cues(cues), inventory=inventory)

    def on_grid(self, step: Fraction) -> CueTrack:
        """The track with all times multiples of `step` seconds: what a format can hold.

        It begins at 0 (at rest, if it has no cue there), the length is cut to a multiple, and
        repeated shapes are one. Of cues that fall together the last stays, but a closure is never
        dropped for another: what follows it comes a step later.
        """
        end = max(1, _whole(self.seconds, step, math.floor))
        closed = {
            letter
            for viseme, letter in self.inventory.letters.items()
            if self.inventory.must_show(viseme)
        }
        placed: list[tuple[int, str]] = []
        for time, letter in self.cues:
            at = min(_whole(time, step, lambda x: math.floor(x + Fraction(1, 2))), end - 1)
            if placed and at <= placed[-1][0]:
                if placed[-1][1] in closed:
                    at = placed[-1][0] + 1
                else:
                    at = placed.pop()[0]
            if at < end:
                placed.append((at, letter))
        if not placed or placed[0][0] > 0:
            placed.insert(0, (0, self.rest))
        cues = merge_cues([(float(at * step), letter) for at, letter in placed])
        return replace(self, cues=tuple(cues), seconds=float(end * step))

    def spans(self) -> list[tuple[float, float, str]]:
        """(start, end, letter) of each cue, in seconds."""
        ends = [*(time for time, _ in self.cues[1:]), self.seconds]
        return [(time, end, letter) for (time, letter), end in zip(self.cues, ends)]


def of_spans(
    spans: Sequence[tuple[float, float, str, str]], inventory: Inventory, path: str, sound: str = ""
) -> CueTrack:
    """The track of (start, end, letter, where) that follow each other without a gap.

    Raises BadLabels that names `where`.
    """
    if not spans:
        raise BadLabels("holds no cues", where=path, remedy="a track has at least one cue")
    at, letters = 0.0, set(inventory.letters.values())
    for start, end, letter, where in spans:
        if letter not in letters:
            raise BadLabels(
                f"{letter!r} is not a mouth shape of {inventory.name}",
                where=where,
                remedy=f"use one of the letters {' '.join(sorted(letters))}",
            )
        if start != at or end < start or (end == start and len(spans) > 1):
            raise BadLabels(
                f"goes from {start} to {end} s, but the cue before ends at {at} s",
                where=where,
                remedy="let each cue begin where the one before ends, the first at 0",
            )
        at = end
    cues = tuple((start, letter) for start, _, letter, _ in spans)
    return CueTrack(cues, at, inventory, sound)


def check_end(cues: Sequence[tuple[float, str]], inventory: Inventory, where: str) -> None:
    """Checks that the last of `cues` marks an end: lips at rest, or closed where X is not drawn.

    Raises BadLabels that names `where`.
    """
    ends = {
        inventory.letters[viseme]
        for viseme, lips in inventory.lips.items()
        if lips in ("rest", "closed")
    }
    if len(cues) < 2 or cues[-1][1] not in ends:
        raise BadLabels(
            "does not end with the mouth closed",
            where=where,
            remedy=f"the last line is the end of the sound and one of {' '.join(sorted(ends))}",
        )


def whole_number(text: str) -> int | None:
    """A whole number from 0 on, as programs write frames; None if it is none, or absurdly long."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def whole_frames(seconds: float, rate: Fraction) -> int:
    """The frame that shows a time, counted from 0; a millionth of a frame counts as rounding."""
    return _whole(seconds, 1 / rate, math.floor)


def _whole(seconds: float, step: Fraction, rounded) -> int:
    return rounded(Fraction(seconds) / step + Fraction(1, 1_000_000))


def merge_cues(cues: Sequence[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """The cues without those that show what is shown already."""
    return tuple(cue for n, cue in enumerate(cues) if n == 0 or cue[1] != cues[n - 1][1])
