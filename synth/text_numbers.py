"""Digits in a text become the words that are said, or are refused: nothing is guessed.

The rules of each language stand in synth/text.yaml; the words come from clips.spoken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clips import BadText
from clips.spoken import number_language, number_words

_LARGEST = 999_999
_OPENING = "\"'(¿¡"
_CLOSING = ".,;:!?\"')"
_SCALE = {"hundred", "thousand", "million", "billion", "trillion", "k", "tausend", "Mio", "Mrd"}
_SCALES = re.compile(r"(?i)mi(?:llion|llón|lhão|lione|ljoen|ljon|lhões)\w*|mil|mille|duizend|tusen")
_LIKE_ORDINAL = {
    "en": r"(\d+)(st|nd|rd|th)",
    "fr": r"(\d+)(er|e|ème)",
    "nl": r"(\d+)(e|de|ste)",
}


@dataclass(frozen=True, slots=True)
class _Neighbours:
    before: str  # the word before, without its marks; "" at the start or after a full stop
    after: str  # the word after, without its marks; "" if a mark or nothing follows
    more: bool  # something follows


def say_numbers(text: str, language: str, rules: Mapping[str, Any]) -> str:
    """`text` (plain marks, single spaces) with every number in words.

    rules: the tables of synth/text.yaml. Raises BadText, without `where`, for digits that people
    read in several ways, that the language's rules do not cover, or that stand inside words.

    >>> from synth.text import clean_text
    >>> clean_text("The 3rd of 20 boats cost $5.50 at 10:30.")
    'The third of twenty boats cost five dollars and fifty cents at ten thirty.'
    """
    if not re.search(r"\d", text):
        return text
    reader = _Reader(language, rules)
    tokens = text.split(" ")
    said: list[str] = []
    while tokens:
        token = tokens.pop(0)
        if not re.search(r"\d", token):
            said.append(token)
            continue
        opening, core, closing = _peel(token)
        if core[:1] in ("$", "€", "£") and len(core) == 1:  # "€ 5"
            raise _several(token)
        # What belongs to the number though a space stands between: "5 %", "20 km", "10:30 Uhr".
        if tokens and not closing:
            _, unit, unit_closing = _peel(tokens[0])
            if unit in reader.suffixes or (unit == "Uhr" and re.fullmatch(r"\d+:\d\d", core)):
                tokens.pop(0)
                core, closing = core + unit, unit_closing
        before = said[-1] if said else ""
        near = _Neighbours(
            "" if before.endswith((".", "!", "?")) else before.strip(_OPENING + _CLOSING),
            "" if closing.strip("\"'") or not tokens else _peel(tokens[0])[1],
            bool(tokens),
        )
        quote = closing[:1]
        if quote in ("'", '"') and not any(t.startswith(quote) for t in (*said, token)):
            raise _several(token)  # feet or inches, since no quotation is open
        if closing.startswith(".") and near.more and reader.table.get("ordinal_dot"):
            raise _several(token)
        said.append(opening + reader.say(core, near) + closing)
    return " ".join(said)


def _peel(token: str) -> tuple[str, str, str]:
    """The marks before a token, the token, the marks after it."""
    core = token.lstrip(_OPENING)
    opening = token[: len(token) - len(core)]
    bare = core.rstrip(_CLOSING)
    return opening, bare, core[len(bare) :]


class _Reader:
    def __init__(self, language: str, rules: Mapping[str, Any]) -> None:
        self.language = language.lower()
        self.base = self.language.split("-")[0]
        numbers = rules["numbers"]
        if number_language(language) is None or self.base not in numbers:
            raise BadText(
                f"holds digits, and numbers in {language!r} are not read",
                remedy="write in words what is said",
            )
        self.table = numbers.get(self.language, numbers[self.base])
        self.percent = rules["percent"].get(self.base)
        self.currencies = rules["currencies"].get(self.base, {})
        self.units = rules["units"].get(self.base, {})
        self.months = rules["months"].get(self.base, ())
        self.year_after = rules["year_after"].get(self.base, ())
        self.year_before = rules["year_before"].get(self.base, ())
        self.suffixes = {*self.units, *self.currencies, *(["%"] if self.percent else ())}

    def say(self, core: str, near: _Neighbours) -> str:
        """A token with digits, without its marks, in words."""
        if near.before in self.months or near.after in self.months:
            if self._is_year(core, near):
                return self._words(int(core), core, "year")
            raise _several(core)
        for read in (self._time, self._ordinal, self._compound):
            if (said := read(core)) is not None:
                return said
        if (said := self._with_unit(core, near)) is not None:
            return said
        if self._is_year(core, near):
            return self._words(int(core), core, "year")
        return self._number(core)

    def _is_year(self, core: str, near: _Neighbours) -> bool:
        """Whether a number can only be a year; English and German alone have a reading of years."""
        if not self.year_after or not re.fullmatch(self.table["years"], core):
            return False
        known = near.before in self.year_after or near.before in self.months
        return known and (not near.after or near.after in self.year_before)

    def _number(self, core: str) -> str:
        decimal, thousands = self.table.get("decimal"), self.table.get("thousands")
        whole, mark, fraction = core.partition(decimal) if decimal else (core, "", "")
        if mark:
            allowed = self.table.get("decimals", 0)
            if not re.fullmatch(r"\d+", fraction) or len(fraction) > allowed:
                raise _several(core)
            digits = " ".join(self._words(int(d), d) for d in fraction)
            first = self._words(int(self._digits(whole, thousands)), whole)
            return f"{first} {self.table['point']} {digits}"
        digits = self._digits(core, thousands)
        years = self.table.get("years")
        grouped = digits != core
        if re.fullmatch(self.table.get("varies", "(?!)"), digits):
            raise BadText(
                f"holds {core!r}, whose word depends on what is counted",
                remedy="write in words what is said",
            )
        if years and not grouped and re.fullmatch(years, digits):
            raise BadText(
                f"holds {core!r}, which may be a year or a number",
                remedy="write in words what is said, or the number with its thousands mark",
            )
        return self._words(int(digits), core)

    def _digits(self, core: str, thousands: str | None) -> str:
        mark = re.escape(thousands) if thousands and thousands != "nbsp" else "(?!)"
        if re.fullmatch(rf"[1-9]\d{{0,2}}(?:{mark}\d{{3}})+", core):
            return core.replace(thousands, "")
        if re.fullmatch(r"0|[1-9]\d*", core):
            return core
        raise _several(core)

    def _words(self, number: int, core: str, kind: str = "cardinal") -> str:
        largest = self.table.get("largest", _LARGEST)
        if number > largest:
            raise BadText(
                f"holds the number {core}, larger than {largest}",
                remedy="write in words what is said",
            )
        return number_words(number, self.language, kind)

    def _with_unit(self, core: str, near: _Neighbours) -> str | None:
        found = re.fullmatch(r"([$€£]?)(\d[\d.,]*)(\D*)", core)
        if not found or bool(found[1]) == bool(found[3]):
            return None
        sign, amount, unit = found[1] or found[3], found[2], found[3]
        if sign == "%" and self.percent:
            return f"{self._number(amount)} {self.percent}"
        if unit in self.units:
            return f"{self._number(amount)} {self.units[unit][amount != '1']}"
        if sign not in self.currencies:
            raise _several(core)
        if near.after in _SCALE or _SCALES.fullmatch(near.after):  # "$5 million"
            raise _several(f"{core} {near.after}")
        names = self.currencies[sign]
        cents = re.fullmatch(r"([\d,]+)\.(\d\d)", amount)
        if cents and len(names) == 4:
            if int(cents[2]) == 0:
                raise _several(core)
            small = int(cents[2])
            return (
                f"{self._number(cents[1])} {names[cents[1] != '1']} and"
                f" {number_words(small, self.language)} {names[2 + (small != 1)]}"
            )
        if self.table.get("decimal", "\0") in amount:
            raise _several(core)
        return f"{self._number(amount)} {names[amount != '1']}"

    def _time(self, core: str) -> str | None:
        """10:30, and in French 10h30; only where it has one plain reading."""
        patterns = {
            "en": r"(\d\d?):(\d\d)", "de": r"(\d\d?):(\d\d)(?:Uhr)?",
            "fr": r"(\d\d?)h(\d\d)?",
        }  # fmt: skip
        found = re.fullmatch(patterns.get(self.base, "(?!)"), core)
        if not found:
            return None
        hour, minute = int(found[1]), int(found[2] or 0)
        if hour > 23 or minute > 59 or found[1] == "00":
            raise _several(core)
        if self.base == "en":
            if minute == 0:
                if not 1 <= hour <= 12:
                    raise _several(core)
                return f"{number_words(hour)} o'clock"
            between = "oh " if minute < 10 else ""
            return f"{number_words(hour)} {between}{number_words(minute)}"
        if self.base == "fr" and ((hour % 10 == 1 and hour != 11) or minute % 10 == 1):
            raise _several(core)  # une, vingt et une
        hours = {"de": "Uhr", "fr": "heures"}[self.base]
        hour_words = "ein" if (self.base, hour) == ("de", 1) else number_words(hour, self.base)
        return f"{hour_words} {hours}" + (f" {number_words(minute, self.base)}" if minute else "")

    def _ordinal(self, core: str) -> str | None:
        found = re.fullmatch(_LIKE_ORDINAL.get(self.base, "(?!)"), core)
        if not found:
            return None
        number = int(found[1])
        if number == 0 or found[1][0] == "0" or found[2] not in _ordinal_endings(number, self.base):
            raise _several(core)
        return self._words(number, core, "ordinal")

    def _compound(self, core: str) -> str | None:
        """20-year-old: a number with words behind its hyphen."""
        found = re.fullmatch(r"(\d+)((?:-[^\W\d_]{2,})+)", core)
        if not found or self.base not in ("en", "de", "nl"):
            return None
        return self._number(found[1]) + found[2]


def _ordinal_endings(number: int, language: str) -> tuple[str, ...]:
    """What is written behind the digits of an ordinal.

    >>> _ordinal_endings(22, "en"), _ordinal_endings(112, "en"), _ordinal_endings(8, "nl")
    (('nd',), ('th',), ('e', 'ste'))
    """
    last = number % 100
    if language == "fr":
        return ("er",) if number == 1 else ("e", "ème")
    if language == "nl":
        return ("e", "ste") if last in (0, 1, 8) or last >= 20 else ("e", "de")
    teens = last in (11, 12, 13)
    return ("th",) if teens else ({1: "st", 2: "nd", 3: "rd"}.get(last % 10, "th"),)


def _several(token: str) -> BadText:
    return BadText(
        f"holds {token!r}, which is read in several ways or not at all",
        remedy="write in words what is said",
    )
