"""From the phonemes of piper, with their times, to the phones of this project.

Piper names single code points of IPA, stress and length marks, spaces and punctuation, each
followed by a pad. Which sound the time of a pad belongs to was measured: voice en_US-joe-medium,
150 sentences of datasets/prompts, 3,257 boundaries against align.pocketsphinx. Between two sounds
the boundary is where the own time of the first ends (mean error 16 ms; 31 ms where its pad ends).
Before a space or stress mark it is where the pad ends that precedes these (16 ms; 57 ms where they
end themselves), and a pause begins where the pad before it ends. So a mark and a space with their
pads belong to the sound that follows. All boundaries: 17 ms; if pads, marks and spaces went to the
sound before: 42 ms. Stops hold their closures as they are (the median error where a vowel goes over
into one is -2 ms), so none are moved. On 70 other sentences the finished engine has 17 ms, bias
+2 ms; flite, whose timing is exact, has 12 ms against the same aligner.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from clips.arpabet import VOWELS
from synth.ipa import Part, line_of, parts_of, plain_symbol

BEGIN, END, PAD, SPACE = "^", "$", "_", " "
"""Piper's own signs: begin and end of a sentence, the pad between phonemes, and the space."""

_PAUSES = frozenset({BEGIN, END, *".,;:!?"})
_LONGEST = 5  # code points of a sound with its marks; the longest of synth/ipa.yaml have 4


@dataclass(frozen=True, slots=True)
class Token:
    """A phoneme in samples of the voice: its own time is start..middle, its pad's middle..end."""

    name: str
    start: int
    middle: int
    end: int


@dataclass(frozen=True, slots=True)
class Sound:
    """A phone, or silence (None), from sample `start` to `end` of the voice."""

    part: Part | None
    start: int
    end: int


def read_sounds(tokens: Sequence[Token], language: str) -> list[Sound]:
    """The phones and pauses; they tile the time of the tokens. Raises BadParams: see parts_of.

    Code points are joined to the longest sound that synth/ipa.yaml knows. Of consonants only
    affricates are joined: whether p f is one sound depends on the language, and apart each keeps
    the time that the voice gives it.
    """
    begun: list[tuple[tuple[Part | None, ...], tuple[int, ...]]] = []  # parts, and their starts
    at, waiting = 0, None  # waiting: since when spaces and marks wait for their sound
    while at < len(tokens):
        token = tokens[at]
        if _is_pause(tokens, at):
            begun.append(((None,), (token.start,)))
            at, waiting = at + 1, None
        elif not _is_spoken(token):
            waiting = token.start if waiting is None else waiting
            at += 1
        else:
            after_sound = begun and begun[-1][0] != (None,)
            start = tokens[at - 1].middle if after_sound else token.start
            parts, used = _longest_sound(tokens[at:], language)
            starts = _part_starts(parts, tokens[at : at + used])
            begun.append((parts, (start if waiting is None else waiting, *starts)))
            at, waiting = at + used, None
    ends = [starts[0] for _, starts in begun[1:]] + [token.end for token in tokens[-1:]]
    sounds: list[Sound] = []
    for (parts, starts), end in zip(begun, ends):
        if len(starts) < len(parts):
            shares = accumulate((part.share for part in parts[:-1]), initial=0.0)
            starts = tuple(starts[0] + round(share * (end - starts[0])) for share in shares)
        sounds += map(Sound, parts, starts, (*starts[1:], end))
    return sounds


def is_letter(name: str) -> bool:
    """Whether a phoneme is more than a mark of another one (stress, length, nasal, dental ...).

    >>> [is_letter(name) for name in ("ɪ", "ː", "ˈ", "̃", "aɪ")]
    [True, False, False, False, True]
    """
    return unicodedata.category(name[0]) in ("Ll", "Lu", "Lo")


def _is_pause(tokens: Sequence[Token], at: int) -> bool:
    """Whether a token is punctuation, an end of the sentence, or a space beside one of these."""
    if tokens[at].name != SPACE:
        return tokens[at].name in _PAUSES
    return any(token.name in _PAUSES for token in (*tokens[at - 1 : at], *tokens[at + 1 : at + 2]))


def _is_spoken(token: Token) -> bool:
    """Not so: spaces, stress and joints. Length and nasality belong to the sound before."""
    return bool(plain_symbol(token.name).strip()) or token.name in ("ː", "\u0303")


def _longest_sound(tokens: Sequence[Token], language: str) -> tuple[tuple[Part, ...], int]:
    """The sound that begins here, and how many tokens it takes, with the marks after it."""
    run: list[str] = []
    for token in tokens[:_LONGEST]:
        if token.name in _PAUSES or not _is_spoken(token):
            break
        run.append(token.name)
    for size in range(len(run), 0, -1):
        parts = line_of(plain_symbol("".join(run[:size])), language)
        single = sum(map(is_letter, run[:size])) <= 1
        if parts and (single or parts[0].phone in {*VOWELS, "CH", "JH"}):
            break
    else:
        parts, size = parts_of(plain_symbol(run[0]), language), 1
    while size < len(run) and not is_letter(run[size]):
        size += 1
    return parts, size


def _part_starts(parts: Sequence[Part], tokens: Sequence[Token]) -> tuple[int, ...]:
    """Where each part but the first begins, if tokens end where parts do; else nothing."""
    ends = dict(zip(_lengths(token.name for token in tokens), tokens))
    lengths = list(_lengths(part.ipa for part in parts))[:-1]
    if not set(lengths) < set(ends):
        return ()
    return tuple(ends[length].middle for length in lengths)


def _lengths(names) -> accumulate:
    return accumulate(len(unicodedata.normalize("NFD", name)) for name in names)
