"""From phones to mouths: the rule engine.

A rule is a small function on gestures (a phone with the shapes that it takes) or on the segments
drawn from them. `to_visemes` runs the rules that are switched on, in the order in which `Rules`
lists them. What neighbours do to each other stands in visemes.coarticulation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache, partial
from itertools import pairwise

from clips.arpabet import CLOSED, VOWELS
from clips.errors import BadParams
from clips.segment import RATE, SILENCE, Segment, merge_equal
from visemes.coarticulation import (
    closures_begin_early,
    minimum_hold,
    rounding_spreads,
    schwa_takes_neighbours,
    static_stretches_move,
    weak_consonants_yield,
)
from visemes.gestures import Gesture
from visemes.inventory import Inventory

__all__ = ["ANIMATION", "Gesture", "Rules", "to_visemes"]


def hh_takes_next_vowel(gestures: Sequence[Gesture]) -> list[Gesture]:
    """HH is breath through the mouth of the next vowel; before a consonant it keeps its own.

    Source: English /h/ is a voiceless onset of the following vowel (Ladefoged, A Course in
    Phonetics), so an animator draws the vowel early.
    """
    result = list(gestures)
    for at, (breath, following) in enumerate(pairwise(gestures)):
        if breath.phone == "HH" and not breath.own and following.phone in VOWELS:
            result[at] = breath._replace(shapes=((following.first, 1.0),))
    return result


def short_pauses_hold(gestures: Sequence[Gesture], longest: int) -> list[Gesture]:
    """In a pause of up to `longest` samples the mouth does not come to rest.

    It keeps the shape it has; before P, B or M it closes at once, since such a silence is the
    closure. The silences at both ends of a clip are no pauses. Reason: 150 ms are three and a half
    pictures at 24 per second; a mouth that rests for less than that flickers.
    """
    result = list(gestures)
    for at in range(1, len(result) - 1):
        pause = result[at]
        if pause.phone == SILENCE and pause.samples <= longest:
            following = result[at + 1]
            shape = following.first if following.phone in CLOSED else result[at - 1].last
            result[at] = pause._replace(shapes=((shape, 1.0),))
    return result


def diphthongs_whole(gestures: Sequence[Gesture]) -> list[Gesture]:
    """Used when `split_diphthongs` is off: a diphthong shows its first shape throughout."""
    return [g._replace(shapes=((g.first, 1.0),)) for g in gestures]


GestureRule = Callable[[Sequence[Gesture]], list[Gesture]]
SegmentRule = Callable[[Sequence[Segment]], list[Segment]]


@dataclass(frozen=True)
class Rules:
    """Which rules run; the `rules` of the `visemes` block in params.yaml.

    Seconds: `schwa_seconds` the longest AH that counts as a schwa where there is no IPA,
    `weak_seconds` the longest consonant that yields, `rounding_seconds` how far rounding reaches,
    `static_seconds` how long a shape may stand over several phones, `pause_seconds` the longest
    silence that `short_pauses_hold` holds through, `early_seconds` how long before its sound a
    closure begins, `hold_seconds` the shortest time of any shape. Raises ValueError below 0.
    """

    split_diphthongs: bool = True
    hh_takes_next_vowel: bool = True
    schwa_takes_neighbours: bool = False
    schwa_seconds: float = 0.06
    weak_consonants_yield: bool = False
    weak_seconds: float = 0.06
    rounding_spreads: bool = False
    rounding_seconds: float = 0.15
    static_stretches_move: bool = False
    static_seconds: float = 0.3
    short_pauses_hold: bool = True
    pause_seconds: float = 0.15
    closures_begin_early: bool = False
    early_seconds: float = 0.03
    minimum_hold: bool = False
    hold_seconds: float = 0.05

    def __post_init__(self) -> None:
        for entry in fields(self):
            if entry.name.endswith("_seconds") and not 0 <= getattr(self, entry.name) < 10:
                raise ValueError(f"{entry.name} is {getattr(self, entry.name)}, not 0 to 10 s")

    def for_gestures(self, inventory: Inventory) -> list[GestureRule]:
        """The rules on gestures that run, in order."""
        rules: list[GestureRule] = []
        if self.hh_takes_next_vowel:
            rules.append(hh_takes_next_vowel)
        for rule, seconds in (
            (schwa_takes_neighbours, self.schwa_seconds),
            (weak_consonants_yield, self.weak_seconds),
            (rounding_spreads, self.rounding_seconds),
            (static_stretches_move, self.static_seconds),
        ):
            if getattr(self, rule.__name__):
                rules.append(lambda g, r=rule, s=seconds: r(g, inventory, round(s * RATE)))
        if self.short_pauses_hold:
            rules.append(partial(short_pauses_hold, longest=round(self.pause_seconds * RATE)))
        if not self.split_diphthongs:
            rules.append(diphthongs_whole)
        return rules

    def for_segments(self, inventory: Inventory) -> list[SegmentRule]:
        """The rules on segments that run, in order."""
        return [
            lambda segments, r=rule, s=seconds: r(segments, inventory, round(s * RATE))
            for rule, seconds in (
                (closures_begin_early, self.early_seconds),
                (minimum_hold, self.hold_seconds),
            )
            if getattr(self, rule.__name__)
        ]


ANIMATION = Rules(schwa_takes_neighbours=True, rounding_spreads=True)
"""The rules for pictures that are drawn from phones; training labels keep to `Rules()`.

On hand labels at 24 per second (python benchmarks/rule_tracks.py --rules) a schwa without a mouth
of its own calms English from 8.4 to 8.1 changes per second and costs nothing; rounding that spreads
costs nothing either and is how people speak. The others stay off: `weak_consonants_yield` and
`minimum_hold` do worse what visemes.frames.resample does with the whole track in view,
`closures_begin_early` shuts short vowels, `static_stretches_move` hardly ever has anything to do.
"""


def to_visemes(
    phones: Sequence[Segment],
    inventory: Inventory,
    rules: Rules | None = None,
    ipa: Sequence[str] = (),
) -> tuple[Segment, ...]:
    """The viseme segments of phone segments: they tile what the phones tile, equal ones merged.

    phones: ARPAbet and SIL, integer samples. ipa: one symbol for each phone, or empty.
    Raises BadParams that names a phone without a viseme.
    """
    if ipa and len(ipa) != len(phones):
        raise BadParams(f"{len(ipa)} IPA symbols for {len(phones)} phones")
    symbols = ipa or [""] * len(phones)
    shapes = cache(inventory.shapes)
    gestures = [
        Gesture(
            phone.label,
            shapes(phone.label, symbol),
            phone.start,
            phone.end,
            symbol in inventory.ipa,
            symbol,
        )
        for phone, symbol in zip(phones, symbols, strict=True)
    ]
    rules = rules or Rules()
    for rule in rules.for_gestures(inventory):
        gestures = rule(gestures)
    visemes = merge_equal(segment for gesture in gestures for segment in gesture.drawn())
    for rule in rules.for_segments(inventory) if visemes else ():
        visemes = tuple(rule(visemes))
    return visemes
