"""params.yaml: each stage's block becomes a frozen dataclass, and a mistake names its key."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from clips.errors import BadParams
from clips.files import read_yaml

T = TypeVar("T")

FILE = Path("params.yaml")


def load_params(block: str, kind: type[T], path: Path = FILE) -> T:
    """The block `block` of params.yaml as a `kind` (a frozen dataclass).

    Raises BadParams that names the key: unknown, missing, of the wrong type, or refused by the
    dataclass itself.
    """
    table = _read(path)
    if block not in table:
        raise BadParams(f"has no block `{block}`", where=str(path), remedy="add it")
    return build(kind, table[block], f"{path}: {block}")


def has_block(block: str, path: Path = FILE) -> bool:
    """Whether there is a params.yaml here, and `block` is in it."""
    return path.is_file() and block in _read(path)


def load_value(key: str, path: Path = FILE) -> Any:
    """A top-level value of params.yaml, such as `seed`."""
    table = _read(path)
    if key not in table:
        raise BadParams(f"has no key `{key}`", where=str(path), remedy="add it")
    return table[key]


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise BadParams(
            "does not exist", where=str(path), remedy="run the command in the project's folder"
        )
    return read_yaml(path)


def build(kind: type[T], value: Any, where: str) -> T:
    """A dataclass from a mapping, checked key by key; nested dataclasses, tuples and dicts too."""
    if not isinstance(value, Mapping):
        raise BadParams(
            f"is {value!r}, not a block", where=where, remedy="write `key: value` lines"
        )
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for key in value:
        if key not in known:
            raise BadParams(
                f"unknown key `{key}`", where=where, remedy=f"known keys: {', '.join(known)}"
            )
    arguments = {}
    for name, entry in known.items():
        if name in value:
            arguments[name] = _convert(hints[name], value[name], f"{where}.{name}")
        elif entry.default is MISSING and entry.default_factory is MISSING:
            raise BadParams(f"the key `{name}` is missing", where=where, remedy="add it")
    try:
        return kind(**arguments)
    except (ValueError, TypeError) as error:
        raise BadParams(str(error), where=where, remedy="mend the value") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if is_dataclass(hint):
        return build(hint, value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise BadParams(f"is {value!r}, not a list", where=where, remedy="write [a, b]")
        kinds = [arguments[0]] * len(value) if arguments[-1] is ... else arguments
        if len(kinds) != len(value):
            raise BadParams(f"needs {len(kinds)} values, not {len(value)}", where=where)
        return tuple(_convert(k, v, f"{where}[{n}]") for n, (k, v) in enumerate(zip(kinds, value)))
    if origin in (dict, Mapping) or hint is dict:
        if not isinstance(value, Mapping):
            raise BadParams(f"is {value!r}, not a block", where=where)
        if not arguments:
            return dict(value)
        return {
            _convert(arguments[0], key, f"{where} key {key!r}"): _convert(
                arguments[1], entry, f"{where}.{key}"
            )
            for key, entry in value.items()
        }
    wrong = isinstance(value, bool) != (hint is bool)
    if hint is float and isinstance(value, int | float) and not wrong:
        if not abs(value) <= sys.float_info.max:  # nan, inf, and integers beyond
            raise BadParams(f"is {value!r}, not a finite number", where=where, remedy="mend it")
        return float(value)
    if hint is Any or (isinstance(value, hint) and not wrong):
        return value
    raise BadParams(
        f"is {value!r}, but must be {getattr(hint, '__name__', hint)}",
        where=where,
        remedy="mend it",
    )
