"""Texts: one plain form, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import BadText
from synth import clean_text, split_sentences


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("  two   words\n here ", "two words here"),
        ("‘quoted’ “text”", "'quoted' \"text\""),
        ("wait—what…", "wait - what..."),
        ("soft\u00adware zero\u200bwidth", "software zerowidth"),
        ("cafe\u0301", "café"),
        ("no\u00a0break", "no break"),
    ],
)
def test_marks_become_plain(raw, plain):
    assert clean_text(raw) == plain


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("", "no letters"),
        ("?!", "no letters"),
        ("1984", "no letters"),
        ("a\x00b", "U\\+0000"),
        ("a\x1b[31mb", "U\\+001B"),
        ("мир", "another script"),
        ("world мир", "another script"),
        ("日本", "another script"),
        ("smile ☺", "symbol"),
        ("<b>bold</b>", "symbol"),
        ("x" * 401, "401 characters"),
    ],
)
def test_what_cannot_be_spoken_as_it_stands_is_refused(raw, why):
    with pytest.raises(BadText, match=why) as caught:
        clean_text(raw)
    assert caught.value.where and caught.value.remedy


@given(st.text(max_size=80))
def test_cleaning_twice_changes_nothing(raw):
    try:
        once = clean_text(raw)
    except BadText:
        return
    assert clean_text(once) == once and once == once.strip() and "\n" not in once


def test_sentences_end_where_they_end():
    assert split_sentences('He said "No!" Then he left. Mr. J. Pym, 3.5 years old, stayed.') == [
        'He said "No!"',
        "Then he left.",
        "Mr. J. Pym, 3.5 years old, stayed.",
    ]
    assert split_sentences("") == []
    assert split_sentences("no end") == ["no end"]
    assert split_sentences("Signed, Dr.") == ["Signed, Dr."]
