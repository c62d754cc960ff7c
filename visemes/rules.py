"""From phones to mouths: the rule engine.

A rule is a small function on gestures (a phone with the shapes that it takes). `to_visemes` runs
the rules that are switched on, in the order of RULES, and draws the gestures as segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from clips.arpabet import CLOSED, VOWELS
from clips.errors import BadParams
from clips.segment import RATE, SILENCE, Segment, merge_equal
from visemes.inventory import Inventory, Shapes


@dataclass(frozen=True, slots=True)
class Gesture:
    """What the mouth does for one phone: its shapes over samples `start`..`end`.

    `own` says that the inventory has an entry for the IPA symbol itself, so that rules about the
    English phone that stands for it do not concern it.
    """

    phone: str
    shapes: Shapes
    start: int
    end: int
    own: bool = False


def hh_takes_next_vowel(gestures: Sequence[Gesture]) -> list[Gesture]:
    """HH is breath through the mouth of the next vowel; before a consonant it keeps its own.

    Source: English /h/ is a voiceless onset of the following vowel (Ladefoged, A Course in
    Phonetics), so an animator draws the vowel early.
    """
    result = list(gestures)
    for at in range(len(result) - 1):
        following = result[at + 1]
        if result[at].phone == "HH" and not result[at].own and following.phone in VOWELS:
            result[at] = replace(result[at], shapes=((following.shapes[0][0], 1.0),))
    return result


def short_pauses_hold(gestures: Sequence[Gesture], longest: int) -> list[Gesture]:
    """In a pause of up to `longest` samples the mouth does not come to rest.

    It keeps the shape it has; before P, B or M it closes at once, since such a silence is the
    closure. The silences at both ends of a clip are no pauses. Reason: 150 ms are three and a half
    pictures at 24 per second; a mouth that rests for less than that flickers.
    """
    result = list(gestures)
    for at in range(1, len(result) - 1):
        pause, following = result[at], result[at + 1]
        if pause.phone == SILENCE and pause.end - pause.start <= longest:
            held = result[at - 1].shapes[-1][0]
            shape = following.shapes[0][0] if following.phone in CLOSED else held
            result[at] = replace(pause, shapes=((shape, 1.0),))
    return result


def diphthongs_whole(gestures: Sequence[Gesture]) -> list[Gesture]:
    """Used when `split_diphthongs` is off: a diphthong shows its first shape throughout."""
    return [replace(g, shapes=((g.shapes[0][0], 1.0),)) for g in gestures]


Rule = Callable[[Sequence[Gesture]], list[Gesture]]


@dataclass(frozen=True)
class Rules:
    """Which rules run; the `rules` of the `visemes` block in params.yaml.

    pause_seconds: the longest silence that `short_pauses_hold` holds through.
    """

    split_diphthongs: bool = True
    hh_takes_next_vowel: bool = True
    short_pauses_hold: bool = True
    pause_seconds: float = 0.15

    def chosen(self) -> tuple[Rule, ...]:
        """The rules to run, in order."""
        rules: list[Rule] = []
        if self.hh_takes_next_vowel:
            rules.append(hh_takes_next_vowel)
        if self.short_pauses_hold:
            rules.append(partial(short_pauses_hold, longest=round(self.pause_seconds * RATE)))
        if not self.split_diphthongs:
            rules.append(diphthongs_whole)
        return tuple(rules)


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
    gestures = [
        Gesture(
            phone.label,
            inventory.shapes(phone.label, symbol),
            phone.start,
            phone.end,
            own=symbol in inventory.ipa,
        )
        for phone, symbol in zip(phones, symbols, strict=True)
    ]
    for rule in (rules or Rules()).chosen():
        gestures = rule(gestures)
    return merge_equal(segment for gesture in gestures for segment in _drawn(gesture))


def _drawn(gesture: Gesture) -> list[Segment]:
    segments, share_so_far, at = [], 0.0, gesture.start
    for viseme, share in gesture.shapes:
        share_so_far += share
        end = gesture.start + round(share_so_far * (gesture.end - gesture.start))
        if end > at:
            segments.append(Segment(viseme, at, end))
        at = max(at, end)
    return segments
