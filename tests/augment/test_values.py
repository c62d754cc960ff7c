from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from augment.values import Checked, build, number, numbers, one_of, some_of, span, text, whole
from clips import BadParams


@dataclass(frozen=True, slots=True)
class Example(Checked):
    half: float = number(0, 1, 0.5)
    count: int = whole(1, 9, 3)
    reach: tuple[float, float] = span(-10, 10, -1, 1)
    kinds: tuple[str, ...] = some_of(("a", "b"), ("a", "b"))
    name: str = text("x")


@dataclass(frozen=True, slots=True)
class Needed(Checked):
    kind: str = one_of(("a", "b"))
    many: tuple[float, ...] = numbers(0, 5, 2)


def test_values_are_kept_in_one_form():
    built = build(Example, {"half": 1, "reach": [0, 2], "kinds": ["b"]}, "it")
    assert built == Example(1.0, 3, (0.0, 2.0), ("b",), "x")
    assert type(built.half) is float
    assert build(Needed, {"kind": "a", "many": [1, 2]}, "it").many == (1.0, 2.0)


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (Example, {"half": 2}, "half is 2"),
        (Example, {"half": "1"}, "half is '1', not a number"),
        (Example, {"half": True}, "half"),
        (Example, {"half": float("nan")}, "half"),
        (Example, {"count": 2.0}, "count"),
        (Example, {"count": 10}, "1..9"),
        (Example, {"reach": [1, 0]}, "reach is 1..0"),
        (Example, {"reach": [0, 11]}, "-10..10"),
        (Example, {"reach": 3}, "reach"),
        (Example, {"reach": [0, 1, 2]}, "reach"),
        (Example, {"kinds": []}, "kinds"),
        (Example, {"kinds": "a"}, "kinds"),
        (Example, {"kinds": ["c"]}, "kinds has 'c'"),
        (Example, {"name": ""}, "name"),
        (Example, {"nmae": "x"}, "it has no setting 'nmae'.*known settings: half"),
        (Needed, {"many": [1, 2]}, "it lacks 'kind'"),
        (Needed, {"kind": "c", "many": [1, 2]}, "kind is 'c'"),
        (Needed, {"kind": "a", "many": [1]}, "many"),
        (Needed, {"kind": "a", "many": [1, 6]}, "many holds 6"),
        (Needed, {"kind": "a", "many": [1, None]}, "many holds None"),
    ],
)
def test_a_mistake_names_its_key(kind: Any, values: dict, said: str):
    with pytest.raises(BadParams, match=said):
        build(kind, values, "it")
