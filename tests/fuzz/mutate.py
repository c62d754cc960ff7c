"""Good inputs turned into hostile ones: bytes, numbers, lines, trees and archives."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any

import yaml

NUMBERS = (
    "0", "-1", "-0.0", "1e-320", "nan", "inf", "-inf", "1e308", "-1e308", "1e15", "1e999999999",
    "999999999999", "9" * 400, "9" * 5000, "2147483648", "18446744073709551616", "1/0", "1_000",
    "٣", "²", "0x10", "1,5", "", "1:2:3:4:5", "2020-99-99", "1e1000000", "4294967295",
)  # fmt: skip
"""Numbers, and what looks like them, that break arithmetic."""

STRINGS = (
    "", "\x00", "\x1b]0;x\x07\x1b[2J", "\u202egnp.exe", "\ufeff", "\u2028", "\x85", "а", "é",
    "e\u0301", "../../../../etc/passwd", "/etc/passwd", "..\\..\\x", "C:\\x", "~/x", "file:///x",
    "-o/tmp/owned", "--help", "$(touch owned)", "`touch owned`", "; touch owned", "| touch owned",
    "\r\n", "\t", '"', "'", "\\", "%s%n", "{0}", "{utt}", "<!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "&lol;", "*a", "&a [*a, *a]", "!!python/object/apply:os.system [touch owned]", "\ud800",
    "[" * 5000, '{"a":' * 5000, "(" * 3000, "(a+)+$", "**/" * 8, "x" * 70000, "nan", "null", "con",
    "\U000e0001", "\u0000.wav", "a" * 300, "<script>alert(1)</script>", "!!binary x", "? [a]",
)  # fmt: skip
"""Text that leads out, is run, steers a terminal, or breaks a reader."""

LENGTHS = (0, 1, 2, 3, 15, 127, 128, 255, 256, 1000, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0xFFFFFF,
           0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def mutated(rng: Random, data: bytes, others: Sequence[bytes], *, text: bool) -> bytes:
    """`data` after one to four changes; `others` are good inputs to splice in."""
    changes = _TEXT if text else _BINARY
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        data = rng.choice(changes)(rng, data, others)
    return data[: 1 << 22]


def tree(rng: Random, value: Any) -> Any:
    """A copy of what JSON or YAML can say, with one to three places changed."""
    value = {"": deepcopy(value)}
    for _ in range(rng.choice((1, 1, 2, 3))):
        box = value
        key: Any = ""
        while isinstance(box[key], dict | list) and box[key] and rng.random() < 0.8:
            box = box[key]
            key = rng.choice(list(box)) if isinstance(box, dict) else rng.randrange(len(box))
        what = rng.randrange(4)
        if what == 0 and isinstance(box, list):
            box.insert(key, deepcopy(rng.choice(box)))
        elif what == 1 and key != "":
            del box[key]
        elif what == 2 and isinstance(box, dict) and key != "":
            box[rng.choice(STRINGS)] = box[key]
        else:
            box[key] = hostile(rng)
        if "" not in value:
            return None
    return value[""]


def hostile(rng: Random) -> Any:
    """A value that no reader expects."""
    return rng.choice(
        (None, True, [], {}, -1, 0, 10**400, 2**63, 1.5, float("nan"), float("inf"), 1e300, [[]],
         {"a": []}, [None], ["a", 1], "1", rng.choice(STRINGS), rng.choice(NUMBERS))
    )  # fmt: skip


def as_json(rng: Random, data: bytes) -> bytes:
    """A JSON text with a changed tree."""
    return _dump(json.dumps, tree(rng, json.loads(data)), ensure_ascii=rng.random() < 0.5)


def as_yaml(rng: Random, data: bytes) -> bytes:
    """A YAML text with a changed tree."""
    return _dump(yaml.safe_dump, tree(rng, _parsed(data)), allow_unicode=True)


@cache
def _parsed(data: bytes) -> Any:
    return yaml.safe_load(data)


def _dump(dump: Callable[..., str], value: Any, **options: Any) -> bytes:
    try:
        return dump(value, **options).encode("utf-8", "surrogatepass")
    except ValueError:  # an integer too long to be written
        return repr(type(value)).encode()


def _place(rng: Random, data: bytes) -> int:
    # headers are short and matter most
    return rng.randrange(min(len(data), rng.choice((64, 512, 1 << 22))) + 1)


def _flip(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 32))):
        if changed:
            changed[min(_place(rng, data), len(data) - 1)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return data[: _place(rng, data)]


def _drop(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    return data[:at] + data[at + rng.choice((1, 2, 4, 16, 256)) :]


def _repeat(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    piece = data[at : at + rng.choice((1, 4, 64, 1024))]
    return data[:at] + piece * rng.choice((2, 3, 100)) + data[at:]


def _length(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    size = rng.choice((1, 2, 4, 4, 8))
    value = rng.choice((*LENGTHS, len(data), len(data) + 1)) % (1 << 8 * size)
    at = _place(rng, data)
    order = rng.choice(("little", "big"))
    return data[:at] + value.to_bytes(size, order) + data[at + size :]


def _splice(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    return data[: _place(rng, data)] + other[_place(rng, other) :]


def _insert(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    return data[:at] + rng.choice(STRINGS).encode("utf-8", "surrogatepass") + data[at:]


def _number(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    places = list(_NUMBER.finditer(data))
    if not places:
        return _insert(rng, data, others)
    place = rng.choice(places)
    return data[: place.start()] + rng.choice(NUMBERS).encode() + data[place.end() :]


def _cell(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    mark = rng.choice((b"\n", b"\t", b" ", b",", b'"', b"/"))
    cells = data.split(mark)
    cells[rng.randrange(len(cells))] = rng.choice(STRINGS).encode("utf-8", "surrogatepass")
    return mark.join(cells)


def _lines(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(3)
    if what == 0:
        lines[one], lines[two] = lines[two], lines[one]
    elif what == 1:
        lines.insert(one, lines[two])
    else:
        lines = lines[: one + 1] + lines[two:]
    return b"\n".join(lines)


def _encoding(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")))


_BINARY = (_flip, _flip, _flip, _cut, _drop, _repeat, _length, _length, _length, _splice)
_TEXT = (_flip, _cut, _drop, _repeat, _splice, _insert, _insert, _number, _number, _number, _cell,
         _cell, _lines, _encoding)  # fmt: skip
