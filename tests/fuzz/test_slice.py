"""A short slice of the fuzzing: the same inputs every time, a few of each parser."""

from __future__ import annotations

from itertools import count

from tests.fuzz.parsers import BROKEN, FAULTS, PARSERS
from tests.fuzz.run import make, run

EACH = 25


def test_a_few_hostile_inputs_of_every_parser_do_no_harm():
    inputs = [(name, number) for name in PARSERS for number in range(EACH)]
    assert list(run(inputs, seed=9)) == []


def test_an_input_depends_on_its_name_alone():
    for parser in PARSERS.values():
        assert make(parser, 9, 3) == make(parser, 9, 3)


def test_the_harness_sees_every_kind_of_fault_and_goes_on_behind_it():
    places = [next(n for n in count() if make(BROKEN, 9, n) == f.encode()) for f in FAULTS]
    found = {failure.index: failure.fault for failure in run(
        [(BROKEN.name, place) for place in places], seed=9, seconds=1.0
    )}  # fmt: skip
    assert list(found) == places
    for place, words in zip(places, FAULTS.values()):
        assert words in found[place]
