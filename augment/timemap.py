"""Where a label goes when time is stretched: exactly, and back again to the sample.

Each phone has its own stretch, so time runs evenly within phones. A boundary goes to a place that
is rounded to a sample. Rounding alone would make a stretch by r and then by 1/r miss some
boundaries by a sample, so what rounding takes away is kept in the Op, one byte for each boundary
("carry", a string of hexadecimal digits), and the next stretch puts it back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from clips import Clip, Op, Segment
from clips.arpabet import STOPS, VOWELS

_STEPS = 256  # steps of a sample that a carried rest is kept in

ELASTICITY = {"vowel": 1.18, "sonorant": 0.94, "stop": 0.82, "fricative": 0.71, "other": 1.0}
"""How much each class of phones shares in a change of tempo: when all phones of a sentence together
last r times as long, those of the class last r to this power as long.

Slopes over 1,106 pairs of renditions of the same sentence by five Germans (Berlin Database of
Emotional Speech, hand labels; the spread of log r is 0.13), by benchmarks/augment_elasticity.py.
"other" is silence."""

_FRICATIVES = frozenset("F V TH DH S Z SH ZH HH".split())
_SONORANTS = frozenset("M N NG L R W Y".split())


@dataclass(frozen=True)
class TimeMap:
    """Sample positions of a clip and where they go.

    to: new sample for each old boundary (0 and the length among them). length: new length.
    carry: the rests, one byte for each boundary except 0, in order. old, new: exact places
    (samples) between which time runs evenly.
    """

    to: dict[int, int]
    length: int
    carry: str
    old: np.ndarray
    new: np.ndarray

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

    def back(self, places: np.ndarray) -> np.ndarray:
        """Where new `places` (samples) were before; what lies beyond the end was at the end."""
        return np.interp(places, self.new, self.old)

    def ahead(self, places: np.ndarray) -> np.ndarray:
        """Where old `places` (samples) go."""
        return np.interp(places, self.old, self.new)


def phone_stretches(clip: Clip, stretch: float, uneven: float) -> list[float]:
    """How many times as long each phone of `clip` becomes when all becomes `stretch` times as long.

    uneven: 0 all alike, 1 as people do (ELASTICITY), 2 twice as different.
    """
    powers = {kind: 1 + uneven * (value - 1) for kind, value in ELASTICITY.items()}
    return [stretch ** powers[class_of(phone.label)] for phone in clip.phones]


def time_map(clip: Clip, stretches: float | Sequence[float]) -> TimeMap:
    """The map of all boundaries of `clip`; one stretch for the whole, or one for each phone."""
    bounds = _bounds(clip)
    carried = [bound + rest for bound, rest in zip(bounds, _read_carry(clip, len(bounds)))]
    if isinstance(stretches, float):
        exact = [place * stretches for place in carried]
        old, new = np.array([0.0, carried[-1]]), np.array([0.0, exact[-1]])
    else:
        ends = {phone.end for phone in clip.phones}
        old = np.array([0.0, *(x for bound, x in zip(bounds, carried) if bound in ends)])
        new = np.concatenate([[0.0], np.cumsum(np.diff(old) * stretches)])
        exact = np.interp(carried, old, new).tolist()
    places = [max(math.floor(x + 0.5), 0) for x in exact]
    places[-1] = max(places[-1], 1)
    carry = bytes(
        min(max(math.floor((x - place + 0.5) * _STEPS), 0), _STEPS - 1)
        for x, place in zip(exact, places)
    )
    to = {0: 0, **dict(zip(bounds, places))}
    return TimeMap(to, places[-1], carry.hex(), old, new)


def class_of(label: str) -> str:
    """The key of ELASTICITY for a phone (ARPAbet or SIL)."""
    if label in VOWELS:
        return "vowel"
    if label in STOPS or label in ("CH", "JH"):
        return "stop"
    if label in _FRICATIVES:
        return "fricative"
    return "sonorant" if label in _SONORANTS else "other"


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
