"""From the sounds that espeak-ng names (IPA) to the phones of this project (ARPAbet)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from clips import BadParams
from clips.arpabet import ARPABET
from synth.engine import base_language

TABLE = Path(__file__).with_name("ipa.yaml")

_LANGUAGE_MARK = re.compile(r"\([a-z-]+\)")
_MARKS = str.maketrans({**dict.fromkeys("ˈˌ-‿͡'|%", ""), ":": "ː"})


@dataclass(frozen=True, slots=True)
class Part:
    """One phone of a sound, its own IPA sign, and its share of the sound's time (0..1)."""

    phone: str
    ipa: str
    share: float


def plain_symbol(name: str) -> str:
    """A name that espeak-ng gives, without stress, joints and marks of a changed language.

    >>> plain_symbol("ˈɑːɹ"), plain_symbol("(en)"), plain_symbol("ə-")
    ('ɑːɹ', '', 'ə')
    """
    return unicodedata.normalize("NFC", _LANGUAGE_MARK.sub("", name).translate(_MARKS))


def parts_of(symbol: str, language: str) -> tuple[Part, ...]:
    """The phones of a plain symbol in a language or accent. Raises BadParams that names a hole.

    A long, doubled or palatal sound that has no line of its own is read as the plain one.
    """
    table = _table(base_language(language))
    found = table.get(symbol)
    if found is None:
        plain = symbol.rstrip("ːʲ")
        half = symbol[: len(symbol) // 2]
        found = table.get(half if half * 2 == symbol else plain)
    if found is None:
        raise BadParams(
            f"has no phone for the sound {symbol!r} of {language}",
            where=str(TABLE),
            remedy="add a line with the nearest English phone",
        )
    return found


@cache
def _table(language: str) -> Mapping[str, tuple[Part, ...]]:
    content = yaml.safe_load(TABLE.read_text("utf-8"))
    lines = {**content["phones"], **content["languages"].get(language, {})}
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
