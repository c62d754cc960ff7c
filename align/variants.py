"""What people may say for a written word: the dictionary's phones and their usual reductions.

A text is a row of parts: words and pauses. A part is one or more rows of slots (a word has another
row where another accent says it otherwise); a slot holds ways to say it, one of which may be to
leave it out. No way is preferred: the sound decides. On hand labels of German (emodb, every second
recording) these rules take F1 at 20 ms from 0.777 to 0.812 (the 3 English sentences of emu_ae:
0.834 to 0.851). Letting any consonant be left out, at a price, did not help further.

Only where sounds differ more in theory than to the ear do the rules decide: the nasal of German -en
has moved where its vowel is gone, and stays where it is said. Left to the sound, "haben" was heard
as [haːn], and of the closed lips of P B M that the hand labels tell 0.78 came out; now 0.92
(`python benchmarks/ceiling.py --truth emodb --every 2`, the model of a default run), with F1 as
before (`benchmarks/align_truth.py`).

The German rules are those of connected speech that handbooks give (for example Kohler, Einführung
in die Phonetik des Deutschen): /r/ after vowels becomes a vowel and one gliding vowel with the one
before; the vowel of -en falls out and its nasal moves to the place of the stop before it, which may
vanish too; of two stops or two fricatives of one place the second or first is not heard. The
English ones (for example Cruttenden, Gimson's Pronunciation of English): no /r/ before consonants
in half of the accents, weak forms without /h/, words that lose a last /t/ or /d/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

from align.sounds import VOWELS, number_of, sound_of
from clips import SILENCE


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word as it is written and its phones, each (ARPAbet without stress, IPA or "").

    others: its phones in other accents.
    """

    text: str
    phones: tuple[tuple[str, str], ...]
    others: tuple[tuple[tuple[str, str], ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """One way to say a slot. sound: see align.sounds. word: its number; −1 for silence.

    place: ways of one path with the same place are one phone (a vowel and the rest of its /r/).
    """

    sound: int
    phone: str
    ipa: str
    word: int
    place: int


Slot = tuple[Way | None, ...]
"""Ways to say one place of a text; None leaves it out."""

Part = tuple[tuple[Slot, ...], ...]
"""A word or a pause: one of these rows is said."""

SILENT = Way(0, SILENCE, "", -1, -1)
_PAUSE: Part = (((SILENT, None),),)


def _numbers(names: str) -> frozenset[int]:
    return frozenset(map(number_of, names.split()))


_R = _numbers("r ʁ ɹ")
_SCHWA = number_of("ə")
_NASAL_AT = {  # a stop or nasal → the nasal of its place
    **dict.fromkeys(_numbers("p b m"), ("M", "m")),
    **dict.fromkeys(_numbers("k g ŋ"), ("NG", "ŋ")),
}
_SAME_PLACE = [_numbers(pair) for pair in ("t d", "p b", "k g", "s z", "f v", "s ʃ", "z ʃ")]


def pronunciation(words: Sequence[SpokenWord], language: str) -> list[Part]:
    """The parts of a text, with silence possible before, between and after its words.

    language: a code such as "de" or "en-GB"; for most only the rules of all languages apply.
    """
    language = language.lower().replace("_", "-").split("-")[0]
    places = count()
    rows = [  # per word, the plain ways of each of its pronunciations
        [
            tuple(Way(sound_of(*phone), *phone, number, next(places)) for phone in phones)
            for phones in dict.fromkeys((word.phones, *word.others))
        ]
        for number, word in enumerate(words)
    ]
    first = [row[0] for row in rows]
    parts: list[Part] = [_PAUSE]
    for number, row in enumerate(rows):
        # Of the neighbours only the usual pronunciation is looked at.
        before = tuple(way for ways in first[:number][-2:] for way in ways)[-2:]
        after = tuple(way for ways in first[number + 1 :][:2] for way in ways)[:2]
        part = []
        for ways in row:
            said = (*before, *ways, *after)
            slots = []
            for at, way in enumerate(ways, start=len(before)):
                context = list(said[max(at - 2, 0) : at]), list(said[at + 1 : at + 3])
                slots.append((way, *_others(way, *context, language)))
            part += _with_its_place(slots) if language == "de" else [tuple(slots)]
        parts += [tuple(part), _PAUSE]
    return parts


def _with_its_place(slots: list[Slot]) -> list[tuple[Slot, ...]]:
    """German -en after stops and nasals, in two rows: the vowel and [n], or neither, with the nasal
    at the place of the sound before, which only then may be left out."""
    rows = [slots]
    for at in range(2, len(slots)):
        (middle, *_), (nasal, *moved) = slots[at - 1 : at + 1]
        if middle.sound != _SCHWA or nasal.sound != number_of("n") or not moved:
            continue
        plain = {at - 2: _said(slots[at - 2]), at - 1: (middle,), at: (nasal,)}
        short = {at - 1: (None,), at: tuple(moved)}
        rows = [
            [changes.get(n, slot) for n, slot in enumerate(row)]
            for row in rows
            for changes in (plain, short)
        ]
    return [tuple(row) for row in rows]


def _said(slot: Slot) -> Slot:
    return tuple(way for way in slot if way is not None)


def _others(way: Way, before: list[Way], after: list[Way], language: str) -> list[Way | None]:
    """Other ways to say a phone, given up to two phones at each side."""
    sound = way.sound
    previous = before[-1].sound if before else 0
    following = after[0].sound if after else 0
    first = not before or before[-1].word != way.word
    last = not after or after[0].word != way.word
    others: list[Way | None] = []
    dropped = sound == number_of("ʔ")
    if sound == _SCHWA and not first and following in _numbers("n m l"):
        dropped = True  # button, haben
    if language == "fr" and sound == _SCHWA:
        dropped = True
    if sound in _numbers("t d") and not first and previous not in VOWELS:
        dropped |= last or following not in VOWELS  # und, last, friends
    if last and following != sound and _are_one_place(sound, following):
        dropped = True  # mit der, das Schiff
    if first and previous != sound and sound in _numbers("z s f v"):
        dropped |= _are_one_place(previous, sound)  # das sie
    if language == "en" and sound == number_of("h"):
        dropped = True
    if sound in _R and not first and previous in VOWELS and (last or following not in VOWELS):
        if language == "de":
            vowel = before[-1]
            others.append(replace(vowel, sound=_SCHWA))
        dropped |= language in ("de", "en")
    if language == "de":
        if sound == number_of("r"):  # espeak-ng writes a tap; most say it in the throat
            others.append(replace(way, sound=number_of("ʁ"), ipa="ʁ"))
        after_schwa = not first and previous == _SCHWA and len(before) == 2
        if after_schwa and sound == number_of("n") and before[0].sound in _NASAL_AT:
            phone, ipa = _NASAL_AT[before[0].sound]
            others.append(Way(sound_of(phone, ipa), phone, ipa, way.word, way.place))
        if sound in _numbers("b d g") and not first and len(after) == 2:
            dropped |= [w.sound for w in after] == [_SCHWA, number_of("n")]
    return [*others, None] if dropped else others


def _are_one_place(a: int, b: int) -> bool:
    return any({a, b} <= pair for pair in _SAME_PLACE)
