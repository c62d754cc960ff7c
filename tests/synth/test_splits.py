"""Parts of the data: by speaker and by sentence, for ever."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import SPLITS, BadParams
from clips.splits import clip_split, plain_words, sentence_split, speaker_split

PARTS = ("train", "valid", "test")


def test_no_held_out_voice_or_sentence_is_in_train():
    for speaker, sentence in product(PARTS, PARTS):
        part = clip_split(speaker, sentence)
        assert part in SPLITS and part
        if part == "train":
            assert speaker == sentence == "train"
        if part == "test":
            assert speaker == sentence == "test"
        if part == "valid":
            assert speaker == "valid" and sentence != "test"


@given(st.text(max_size=40), st.floats(0, 0.4), st.floats(0, 0.4))
def test_case_and_punctuation_do_not_move_a_sentence(text, test, valid):
    part = sentence_split(text, test, valid)
    assert part in PARTS
    assert sentence_split(f"  {text} !", test, valid) == part


def test_shares_are_about_what_was_asked():
    parts = [sentence_split(f"sentence number {n}", 0.1, 0.05) for n in range(4000)]
    assert 0.08 < parts.count("test") / 4000 < 0.12
    assert 0.035 < parts.count("valid") / 4000 < 0.065


def test_more_test_never_moves_a_test_speaker_out():
    names = [f"speaker {n}" for n in range(300)]
    few = {n for n in names if speaker_split(n, 0.1, 0.1) == "test"}
    many = {n for n in names if speaker_split(n, 0.3, 0.1) == "test"}
    assert few < many


def test_a_speaker_and_a_sentence_of_one_name_are_decided_apart():
    pairs = {(speaker_split(f"x{n}", 0.5, 0), sentence_split(f"x{n}", 0.5, 0)) for n in range(60)}
    assert len(pairs) == 4


@pytest.mark.parametrize(("test", "valid"), [(0.6, 0.5), (-0.1, 0.1), (1.0, 0.0)])
def test_shares_that_leave_nothing_are_refused(test, valid):
    with pytest.raises(BadParams, match="nothing for train"):
        sentence_split("a", test, valid)


def test_plain_words_of_other_languages_stay():
    assert plain_words("Füße — ÄRGER?") == "füsse ärger"
