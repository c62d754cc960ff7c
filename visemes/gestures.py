"""What the mouth does for one phone: the value that the rules pass on."""

from __future__ import annotations

from typing import NamedTuple

from clips.segment import Segment
from visemes.inventory import Shapes


class Gesture(NamedTuple):
    """What the mouth does for one phone: its shapes over samples `start`..`end`.

    `own` says that the inventory has an entry for the IPA symbol itself, so that rules about the
    English phone that stands for it do not concern it. (A named tuple: an hour has 50,000 of them,
    and a frozen dataclass takes three times as long to make.)
    """

    phone: str
    shapes: Shapes
    start: int
    end: int
    own: bool = False
    ipa: str = ""

    @property
    def samples(self) -> int:
        """Its length in samples."""
        return self.end - self.start

    @property
    def first(self) -> str:
        """The shape that it begins with."""
        return self.shapes[0][0]

    @property
    def last(self) -> str:
        """The shape that it ends with."""
        return self.shapes[-1][0]

    def drawn(self) -> list[Segment]:
        """Its shapes as segments; a shape without a sample is left out."""
        if len(self.shapes) == 1 and self.end > self.start:
            return [Segment(self.first, self.start, self.end)]
        segments, share_so_far, at = [], 0.0, self.start
        for viseme, share in self.shapes:
            share_so_far += share
            end = self.start + round(share_so_far * (self.end - self.start))
            if end > at:
                segments.append(Segment(viseme, at, end))
            at = max(at, end)
        return segments
