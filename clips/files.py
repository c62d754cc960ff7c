"""Files from elsewhere, none of them trusted: whole texts, lines, JSON and YAML, within bounds.

What is no regular file is not opened (a pipe would wait for ever), and what is larger than any file
of its kind is not read.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import yaml

from clips.errors import BadInput, BadParams

T = TypeVar("T")

AGAIN = "delete it and run its stage again"
"""What mends a damaged file of the project's own."""

MOST_BYTES = 16 << 20
"""The largest text that is read whole: labels, cues, decisions. Parsed it takes up to 50 times as
much memory."""

LONGEST_LINE = 1 << 20
"""Bytes; tables may have any number of lines."""

MOST_YAML = 256 << 10
"""The largest YAML file, bytes: its parser reads about 130 KiB a second."""

_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # in JSON and YAML: perhaps half of a pair of surrogates


def open_regular(path: str | Path) -> BinaryIO:
    """The file `path`, open to be read. Raises OSError, also for what is no regular file, and
    ValueError for a name that no file can have."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError("it is no regular file")
    return open(path, "rb")


def read_text(path: str | Path, kind: type[BadInput] = BadInput, *, most: int = MOST_BYTES) -> str:
    """The text of a UTF-8 file, with or without a byte order mark, of up to `most` bytes.

    Raises an error of `kind` that names the file.
    """
    try:
        with open_regular(path) as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise OSError(f"it has more than {most} bytes")
        return data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise kind(
            f"cannot be read as text ({error})",
            where=str(path),
            remedy="check the path; it must be a text file in UTF-8",
        ) from error


def read_lines(path: str | Path) -> Iterator[tuple[int, str | None]]:
    """The numbered lines of a UTF-8 file, one at a time; only line feeds end a line.

    A line is None if it is not UTF-8 or longer than LONGEST_LINE; so is the only line of a file
    that cannot be read.
    """
    try:
        with open_regular(path) as file:
            data = file.readline(LONGEST_LINE).removeprefix(b"\xef\xbb\xbf")
            number, whole = 1, True
            while True:
                ended = data.endswith(b"\n") or len(data) < LONGEST_LINE
                if whole:
                    yield number, _decoded(data.removesuffix(b"\n")) if ended else None
                if not data.endswith(b"\n") and ended:
                    return
                number, whole = number + ended, ended
                data = file.readline(LONGEST_LINE)
    except (OSError, ValueError):
        yield 1, None


def _decoded(line: bytes) -> str | None:
    try:
        return line.removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        return None


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says. Raises ValueError for everything that is wrong with it: also nesting
    that is too deep, NaN and infinite numbers, and halves of characters, which no file can hold."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if _HALF.search(text if isinstance(text, str) else text.decode(errors="replace")):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def read_json(path: str | Path, kind: type[T], *, remedy: str = AGAIN) -> T:
    """What a JSON file of the project's own says: a `kind` (dict or list).

    Raises BadInput that names the file if it is missing, damaged or says something else.
    """
    try:
        value = parse_json(read_text(path))
    except (BadInput, ValueError) as error:
        what = error.what if isinstance(error, BadInput) else f"is no JSON ({error})"
        raise BadInput(what, where=str(path), remedy=remedy) from error
    if not isinstance(value, kind):
        raise BadInput(f"holds no {kind.__name__}", where=str(path), remedy=remedy)
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping; BadParams names the file (and line) if it does not.

    Aliases are refused: a few lines of them stand for more text than any machine holds.
    """
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise BadParams("does not exist", where=str(path), remedy=f"there are: {known}")
    text = read_text(path, BadParams, most=MOST_YAML)
    try:
        table = yaml.load(text, _Loader)  # a SafeLoader: no tag makes anything but plain values
        if _HALF.search(text):
            json.dumps(table, ensure_ascii=False, skipkeys=True, default=str).encode()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise BadParams(
            f"cannot be read as YAML ({' '.join(str(error).split())})",
            where=str(path),
            remedy="mend that line",
        ) from error
    if not isinstance(table, dict):
        raise BadParams("is not a mapping", where=str(path), remedy="write `key: value` lines")
    return table


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read", mark)
        return super().compose_node(parent, index)
