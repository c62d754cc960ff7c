from __future__ import annotations

import os

import pytest

from clips import BadInput, BadManifest, BadParams, VisemillError
from clips.errors import writing
from clips.files import (
    AGAIN,
    LONGEST_LINE,
    MOST_YAML,
    parse_json,
    read_json,
    read_lines,
    read_text,
    read_yaml,
)


def written(tmp_path, data: bytes):
    path = tmp_path / "x"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", [""]),
        (b"a\r\nb", ["a", "b"]),
        (b"\xef\xbb\xbfa\xc2\x85b\n", ["a\x85b", ""]),
        (b"a\n\xff\nb", ["a", None, "b"]),
        (b"a\n" + b"x" * (2 * LONGEST_LINE) + b"\nb", ["a", None, "b"]),
        (b"x" * LONGEST_LINE, [None]),
    ],
)
def test_lines_are_numbered_and_only_line_feeds_end_them(tmp_path, data, lines):
    assert list(read_lines(written(tmp_path, data))) == list(enumerate(lines, 1))


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none", tmp_path / "a\0b"):
        assert list(read_lines(path)) == [(1, None)]
        with pytest.raises(BadManifest, match="cannot be read as text"):
            read_text(path, BadManifest)


def test_a_text_is_read_up_to_its_limit(tmp_path):
    assert read_text(written(tmp_path, b"\xef\xbb\xbf12345"), most=8) == "12345"
    with pytest.raises(BadInput, match="more than 4 bytes"):
        read_text(written(tmp_path, b"12345"), most=4)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, '{"a":' * 100_000, "NaN", "[Infinity]", '"\\ud800"', "1" * 5000],
)
def test_json_that_is_none_is_one_kind_of_error(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_json_that_is_good_is_read():
    assert parse_json('{"a": [1, 1e3, "\\ud83d\\ude00", null]}') == {"a": [1, 1e3, "😀", None]}
    assert parse_json(b"[true]") == [True]


def test_a_json_file_is_read_or_its_fault_is_named(tmp_path):
    path = tmp_path / "a.json"
    for text, words in [(None, "cannot be read"), ("{", "is no JSON"), ("[1]", "holds no dict")]:
        if text:
            path.write_text(text)
        with pytest.raises(BadInput, match=words) as caught:
            read_json(path, dict)
        assert caught.value.where == str(path) and caught.value.remedy == AGAIN
    assert read_json(path, list) == [1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: !!python/object/apply:os.system [touch owned]", "could not determine a constructor"),
        ("a: &x [1]\nb: [*x, *x]", "aliases"),
        ("a: &x {b: *x}", "aliases"),
        ("a: " + "[" * 5000, "recursion"),
        ("a: " + "9" * 5000, "digits"),
        ("a: 2020-99-99", "month"),
        ('a: "\\uD800"', "surrogates"),
        ("a: !!binary x", "base64"),
        ("- a", "is not a mapping"),
        ("# " + "x" * MOST_YAML, "more than"),
    ],
)
def test_yaml_is_plain_values_without_aliases(tmp_path, text, words):
    with pytest.raises(BadParams, match=words) as caught:
        read_yaml(written(tmp_path, text.encode()))
    assert caught.value.remedy
    assert not os.path.exists("owned")


def test_messages_do_not_steer_the_terminal_and_do_not_fill_it():
    error = VisemillError("\x1b]0;x\x07\u202e \ud800\n", where="a\x00b", remedy="z" * 10_000)
    shown = str(error)
    assert shown.startswith("a\\x00b: \\x1b]0;x\\x07\\u202e \\ud800\n")
    assert len(shown) < 2100
    assert shown.encode()


def test_what_cannot_be_written_is_an_error_for_a_person(tmp_path):
    target = tmp_path / "nowhere" / "a.tsv"
    reason = r"a\.tsv: cannot be written \(No such file"
    with pytest.raises(BadInput, match=reason) as caught, writing(target):
        target.write_text("a")
    assert "-o" in caught.value.remedy
