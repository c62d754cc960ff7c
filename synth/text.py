"""Texts before they are spoken: one plain form, so that what is stored is what is said."""

from __future__ import annotations

import re
import unicodedata

from clips import BadText

MAX_CHARACTERS = 400
"""The longest text that one clip may hold, about 30 s of speech."""

_PLAIN = {
    **dict.fromkeys("‘’‚‛′´`ʼ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒−", "-"),
    **dict.fromkeys("–—―", " - "),
    "…": "...",
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
}
_TABLE = str.maketrans(_PLAIN)
_MARKS = frozenset("0123456789.,;:!?¿¡'\"()-/&%$£€+ ")


def clean_text(text: str, *, max_characters: int = MAX_CHARACTERS) -> str:
    """`text` with plain quotes, dashes and spaces, composed (NFC); the form that is spoken.

    Raises BadText for what an engine would read differently from what stands there: no letters,
    control characters, letters of other scripts, symbols, or more than `max_characters`.

    >>> clean_text("“Don’t…”  she\u00a0said")
    '"Don\\'t..." she said'
    """
    where = f"text {_short(text)!r}"
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs", "Co") and character not in "\t\n\r":
            raise BadText(
                f"holds the control character U+{ord(character):04X}",
                where=where,
                remedy="remove it; texts are plain UTF-8",
            )
    text = unicodedata.normalize("NFC", text).translate(_TABLE)
    text = " ".join(text.split())
    if len(text) > max_characters:
        raise BadText(
            f"has {len(text)} characters, more than {max_characters}",
            where=where,
            remedy="split it into sentences",
        )
    for character in text:
        if character in _MARKS or _is_latin(character):
            continue
        kind = "letter of another script" if character.isalpha() else "symbol"
        raise BadText(
            f"holds the {kind} {character!r} (U+{ord(character):04X})",
            where=where,
            remedy="write it in Latin letters and plain punctuation, as it is said",
        )
    if not any(character.isalpha() for character in text):
        raise BadText("has no letters", where=where, remedy="give words to speak")
    return text


def split_sentences(text: str) -> list[str]:
    """The sentences of a paragraph: cut after . ! ? (and closing quotes) before a new beginning.

    Titles and single initials do not end a sentence.

    >>> split_sentences("Mr. Pym left. Did he? Yes!")
    ['Mr. Pym left.', 'Did he?', 'Yes!']
    """
    pieces = re.split(r"(?<=[.!?])([\"')]*)\s+(?=[\"'(]*[A-ZÀ-ÖØ-Þ0-9])", text)
    sentences: list[str] = []
    carried = ""
    for number in range(0, len(pieces), 2):
        closing = pieces[number + 1] if number + 1 < len(pieces) else ""
        carried = f"{carried} {pieces[number]}{closing}".strip()
        if re.search(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Capt|Col|Gen|Rev|No)|\b[A-Z])\.$", carried):
            continue
        sentences.append(carried)
        carried = ""
    return [sentence for sentence in (*sentences, carried) if sentence]


def _is_latin(character: str) -> bool:
    return character.isalpha() and unicodedata.name(character, "").startswith("LATIN")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
