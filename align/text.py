"""English text as the words that a person says: what a pronunciation dictionary can look up.

>>> spoken_words("“Don't go,” she said: 42 well-known boys' songs!")
["don't", 'go', 'she', 'said', 'forty', 'two', 'well', 'known', 'boys', 'songs']
"""

from __future__ import annotations

import re
import unicodedata

from clips import BadText

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    " fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = ". . twenty thirty forty fifty sixty seventy eighty ninety".split()

_SAID = {"&": " and ", "%": " percent "}
_SPOKEN_SYMBOLS = frozenset("$€£¥+=@#°×÷<>^~|\\*")  # a reader says them, in one of many ways
_APOSTROPHES = dict.fromkeys(map(ord, "’‘‛`´ʼ′"), "'")
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+|\d+")


def number_words(number: int) -> list[str]:
    """0 .. 999,999 in words, American style (no "and").

    >>> " ".join(number_words(1984))
    'one thousand nine hundred eighty four'
    """
    if not 0 <= number <= 999_999:
        raise BadText(f"the number {number} is outside 0..999,999", remedy="write it in words")
    if number >= 1000:
        rest = number % 1000
        return [*number_words(number // 1000), "thousand", *(number_words(rest) if rest else [])]
    if number >= 100:
        rest = number % 100
        return [_ONES[number // 100], "hundred", *(number_words(rest) if rest else [])]
    if number >= 20:
        return [_TENS[number // 10], *([_ONES[number % 10]] if number % 10 else [])]
    return [_ONES[number]]


def spoken_words(text: str) -> list[str]:
    """The words of an English text, lower case, a–z and inner apostrophes only.

    Punctuation and hyphens separate words, accents are dropped (café: cafe), whole numbers up to
    999,999 are read out. Raises BadText that shows what cannot be read: other scripts, digits that
    are not a whole number (1.5, 3rd, 10:30), symbols that people read in several ways, no words.
    """
    plain = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)
    for symbol, said in _SAID.items():
        plain = plain.replace(symbol, said)
    if found := sorted(_SPOKEN_SYMBOLS & set(plain)):
        raise BadText(
            f"holds the symbols {' '.join(found)}",
            where=repr(text),
            remedy="write in words what the speaker says",
        )
    words: list[str] = []
    for token in plain.split():
        words += _token_words(token, text)
    if not words:
        raise BadText("holds no words", where=repr(text), remedy="write what the speaker says")
    return words


def _token_words(token: str, text: str) -> list[str]:
    stripped = token.strip("\"'“”„«»‹›()[]{}.,;:!?…-–—_/")
    if any(char.isdigit() for char in stripped):
        parts = re.split(r"[-–—/]", stripped)
        if not all(_NUMBER.fullmatch(part) or part.isalpha() for part in parts):
            raise _unreadable(token, text)
        words = []
        for part in parts:
            if part.isalpha():
                words += _token_words(part, text)
                continue
            digits = part.replace(",", "")
            if int(digits) > 999_999 or (len(digits) > 1 and digits[0] == "0"):
                raise _unreadable(token, text)
            words += number_words(int(digits))
        return words
    bare = "".join(
        char
        for char in unicodedata.normalize("NFD", stripped.lower())
        if not unicodedata.combining(char)
    )
    if foreign := sorted({char for char in bare if char.isalpha() and not "a" <= char <= "z"}):
        raise BadText(
            f"holds letters that English does not use: {' '.join(foreign)}",
            where=repr(text),
            remedy="set the clip's language, or write the words in English letters",
        )
    words = (part.strip("'") for part in re.split(r"[^a-z']+", bare))
    return [word for word in words if word]


def _unreadable(token: str, text: str) -> BadText:
    return BadText(
        f"holds digits that can be read in several ways: {token}",
        where=repr(text),
        remedy="write in words what the speaker says",
    )
