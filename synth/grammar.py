"""Sentences of our own: a small English grammar over the words of synth/lexicon.yaml.

Subjects agree with their verbs because verbs stand in the past or after a modal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from clips import BadParams, draw_stream

LEXICON = Path(__file__).with_name("lexicon.yaml")

_SLOT = re.compile(r"\{(\w+)\}")
_DEPTH = 12


def generate(count: int, seed: int, *, min_words: int = 4, max_words: int = 14) -> list[str]:
    """`count` different sentences of `min_words` to `max_words` words; the same for the same seed.

    Raises BadParams if the grammar cannot give so many.
    """
    table = _read()
    rng = draw_stream(seed, "grammar", "")
    found: dict[str, None] = {}
    for _ in range(count * 20 + 100):
        if len(found) == count:
            return list(found)
        sentence = _finish(_expand("sentence", table, rng, 0))
        twice = re.search(r"\b(\w+) and \1\b", sentence)
        if not twice and min_words <= len(sentence.split()) <= max_words:
            found[sentence] = None
    if len(found) < count:
        raise BadParams(
            f"the grammar gives only {len(found)} of {count} sentences of"
            f" {min_words}-{max_words} words",
            where=str(LEXICON),
            remedy="ask for fewer, or allow more words",
        )
    return list(found)


@cache
def _read() -> Mapping[str, Sequence[str]]:
    content = yaml.safe_load(LEXICON.read_text("utf-8"))
    table = {
        **content["rules"],
        **{name: words.split() for name, words in content["words"].items()},
        **content["phrases"],
    }
    for name, choices in table.items():
        for choice in choices:
            for slot in _SLOT.findall(choice):
                if slot not in table:
                    raise BadParams(
                        f"the rule {name} names {slot!r}, which is nowhere",
                        where=str(LEXICON),
                        remedy="add the rule or mend the name",
                    )
    return table


def _expand(name: str, table: Mapping[str, Sequence[str]], rng: np.random.Generator, depth: int):
    if depth > _DEPTH:
        raise BadParams(f"the rule {name} never ends", where=str(LEXICON), remedy="mend it")
    choices = table[name]
    choice = choices[int(rng.integers(len(choices)))]
    return _SLOT.sub(lambda slot: _expand(slot.group(1), table, rng, depth + 1), choice)


def _finish(text: str) -> str:
    """Spaces, a / an by the sound that follows, and a capital."""
    text = " ".join(text.replace("_", " ").split())
    text = re.sub(r"\s+([,.?!])", r"\1", text)
    text = re.sub(r"\b(a|A) (?=(?!use|uni|eu|one)[aeiou]|hour|honest)", r"\1n ", text)
    return text[0].upper() + text[1:]
