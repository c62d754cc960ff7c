"""The sounds that the acoustic model tells apart, and the three states that each passes through.

Sound 0 is silence, with a single state; the others are those of sounds.yaml. State 0 of a stop or
affricate is its closure, states 1 and 2 are its release; the states of other sounds are thirds.

>>> SOUNDS[sound_of("P", "")], SOUNDS[sound_of("HH", "ç")], SOUNDS[sound_of("AA", "aː")]
('p', 'ç', 'a')
"""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

import yaml

from clips import SILENCE, BadLabels

_TABLE: dict[str, tuple[str, str]] = {
    unicodedata.normalize("NFC", name): (phone, unicodedata.normalize("NFC", signs))
    for name, (phone, signs) in yaml.safe_load(
        Path(__file__).with_name("sounds.yaml").read_text("utf-8")
    ).items()
}

SOUNDS = ("", *_TABLE)
"""Names by number; silence is the empty name."""

STATES = 3
"""States of a sound other than silence."""

STATE_COUNT = 1 + (len(SOUNDS) - 1) * STATES

_NUMBER = {name: number for number, name in enumerate(SOUNDS)}

STOPS = frozenset(_NUMBER[name] for name in "p b t d k g tʃ dʒ".split())
"""Sounds that begin with a closure."""

FRICATIVES = frozenset(_NUMBER[name] for name in "f v θ ð s z ʃ ʒ ç x h".split())

VOWELS = frozenset(
    _NUMBER[name]
    for name in "i ɪ y e ɛ ø æ a ɑ ɔ o ʊ u ə ʌ ɝ aɪ aʊ ɔɪ eɪ oʊ".split()
)  # fmt: skip


def number_of(name: str) -> int:
    """The number of the sound `name` of sounds.yaml."""
    return _NUMBER[name]


def state_of(sound: int, state: int = 0) -> int:
    """The number (a column of the acoustic model) of a state, 0..2, of a sound."""
    return 1 + (sound - 1) * STATES + state if sound else 0


@cache
def sound_of(phone: str, ipa: str) -> int:
    """The sound that a phone (ARPAbet or SIL) with this IPA sign ("" if not known) is.

    A sign that sounds.yaml lacks is read without its marks, then as the phone. Where two sounds
    have the same sign (ɜ is English ER and German AH), the one of the phone is taken.
    Raises BadLabels if the phone is not ARPAbet either.
    """
    if phone == SILENCE:
        return 0
    sign = unicodedata.normalize("NFC", ipa)
    bare = "".join(
        c for c in unicodedata.normalize("NFD", sign) if unicodedata.category(c)[0] == "L"
    )
    for wanted in (sign, sign.rstrip("ːʲ"), bare.rstrip("ːˑʲʰʷˠˤ")):
        found = [name for name, (_, signs) in _TABLE.items() if wanted and wanted in signs.split()]
        if found:
            return _NUMBER[next((n for n in found if _TABLE[n][0] == phone), found[0])]
    for name, (meant, _) in _TABLE.items():
        if meant == phone:
            return _NUMBER[name]
    raise BadLabels(
        f"{phone!r} is no phone that can be aligned",
        remedy="use ARPAbet without stress, or SIL",
    )
