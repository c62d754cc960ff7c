"""What synthesizers and aligners must agree on in texts: plain marks, and numbers in words.

num2words (LGPL) is loaded only where a number is said.
"""

from __future__ import annotations

import unicodedata

from clips.errors import BadText

MARKS = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′´`ʼʻ‹›׳", "'"),
        **dict.fromkeys("“”„‟″«»「」『』〝〞〟《》〈〉", '"'),
        **dict.fromkeys("‐‑‒−־", "-"),
        **dict.fromkeys("–—―⸺⸻", " - "),
        "…": "...",
        **dict.fromkeys("。｡۔।॥։።။", "."),
        **dict.fromkeys("、､،၊፣", ","),
        **dict.fromkeys("؛፤", ";"),
        **dict.fromkeys("؟፧", "?"),
        **dict.fromkeys("・･፡", " "),
        # Soft hyphen, kashida, and what only steers line breaks and direction.
        **dict.fromkeys("\u00ad\u0640\u200b\u200e\u200f\u2060\u2066\u2067\u2068\u2069\ufeff"),
    }
)
"""Typographic marks of all scripts and the plain ones that stand for them; for str.translate."""

_NUMBERS = {"en", "de", "fr", "es", "it", "pt", "pt-br", "nl", "sv", "hu", "id", "eo"}
_LIBRARY_NAMES = {"pt-br": "pt_BR"}


def number_language(language: str) -> str | None:
    """The name under which `number_words` knows a language or accent; None if it does not.

    Only languages that were checked are known. Left out although the library has them: those where
    a number changes with the case of its noun (Slavic and Baltic languages, Finnish, ...), and
    those where version 0.5.14 has errors (Azerbaijani 21,000, Danish 1,234, Norwegian 100).

    >>> number_language("en-gb-scotland"), number_language("pt-br"), number_language("ru")
    ('en', 'pt-br', None)
    """
    for name in (language.lower(), language.lower().split("-")[0]):
        if name in _NUMBERS:
            return name
    return None


def number_words(number: int, language: str = "en", kind: str = "cardinal") -> str:
    """A whole number, 0 or more, in words; kind: "cardinal", "ordinal" or "year".

    English is American: without "and". Raises BadText for a language that is not known.

    >>> number_words(1984), number_words(1984, kind="year"), number_words(22, "de")
    ('one thousand nine hundred eighty-four', 'nineteen eighty-four', 'zweiundzwanzig')
    """
    known = number_language(language)
    if known is None:
        raise BadText(
            f"holds the number {number}, and numbers in {language!r} are not read",
            remedy="write in words what is said",
        )
    from num2words import num2words

    said = num2words(number, lang=_LIBRARY_NAMES.get(known, known), to=kind).replace(",", "")
    return said.replace(" and ", " ") if known == "en" else unicodedata.normalize("NFC", said)
