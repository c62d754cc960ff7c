"""From the sounds that espeak-ng names (IPA) to the phones of this project (ARPAbet)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

from clips import BadParams
from clips.arpabet import ARPABET, STOPS
from synth.engine import base_language

TABLE = Path(__file__).with_name("ipa.yaml")

_LANGUAGE_MARK = re.compile(r"\([^)]*\)")
_MARKS = str.maketrans({**dict.fromkeys("ˈˌ-‿͡'|%", ""), ":": "ː"})
_SILENT = "ː\u03030123456789"
"""Of these espeak-ng makes phonemes of their own that take no time: length, nasality, tone."""

TONAL = frozenset("chr cmn hak mto my shn th vi yue".split())
"""Languages whose vowels end in a tone: a digit, or ɜ, which is espeak-ng's sign for the tone 3."""

_CARRIED = frozenset(
    "ːˑ"  # length
    "ʰʱ#\u0325\u030a\u0324\u0330"  # breath, no voice, creak: the throat
    "ʼ`"  # ejective: the throat
    'ʲ^ˠˤ+"'  # palatal, velar, pharyngeal, central: the tongue behind the teeth
    "\u032a\u033a\u033b[.\u031d\u031e\u0308"  # which part of the tongue, a little up or down
    "\u0303"  # nasal: the velum
    "\u0329\u032f_"  # syllabic or not: only its time
)
"""Marks after a sound that leave lips, teeth and jaw as they are. ʷ is not one: it rounds the lips,
so it is a sound of its own."""

_IPA_MARKS = str.maketrans({"h": "ʰ", "#": "\u0325", "`": "ʼ", "^": "ʲ", "[": "\u032a", "_": ""})
"""espeak-ng's own signs for marks, in IPA."""

_OBSTRUENTS = STOPS | {"CH", "JH"}


@dataclass(frozen=True, slots=True)
class Part:
    """One phone of a sound, its own IPA sign, and its share of the sound's time (0..1)."""

    phone: str
    ipa: str
    share: float


def plain_symbol(name: str) -> str:
    """A name that espeak-ng gives, without stress, joints and marks of a changed language.

    Empty for what is no sound: a pause, and a mark that takes no time of its own.

    >>> plain_symbol("ˈɑːɹ"), plain_symbol("(en)"), plain_symbol("ə-"), plain_symbol("ː")
    ('ɑːɹ', '', 'ə', '')
    """
    symbol = unicodedata.normalize("NFC", _LANGUAGE_MARK.sub("", name).translate(_MARKS))
    return symbol if symbol.strip(_SILENT) else ""


def parts_of(symbol: str, language: str) -> tuple[Part, ...]:
    """The phones of a plain symbol in a language or accent. Raises BadParams that names a hole.

    The first of these that the table has lines for: the symbol itself; half of it, if it is
    doubled; without length and palatal mark; without tone; its sounds one by one, each without the
    marks that it carries.
    """
    code = base_language(language)
    found = _find(symbol, _table(code))
    if found is None:
        toneless = symbol.rstrip("0123456789")
        if code in TONAL and len(toneless) > 1:
            toneless = toneless.removesuffix("ɜ")
        found = _find(toneless, _table(code)) or _sounds(toneless, _table(code))
    if found is None:
        raise BadParams(
            f"has no phone for the sound {symbol!r} of {language}",
            where=str(TABLE),
            remedy="add a line with the nearest English phone",
        )
    return found


def line_of(symbol: str, language: str) -> tuple[Part, ...] | None:
    """The parts of a symbol that the table knows as one sound, marks aside; None for several.

    >>> line_of("aɪ", "en") is not None, line_of("pt", "en")
    (True, None)
    """
    table = _table(base_language(language))
    bare = "".join(sign for sign in symbol if sign not in _CARRIED or sign == "ː")
    return next((found for s in (symbol, bare, bare.rstrip("ː")) if (found := table.get(s))), None)


_Table = Mapping[str, tuple[Part, ...]]


def _find(symbol: str, table: _Table) -> tuple[Part, ...] | None:
    half = symbol[: len(symbol) // 2]
    if symbol not in table and half and half * 2 == symbol:
        return _find(half, table) or _sounds(half, table)
    return table.get(symbol) or table.get(symbol.rstrip("ːʲ"))


def _sounds(symbol: str, table: _Table) -> tuple[Part, ...] | None:
    """The parts of a name of several sounds or of one with marks; None if there is a hole.

    The longest line is taken first. Each sound gets an equal share of the time; a long one twice
    that, a glide (j, w, ʷ) half of it. A stop keeps its marks in its IPA: its mouth goes by the
    phone. Other sounds take the sign of their line, by which a table of mouths may know them.
    """
    sounds: list[tuple[tuple[Part, ...], float]] = []
    at = 0
    while at < len(symbol):
        sign, last = symbol[at], sounds[-1][0][-1] if sounds else None
        breath = sign == "h" and last is not None and sounds[-1][0][0].phone in _OBSTRUENTS
        if last is not None and (sign in _CARRIED or breath):
            if last.phone in _OBSTRUENTS:
                marked = replace(last, ipa=last.ipa + sign.translate(_IPA_MARKS))
                sounds[-1] = ((*sounds[-1][0][:-1], marked), sounds[-1][1])
            at += 1
            continue
        line = next((s for n in (4, 3, 2, 1) if (s := symbol[at : at + n]) in table), None)
        if line is None:  # a letter with a mark in one character, such as ä
            line = unicodedata.normalize("NFD", sign)[0]
            if line == sign or line not in table:
                return None
            at += 1
        else:
            at += len(line)
        parts = table[line]
        glide = line in ("j", "w", "ʷ")
        sounds.append((parts, 0.5 if glide else 2.0 if line.endswith("ː") else 1.0))
    if len(sounds) > 1 and symbol[0] in "ʔ?":
        del sounds[0]  # a vowel that begins in the throat
    whole = sum(weight for _, weight in sounds)
    found = tuple(
        replace(part, share=part.share * weight / whole)
        for parts, weight in sounds
        for part in parts
    )
    return found or None


@cache
def _content() -> dict:
    return yaml.safe_load(TABLE.read_text("utf-8"))


@cache
def _table(language: str) -> _Table:
    lines = dict(_content()["phones"])
    for codes, own in _content()["languages"].items():
        if language in codes.split():
            lines |= own
    return {unicodedata.normalize("NFC", s): _read(s, value) for s, value in lines.items()}


def _read(symbol: str, value: str | list) -> tuple[Part, ...]:
    parts = [Part(value, symbol, 1.0)] if isinstance(value, str) else [Part(*v) for v in value]
    unknown = [part.phone for part in parts if part.phone not in ARPABET]
    if unknown or abs(sum(part.share for part in parts) - 1) > 1e-6:
        raise BadParams(
            f"the line {symbol!r} has phones or shares that cannot be: {value}",
            where=str(TABLE),
            remedy="write ARPAbet without stress, and shares that sum to 1",
        )
    return tuple(parts)
