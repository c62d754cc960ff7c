"""Which part (train, valid, test) a clip belongs to, decided by its speaker and its sentence.

Both decisions are hashes of a name alone: they hold for ever, whatever else is in the data.

>>> clip_split("train", "train"), clip_split("test", "test"), clip_split("test", "train")
('train', 'test', 'unused')
"""

from __future__ import annotations

import re
import unicodedata

from clips.errors import BadParams
from clips.randomness import unit_hash

_NOT_WORDS = re.compile(r"[^\w']+|_")


def plain_words(text: str) -> str:
    """The words of `text` in lower case, without punctuation: what makes two sentences the same.

    >>> plain_words("Well — it's HERE!") == plain_words("well, it’s here")
    True
    """
    text = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    return " ".join(_NOT_WORDS.sub(" ", text).split())


def sentence_split(text: str, test: float, valid: float) -> str:
    """The part of a sentence: "test", "valid" or "train"; case and punctuation do not matter.

    `test` and `valid` are shares in 0..1. Raises BadParams if they leave nothing for train.
    """
    return _part(f"sentence\x1f{plain_words(text)}", test, valid)


def speaker_split(speaker: str, test: float, valid: float) -> str:
    """The part of a speaker: "test", "valid" or "train". Shares and errors as above."""
    return _part(f"speaker\x1f{speaker}", test, valid)


def clip_split(speaker_part: str, sentence_part: str) -> str:
    """The part of a clip, from its speaker's and its sentence's.

    train: both are train. test: both are test, so neither was ever heard in training.
    valid: the speaker is valid and the sentence is valid or train; validation asks for new voices,
    and with the sentence held out as well it would be too small to measure.
    All other pairs are "unused": they would carry held-out voices or sentences into training.
    """
    if speaker_part == sentence_part and speaker_part in ("train", "test"):
        return speaker_part
    if speaker_part == "valid" and sentence_part in ("train", "valid"):
        return "valid"
    return "unused"


def _part(name: str, test: float, valid: float) -> str:
    if not (test >= 0 and valid >= 0 and test + valid < 1):
        raise BadParams(
            f"shares of {test:g} for test and {valid:g} for valid leave nothing for train",
            where="splits",
            remedy="choose shares between 0 and 1 that sum to less than 1",
        )
    at = unit_hash(name)
    return "test" if at < test else "valid" if at < test + valid else "train"
