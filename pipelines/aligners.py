"""Aligners with what they need from other rooms: pronunciations from espeak-ng, trained models."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

from align import Aligner, find_aligner
from align.variants import SpokenWord
from clips import BadText
from pipelines.stage import DATA
from synth import find_engine, split_sentences
from synth.ipa import parts_of, plain_symbol

MODEL = DATA / "acoustic" / "model.npz"
"""The acoustic model that the stage `acoustic` trains."""


def ready_aligner(name: str, model: Path = MODEL, jobs: int = 1) -> Aligner:
    """A new aligner by its name, ready for clips. Raises BadParams that lists those there are.

    jobs: processes of one that aligns a corpus at once.
    """
    if name == "mfa":
        hear = find_aligner("pocketsphinx").hear
        return find_aligner(name, to_arpabet=to_arpabet, hear=hear, jobs=jobs)
    if name == "neural":
        return find_aligner(name, model=model, read=read_text)
    return find_aligner(name, pronounce=pronounce)


def to_arpabet(sign: str, language: str) -> list[tuple[str, str, float]]:
    """The phones of an IPA sign: (ARPAbet, its own IPA, share of the time). Raises BadParams."""
    return [(part.phone, part.ipa, part.share) for part in parts_of(plain_symbol(sign), language)]


@cache
def pronounce(word: str) -> list[str]:
    """The phones of an English word that no dictionary has, by espeak's rules."""
    return find_engine("espeak").phones_of(word)


ACCENTS = 2
"""Accents of a language whose pronunciations are tried: en-us and en-gb, pt and pt-br, ..."""


@lru_cache(10_000)
def read_text(text: str, language: str) -> tuple[SpokenWord, ...]:
    """The words of a text with the phones (ARPAbet, IPA) that espeak-ng says for them.

    It speaks the text (600 times faster than real time) since only then it says which word a sound
    belongs to, and with the pronunciation that the sentence asks for. A language without a country
    is read in several accents. Text without small letters is read as small letters: capitals would
    be spelled. Words that espeak-ng says as one ("of the") are read one by one.
    Raises BadText if it does not speak the language or the text.
    """
    if not any(character.islower() for character in text):
        text = text.lower()
    usual, *others = (_read(text, accent) for accent in _accents(language))
    names = [word.text for word in usual]
    same = [words for words in others if [word.text for word in words] == names]
    return tuple(
        replace(word, others=tuple(words[number].phones for words in same))
        for number, word in enumerate(usual)
    )


@cache
def _accents(language: str) -> tuple[str, ...]:
    """The accents of a language that are tried, or the one that it names."""
    engine = find_engine("espeak")
    code = language.lower().replace("_", "-")
    voices = engine.voices(code) or engine.voices(code.split("-")[0])
    if not voices:
        raise BadText(
            f"espeak-ng has no voice for the language {language!r}",
            remedy="set the clip's language to a code such as en, de or pt-br",
        )
    return tuple(dict.fromkeys(voice.language for voice in voices))[:ACCENTS]


def _read(text: str, accent: str) -> list[SpokenWord]:
    words_of = find_engine("espeak").words_of
    words: list[tuple] = []
    for sentence in split_sentences(text) or [text]:
        for word in words_of(sentence, accent):
            parts = word[0].split()
            if len(parts) > 1:
                words += [single for part in parts for single in words_of(part, accent)]
            else:
                words.append(word)
    return [SpokenWord(*word) for word in words]
