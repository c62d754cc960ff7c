from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from align.text import spoken_words
from clips import BadText


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", "hello world"),
        ("Don’t go – it's John's", "don't go it's john's"),
        ("‘quoted’ 'single' \"double\"", "quoted single double"),
        ("the boys' well-known café", "the boys well known cafe"),
        ("rock 'n' roll, e.g. U.S.", "rock n roll e g u s"),
        ("Room 7.", "room seven"),
        ("12 of 1,250", "twelve of one thousand two hundred fifty"),
        ("20-year-old", "twenty year old"),
        ("bread & butter, 50%", "bread and butter fifty percent"),
        ("YES…no", "yes no"),
        ("20—or 21", "twenty or twenty one"),
    ],
)
def test_a_text_becomes_the_words_that_are_said(text, words):
    assert spoken_words(text) == words.split()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("it costs 1.5", "1.5"),
        ("the 3rd man", "3rd"),
        ("at 10:30", "10:30"),
        ("2000000 people", "2000000"),
        ("agent 007", "007"),
        ("$5", r"\$"),
        ("привет", "п"),
        ("größe ß", "ß"),
        ("...", "no words"),
        ("", "no words"),
    ],
)
def test_what_cannot_be_read_is_refused_and_shown(text, shown):
    with pytest.raises(BadText, match=shown):
        spoken_words(text)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (101, "one hundred one"),
        (999_999, "nine hundred ninety nine thousand nine hundred ninety nine"),
    ],
)
def test_whole_numbers_are_read_out(number, words):
    assert spoken_words(f"{number}") == spoken_words(f"{number:,}") == words.split()


@given(st.text(max_size=40))
def test_any_text_gives_plain_words_or_a_bad_text(text):
    try:
        words = spoken_words(text)
    except BadText:
        return
    assert words
    assert all(re.fullmatch(r"[a-z]+(?:'+[a-z]+)*", word) for word in words)
    assert spoken_words(" ".join(words)) == words
