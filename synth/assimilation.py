"""German -en as people say it: no vowel after stops and nasals, and a nasal where that sound is.

espeak-ng says every vowel that is written. People say *haben* [haːbm], with lips that close once
for both consonants and a [b] of a few hundredths of a second that opens into the nose; a network
that never heard it takes it for a [v]. (Kohler, Einführung in die Phonetik des Deutschen, 1995. In
the hand labels of Emo-DB's first five speakers [b] stands before [m] 94 times, and before a vowel
and [n] not once.)
"""

from __future__ import annotations

import re
from collections.abc import Callable

_WRITTEN = re.compile(r"[^\W\d_]*[bdgkmnpt]en[^\W\d_]*")
"""Words in which such an -en may stand."""

_NASALS = {"p": "m", "b": "m", "m": "m", "t": "n", "d": "n", "n": "n", "k": "N", "g": "N", "N": "N"}
"""A stop or nasal and the nasal of its place, in espeak-ng's letters."""

_SPOKEN = re.compile(r"([pbmtdnkgN])@n(?![@aeiouyAEIOUVWY0-9&])")
"""Schwa and [n] after such a sound, no vowel behind."""


def assimilated(text: str, spelled: Callable[[str], str]) -> str:
    """A German text in which such words are phonemes in [[ ]], as espeak-ng reads them.

    text: as clean_text gives it. spelled: a word's phonemes, EspeakLibrary.spelled_phonemes.

    >>> assimilated("Wir haben, glaube ich, Zeit.", {"haben": "h'A:b@n"}.get)
    "Wir [[h'A:bm]], glaube ich, Zeit."
    """

    def said(word: re.Match[str]) -> str:
        plain = spelled(word[0])
        changed = _SPOKEN.sub(lambda found: found[1] + _NASALS[found[1]], plain)
        return word[0] if changed == plain else f"[[{changed}]]"

    return " ".join(
        _WRITTEN.sub(said, token) if _is_one_word(token) else token for token in text.split(" ")
    )


def _is_one_word(token: str) -> bool:
    """No hyphen or apostrophe within: of such a word espeak-ng says the parts otherwise."""
    return not re.search(r"\w['-]\w", token)
