"""Settings and parameters that are checked when they are built; a mistake names its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, field, fields
from typing import Any, TypeVar

from clips import BadParams

T = TypeVar("T")

Check = Callable[[str, Any], Any]
"""Takes a key and its value, gives the value as it is kept; raises BadParams that names the key."""


class Checked:
    """Base of frozen dataclasses whose fields were made by the functions below."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for entry in fields(self):  # type: ignore[arg-type]
            value = entry.metadata["check"](entry.name, getattr(self, entry.name))
            object.__setattr__(self, entry.name, value)


def build(kind: type[T], values: Mapping[str, Any], who: str) -> T:
    """A `kind` from a mapping; `who` says whose keys they are.

    Raises BadParams that names a key which is unknown, missing or refused.
    """
    known = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise BadParams(
                f"{who} has no setting {key!r}", remedy=f"known settings: {', '.join(known)}"
            )
    for key, entry in known.items():
        if key not in values and entry.default is MISSING:
            raise BadParams(f"{who} lacks {key!r}", remedy="add it")
    return kind(**values)


def number(least: float, most: float, default: Any = MISSING) -> Any:
    """A field that holds a number within `least`..`most`, kept as float."""

    def check(key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadParams(f"{key} is {value!r}, not a number", remedy="write a number")
        if not least <= value <= most:  # not a number (nan) fails here too
            raise BadParams(f"{key} is {value!r}", remedy=f"keep it in {least:g}..{most:g}")
        return float(value)  # so that 1 and 1.0 give the same bytes

    return _field(check, default)


def whole(least: int, most: int, default: Any = MISSING) -> Any:
    """A field that holds a whole number within `least`..`most`."""

    def check(key: str, value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise BadParams(
                f"{key} is {value!r}", remedy=f"write a whole number in {least}..{most}"
            )
        return value

    return _field(check, default)


def span(least: float, most: float, low: float, high: float) -> Any:
    """A field that holds a range [lowest, highest] within `least`..`most`; unsaid: low, high."""

    def check(key: str, value: Any) -> tuple[float, float]:
        try:
            first, last = (float(one) for one in value)
        except (TypeError, ValueError) as error:
            raise BadParams(
                f"{key} is {value!r}, not two numbers", remedy="write [lowest, highest]"
            ) from error
        if not least <= first <= last <= most:
            raise BadParams(
                f"{key} is {first:g}..{last:g}",
                remedy=f"keep lowest ≤ highest, both within {least:g}..{most:g}",
            )
        return first, last

    return _field(check, (low, high))


def numbers(least: float, most: float, count: int) -> Any:
    """A field that holds `count` numbers within `least`..`most`, kept as a tuple of floats."""

    def check(key: str, value: Any) -> tuple[float, ...]:
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != count:
            raise BadParams(f"{key} is {value!r}, not {count} numbers", remedy="write them all")
        for one in value:
            if isinstance(one, bool) or not isinstance(one, int | float):
                raise BadParams(f"{key} holds {one!r}, not a number", remedy="write numbers")
            if not least <= one <= most:
                raise BadParams(f"{key} holds {one!r}", remedy=f"keep it in {least:g}..{most:g}")
        return tuple(float(one) for one in value)

    return _field(check, MISSING)


def one_of(choices: Sequence[str]) -> Any:
    """A field that holds one of `choices`."""

    def check(key: str, value: Any) -> str:
        if value not in choices:
            raise BadParams(f"{key} is {value!r}", remedy=f"choose one of: {', '.join(choices)}")
        return value

    return _field(check, MISSING)


def some_of(choices: Sequence[str], default: tuple[str, ...]) -> Any:
    """A field that holds one or more of `choices`, kept as a tuple."""

    def check(key: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, Sequence) or not value:
            raise BadParams(f"{key} is {value!r}, not a list", remedy=f"[{', '.join(choices)}]")
        for one in value:
            if one not in choices:
                raise BadParams(f"{key} has {one!r}", remedy=f"choose of: {', '.join(choices)}")
        return tuple(value)

    return _field(check, default)


def text(default: Any = MISSING) -> Any:
    """A field that holds a text which is not empty."""

    def check(key: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise BadParams(f"{key} is {value!r}, not a text", remedy="write a text")
        return value

    return _field(check, default)


def checked_by(check: Check) -> Any:
    """A field with a check of its own."""
    return _field(check, MISSING)


def _field(check: Check, default: Any) -> Any:
    return field(default=default, metadata={"check": check})
