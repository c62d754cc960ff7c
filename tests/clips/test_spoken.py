"""Numbers in words, and the plain forms of typographic marks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import BadText
from clips.spoken import MARKS, number_language, number_words

ONES = "zero one two three four five six seven eight nine".split()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (101, "one hundred one"),
        (1000, "one thousand"),
        (999_999, "nine hundred ninety-nine thousand nine hundred ninety-nine"),
    ],
)
def test_english_numbers_are_american(number, words):
    assert number_words(number) == words


@given(st.integers(0, 999_999_999))
def test_different_numbers_have_different_words(number):
    words = number_words(number)
    assert words != number_words(number + 1)
    assert all(word.isalpha() for word in words.replace("-", " ").split())
    if number % 100 in range(1, 10):
        assert words.split()[-1] == ONES[number % 10]


def test_kinds_and_languages():
    assert number_words(1905, kind="year") == "nineteen oh-five"
    assert number_words(12, kind="ordinal") == "twelfth"
    assert number_words(22, "de") == "zweiundzwanzig"
    assert number_words(17, "pt-br") != number_words(17, "pt")
    assert number_language("xx") is None
    with pytest.raises(BadText, match="not read"):
        number_words(5, "ru")


def test_marks_become_ascii():
    for plain in MARKS.values():
        assert plain is None or plain.isascii()
    assert "‘a’ «b» c—d…".translate(MARKS) == "'a' \"b\" c - d..."


def test_the_library_is_loaded_only_where_a_number_is_said():
    code = "import sys, clips.spoken; sys.exit('num2words' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
    )
