"""English text as the words that a person says: what a pronunciation dictionary can look up.

>>> spoken_words("“Don't go,” she said: 42 well-known boys' songs!")
["don't", 'go', 'she', 'said', 'forty', 'two', 'well', 'known', 'boys', 'songs']

Stricter than synth.text: the speaker of a recording has chosen a reading already, so what people
read in several ways (1.5, 3rd, 10:30, $5) is refused here, though a synthesizer may choose one.
"""

from __future__ import annotations

import re
import unicodedata

from clips import BadText
from clips.spoken import MARKS, number_words

LARGEST = 999_999
"""Larger numbers are refused: people say them in several ways."""

_SAID = {"&": " and ", "%": " percent "}
_SPOKEN_SYMBOLS = frozenset("$€£¥+=@#°×÷<>^~|\\*")  # a reader says them, in one of many ways
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+|\d+")
_ZERO = re.compile(r"0\d")


def spoken_words(text: str) -> list[str]:
    """The words of an English text, lower case, a–z and inner apostrophes only.

    Punctuation and hyphens separate words, accents are dropped (café: cafe), whole numbers up to
    999,999 are read out. Raises BadText that shows what cannot be read: other scripts, digits that
    are not a whole number (1.5, 3rd, 10:30), symbols that people read in several ways, no words.
    """
    plain = unicodedata.normalize("NFKC", text.translate(MARKS))
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
    stripped = token.strip("\"'()[]{}.,;:!?-_/")
    if any(char.isdigit() for char in stripped):
        words = []
        for part in re.split(r"[-/]", stripped):
            digits = part.replace(",", "")
            if part.isalpha():
                words += _token_words(part, text)
            elif _NUMBER.fullmatch(part) and not _ZERO.match(digits) and len(digits) <= 6:
                words += number_words(int(digits)).replace("-", " ").split()
            else:
                raise BadText(
                    f"holds digits that can be read in several ways: {token}",
                    where=repr(text),
                    remedy="write in words what the speaker says",
                )
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
