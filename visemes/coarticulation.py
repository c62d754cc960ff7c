"""Rules by which neighbours change a mouth: all off unless visemes.rules.Rules switches them on.

They make an animation calmer and closer to how people speak. They also take from a track what the
sound alone decides, so they are no rules for training labels (see visemes.rules.ANIMATION).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from clips.arpabet import VOWELS
from clips.segment import SILENCE, Segment
from visemes.gestures import Gesture
from visemes.hold import held
from visemes.inventory import Inventory

WEAK = frozenset("T D N K G NG HH".split())
"""Consonants that the tongue or the throat makes alone: the lips are free."""

_SCHWA = "ə"


def schwa_takes_neighbours(
    gestures: Sequence[Gesture], inventory: Inventory, longest: int
) -> list[Gesture]:
    """A schwa has no mouth of its own: half of it is the shape before, half the shape after.

    A schwa is an AH whose IPA says so or, where there is no IPA, one of at most `longest` samples.
    The half beside a closure or silence keeps the schwa's shape, since a vowel is never shut.
    Source: schwa lies on the way from one neighbour to the next, with at most a weak target of its
    own (Browman and Goldstein, "Targetless" schwa: an articulatory analysis, 1992).
    """

    def side(at: int, shape: str, own: str) -> str:
        open_there = 0 <= at < len(gestures) and gestures[at].phone != SILENCE
        return shape if open_there and not inventory.must_show(shape) else own

    result = list(gestures)
    for at, gesture in enumerate(gestures):
        is_schwa = gesture.ipa == _SCHWA or (not gesture.ipa and gesture.samples <= longest)
        if gesture.phone == "AH" and is_schwa:
            before = side(at - 1, gestures[at - 1].last, gesture.first)
            following = gestures[min(at + 1, len(gestures) - 1)]
            after = side(at + 1, following.first, gesture.first)
            result[at] = gesture._replace(shapes=((before, 0.5), (after, 0.5)))
    return result


def weak_consonants_yield(
    gestures: Sequence[Gesture], inventory: Inventory, longest: int
) -> list[Gesture]:
    """A WEAK consonant of at most `longest` samples takes the mouth of the vowel beside it.

    The vowel after it goes first: a mouth prepares for what comes. Between two consonants it keeps
    its own. Source: JALI (Edwards et al., 2016): phones of the tongue alone leave the lips to the
    visemes around them.
    """
    result = list(gestures)
    for at, gesture in enumerate(gestures):
        if gesture.phone in WEAK and not gesture.own and gesture.samples <= longest:
            after = gestures[at + 1].first if at + 1 < len(gestures) else ""
            before = gestures[at - 1].last if at else ""
            if after and gestures[at + 1].phone in VOWELS:
                result[at] = gesture._replace(shapes=((after, 1.0),))
            elif before and gestures[at - 1].phone in VOWELS:
                result[at] = gesture._replace(shapes=((before, 1.0),))
    return result


def rounding_spreads(
    gestures: Sequence[Gesture], inventory: Inventory, reach: int
) -> list[Gesture]:
    """Consonants that begin within `reach` samples of a rounded vowel or W are rounded too.

    They take their shape's `rounded` partner, where the inventory gives one; a closure stays shut
    and lets the rounding pass. Vowels and silence stop it. Source: lip rounding begins over all the
    consonants before a rounded vowel (Daniloff and Moll, Coarticulation of lip rounding, 1968),
    and about a fixed time before it (Bell-Berti and Harris, 1982).
    """
    result = list(gestures)
    for at, gesture in enumerate(gestures):
        if gesture.phone not in VOWELS and gesture.phone != "W":
            continue
        for step, shape in ((-1, gesture.first), (1, gesture.last)):
            if inventory.lips[shape] != "rounded":
                continue
            near = at + step
            while 0 <= near < len(gestures):
                other = gestures[near]
                gap = gesture.start - other.end if step < 0 else other.start - gesture.end
                if other.phone in VOWELS or other.phone == SILENCE or gap >= reach:
                    break
                shapes = tuple((inventory.rounded.get(v, v), s) for v, s in result[near].shapes)
                result[near] = result[near]._replace(shapes=shapes)
                near += step
    return result


def static_stretches_move(
    gestures: Sequence[Gesture], inventory: Inventory, longest: int
) -> list[Gesture]:
    """A shape that stands for several phones and longer than `longest` samples moves again.

    Every second of its phones takes the shape's `relaxed` partner. Closures, silence and one long
    sound are left alone; an HH and the vowel whose mouth it has are one. Source: Rhubarb Lip Sync
    too breaks up what it calls static segments; a mouth that stands still while the voice goes on
    looks broken.
    """
    result: list[Gesture] = []
    for (shape, single), group in groupby(gestures, lambda g: (g.first, len(g.shapes) == 1)):
        stretch = list(group)
        long = stretch[-1].end - stretch[0].start > longest
        if single and long and shape in inventory.relaxed:
            relaxed = ((inventory.relaxed[shape], 1.0),)
            sounds = [at for at, gesture in enumerate(stretch) if gesture.phone != "HH"]
            for at in sounds[1::2]:
                stretch[at] = stretch[at]._replace(shapes=relaxed)
        result += stretch
    return result


def closures_begin_early(
    segments: Sequence[Segment], inventory: Inventory, lead: int
) -> list[Segment]:
    """Lips shut and lip on teeth begin `lead` samples before their sound.

    At most half of the shape before gives way; another closure does not. Reason: animators draw
    the mouth ahead of the sound, since an eye forgives a mouth that is early (the window in which
    people take sound and sight for one is longer when sight leads; Dixon and Spitz, 1980).
    """
    result = list(segments)
    for at, (before, segment) in enumerate(pairwise(segments)):
        if inventory.must_show(segment.label) and not inventory.must_show(before.label):
            start = segment.start - min(lead, before.samples // 2)
            result[at] = replace(result[at], end=start)
            result[at + 1] = replace(segment, start=start)
    return result


def minimum_hold(segments: Sequence[Segment], inventory: Inventory, shortest: int) -> list[Segment]:
    """Every shape lasts at least `shortest` samples; closures are kept (see visemes.hold)."""
    edges = [0, *(segment.end for segment in segments)]
    labels, ends = held([segment.label for segment in segments], edges, 1, shortest, inventory)
    return [Segment(viseme, *times) for viseme, *times in zip(labels, ends, ends[1:])]
