"""The grammar, texts from files, and the choice of sentences."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from clips import BadParams, BadText
from clips.arpabet import ARPABET
from synth.espeak import phones_of
from synth.grammar import generate
from synth.prompts import make_prompt, read_sentences, select

LIPS = {"P": "M", "B": "M", "M": "M", "F": "F", "V": "F", "W": "Woo", "UW": "Woo", "OW": "Oh"}
SHAPES = {phone: LIPS.get(phone, "Uh") for phone in ARPABET} | {
    "SIL": "X", "OY": ("Oh", "Ee"), "AY": ["Ah", "Ee"],
}  # fmt: skip


def letters(text: str) -> list[str]:
    """A toy pronunciation: single letters that are phones."""
    return [c for c in text.upper() if c in ARPABET]


def test_the_grammar_gives_different_whole_sentences():
    sentences = generate(2000, 1)
    assert len(set(sentences)) == 2000 and generate(50, 1) == sentences[:50]
    assert generate(50, 2) != sentences[:50]
    for sentence in sentences:
        assert 4 <= len(sentence.split()) <= 14
        assert sentence[0].isupper() and sentence[-1] in ".?!"
        assert "{" not in sentence and "_" not in sentence and "  " not in sentence
    starts = Counter(sentence.split()[0] for sentence in sentences)
    assert len(starts) > 150 and max(starts.values()) < 200
    assert {s[-1] for s in sentences} == {".", "?", "!"}
    assert not any(" a apple" in s or " a old" in s or " an uni" in s for s in sentences)


def test_the_grammar_covers_nearly_all_english_diphones():
    """English has about 1,250 of the 1,600 pairs even across words; rare vowels lack the rest.

    These 800 sentences hold 1,070 of them, 2,000 hold 1,161.
    """
    heard = set()
    phones = set()
    for sentence in generate(800, 3):
        mine = ["SIL", *phones_of(sentence), "SIL"]
        phones |= set(mine)
        heard |= set(itertools.pairwise(mine))
    assert phones == ARPABET | {"SIL"}
    assert len(heard) > 1040


def test_a_grammar_that_cannot_give_enough_says_so():
    with pytest.raises(BadParams, match="gives only"):
        generate(5, 1, min_words=60, max_words=60)


def test_a_text_file_is_read_and_bad_lines_are_reported(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(
        "\ufeffThe first sentence runs\nover two lines. The second one? Yes.\n\n".encode()
        + b"broken \xff bytes here\n"
        + "Это не по-английски, совсем.\n\na \x07 bell rings\n".encode()
        + b"The second one?\n"
        + b"word " * 30 + b".\n"
    )  # fmt: skip
    sentences, bad = read_sentences(path)
    assert sentences == ["The first sentence runs over two lines.", "The second one?"]
    reasons = {(line.where.rsplit(":", 1)[1], line.reason.split(" ")[0]) for line in bad}
    assert ("4", "is") in reasons  # not UTF-8
    assert ("5", "holds") in reasons  # another script
    assert ("7", "holds") in reasons  # a control character
    assert any("words" in line.reason for line in bad)
    assert all(line.where.startswith(str(path)) for line in bad)
    with pytest.raises(BadText, match="cannot be read"):
        read_sentences(tmp_path / "missing.txt")


def test_the_rare_pair_is_chosen_first_and_repeats_last():
    texts = ["K T K T", "K T K T.", "K T K", "P B F V W"]
    chosen = select(texts, 2, phonemize=letters, viseme_of=SHAPES)
    assert "P B F V W" in [prompt.text for prompt in chosen.prompts]
    everything = select(texts, 99, phonemize=letters, viseme_of=SHAPES)
    assert len(everything.prompts) == 3  # the same words twice are one sentence


def test_the_choice_covers_more_and_more_evenly_than_chance():
    texts = generate(800, 4)
    cache = {text: phones_of(text) for text in texts}
    result = select(texts, 60, phonemize=cache.__getitem__, viseme_of=SHAPES)
    for cover, chance in zip(result.coverage.chosen, result.coverage.baseline):
        assert cover.covered >= chance.covered
        assert cover.evenness > chance.evenness
        assert 0 < cover.covered <= cover.possible
    assert result.coverage.chosen[0].covered > result.coverage.baseline[0].covered * 1.1
    assert "diphones" in result.coverage.table()
    again = select(reversed(texts), 60, phonemize=cache.__getitem__, viseme_of=SHAPES)
    assert again.prompts == result.prompts  # the order of the candidates does not matter
    fewer = select(texts, 20, phonemize=cache.__getitem__, viseme_of=SHAPES)
    assert fewer.prompts == result.prompts[:20]


def test_the_lazy_choice_is_the_greedy_choice():
    texts = generate(60, 6)
    viseme_of = {phone: phone for phone in SHAPES}
    result = select(texts, 8, phonemize=phones_of, viseme_of=viseme_of)
    counts: Counter = Counter()
    prompts = {make_prompt(text, "en", 0.1, 0.05) for text in texts}
    units = {}
    for prompt in prompts:
        phones = ["SIL", *phones_of(prompt.text), "SIL"]
        pairs = list(itertools.pairwise(phones))
        units[prompt] = [("d", p) for p in pairs] + [("v", p) for p in pairs if p[0] != p[1]]
    for chosen in result.prompts:
        gains = {p: sum(1 / (1 + counts[u]) for u in units[p]) / len(units[p]) for p in prompts}
        best = max(gains.values())
        assert gains[chosen] == pytest.approx(best, rel=1e-9)
        counts.update(units[chosen])
        prompts.remove(chosen)


def test_prompts_have_stable_names_and_parts():
    prompt = make_prompt("A boy hums.", "en", 0.1, 0.05)
    assert prompt == make_prompt("A boy hums.", "en", 0.1, 0.05)
    assert prompt.prompt_id.startswith("en-") and prompt.split in ("train", "valid", "test")
    assert prompt.prompt_id != make_prompt("A boy hums.", "de", 0.1, 0.05).prompt_id
    parts = Counter(make_prompt(text, "en", 0.3, 0.2).split for text in generate(400, 2))
    assert parts["test"] > 80 and parts["valid"] > 50 and parts["train"] > 150


def test_unspeakable_candidates_are_listed_and_a_missing_shape_is_an_error():
    result = select(["K T", "привет"], 5, phonemize=letters, viseme_of=SHAPES)
    assert len(result.prompts) == 1
    assert result.left_out[0].where == "candidate 2" and "script" in result.left_out[0].reason
    with pytest.raises(BadParams, match="'K'"):
        select(["K T"], 5, phonemize=letters, viseme_of={"SIL": "X"})
    with pytest.raises(BadText, match="no candidate"):
        select(["..."], 5, phonemize=letters, viseme_of=SHAPES)
