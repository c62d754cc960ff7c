"""Where a label goes when time is stretched: exactly, and back again to the sample.

A boundary at sample s goes to s·stretch, rounded. Rounding alone would make a stretch by r and then
by 1/r miss some boundaries by a sample, so what rounding takes away is kept in the Op, one byte for
each boundary ("carry", a string of hexadecimal digits), and the next stretch puts it back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from clips import Clip, Op, Segment

_STEPS = 256  # steps of a sample that a carried rest is kept in


@dataclass(frozen=True)
class TimeMap:
    """Sample positions of a clip and where they go.

    to: new sample for each old boundary (0 and the length among them). length: new length.
    carry: the rests, one byte for each boundary except 0, in order.
    """

    to: dict[int, int]
    length: int
    carry: str

    def move(self, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        """The segments at their new places; one that is left without a sample disappears."""
        moved = (replace(s, start=self.to[s.start], end=self.to[s.end]) for s in segments)
        return tuple(segment for segment in moved if segment.end > segment.start)

    def labels(self, clip: Clip) -> dict[str, tuple]:
        """All tiers of `clip`, moved: the fields to give to Clip.child."""
        kept = [n for n, p in enumerate(clip.phones) if self.to[p.end] > self.to[p.start]]
        return {
            "words": self.move(clip.words),
            "phones": self.move(clip.phones),
            "visemes": self.move(clip.visemes),
            "ipa": tuple(clip.ipa[n] for n in kept) if clip.ipa else (),
        }


def time_map(clip: Clip, stretch: float) -> TimeMap:
    """The map of all boundaries of `clip` when it becomes `stretch` times as long."""
    bounds = _bounds(clip)
    rests = _read_carry(clip, len(bounds))
    exact = [(bound + rest) * stretch for bound, rest in zip(bounds, rests)]
    places = [max(math.floor(x + 0.5), 0) for x in exact]
    places[-1] = max(places[-1], 1)
    carry = bytes(
        min(max(math.floor((x - place + 0.5) * _STEPS), 0), _STEPS - 1)
        for x, place in zip(exact, places)
    )
    return TimeMap({0: 0, **dict(zip(bounds, places))}, places[-1], carry.hex())


def _bounds(clip: Clip) -> list[int]:
    tiers = (*clip.words, *clip.phones, *clip.visemes)
    found = {len(clip), *(s.start for s in tiers), *(s.end for s in tiers)}
    return sorted(found - {0})


def _read_carry(clip: Clip, count: int) -> list[float]:
    """The rests that the last Op kept, in samples; zeros if it kept none for these boundaries."""
    last: Op | None = clip.ops[-1] if clip.ops else None
    text = last.read().get("carry", "") if last else ""
    if len(text) != 2 * count:  # no stretch before, or the labels have changed since
        return [0.0] * count
    return [(byte + 0.5) / _STEPS - 0.5 for byte in bytes.fromhex(text)]
