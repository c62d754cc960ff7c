"""Cohen's kappa against worked examples and its own definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_ui.agreement import kappa

VERDICTS = st.sampled_from(["approve", "reject", "fix"])


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}, 0.4),
        ({("y", "y"): 45, ("y", "n"): 15, ("n", "y"): 25, ("n", "n"): 15}, 0.1304),
        ({("y", "n"): 5, ("n", "y"): 5}, -1.0),
        ({("y", "y"): 3}, 1.0),
    ],
)
def test_worked_examples(table, expected):
    pairs = [pair for pair, count in table.items() for _ in range(count)]
    assert kappa(pairs) == pytest.approx(expected, abs=5e-5)


def test_without_pairs_there_is_none():
    assert kappa([]) is None


@given(st.lists(st.tuples(VERDICTS, VERDICTS), min_size=1))
def test_it_is_symmetric_and_one_only_in_full_agreement(pairs):
    value = kappa(pairs)
    assert -1 <= value <= 1
    assert value == pytest.approx(kappa([(b, a) for a, b in pairs]))
    assert (value == 1) == all(a == b for a, b in pairs)
