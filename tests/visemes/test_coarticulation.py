from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import Segment, find_faults
from clips.arpabet import ARPABET
from tests.visemes.tracks import laid_out
from visemes.inventory import inventory_names, load_inventory
from visemes.rules import Rules, to_visemes

INVENTORY = load_inventory("cherry12")
SWITCHES = "schwa_takes_neighbours weak_consonants_yield rounding_spreads static_stretches_move \
closures_begin_early minimum_hold".split()


def phones_of(text: str, length: int) -> list[Segment]:
    """Phones of equal length; equal neighbours stay apart."""
    return [Segment(p, n * length, (n + 1) * length) for n, p in enumerate(text.split())]


def shown(text: str, length: int = 800, ipa=(), **rules) -> str:
    """The visemes of phones of `length` samples each, as a readable line."""
    track = to_visemes(phones_of(text, length), INVENTORY, Rules(**rules), ipa)
    return " ".join(segment.label for segment in track)


def test_all_of_them_are_off_unless_asked_for():
    assert not any(getattr(Rules(), switch) for switch in SWITCHES)


@pytest.mark.parametrize(
    ("phones", "off", "on"),
    [
        ("S AH IY", "S Uh Ee", "S Ee"),
        ("UW AH L", "Woo Uh L", "Woo L"),
        ("P AH P", "M Uh M", "M Uh M"),
        ("SIL AH SIL", "Neutral Uh Neutral", "Neutral Uh Neutral"),
        ("AH", "Uh", "Uh"),
        ("S EH IY", "S Uh Ee", "S Uh Ee"),
    ],
)
def test_a_schwa_has_no_mouth_of_its_own(phones, off, on):
    assert shown(phones) == off
    assert shown(phones, schwa_takes_neighbours=True) == on


def test_a_schwa_is_known_by_its_ipa_else_by_its_length():
    def line(length, *ipa):
        return shown("S AH IY", length, ipa, schwa_takes_neighbours=True)

    assert line(960) == "S Ee" and line(961) == "S Uh Ee"
    assert line(5000, "s", "ə", "i") == "S Ee"
    assert line(800, "s", "ʌ", "i") == "S Uh Ee"


@pytest.mark.parametrize(
    ("phones", "off", "on"),
    [
        ("AA T IY", "Ah D Ee", "Ah Ee"),
        ("UW N SIL", "Woo D Neutral", "Woo Neutral"),
        ("AA S IY", "Ah S Ee", "Ah S Ee"),
        ("S T R", "S D R", "S D R"),
        ("T", "D", "D"),
    ],
)
def test_weak_consonants_yield_to_a_vowel(phones, off, on):
    assert shown(phones) == off
    assert shown(phones, weak_consonants_yield=True) == on
    assert shown(phones, 961, weak_consonants_yield=True) == off


def test_a_sound_with_a_line_of_its_own_does_not_yield():
    ipa = ["a", "ç", "i"]
    assert shown("AA HH IY", ipa=ipa, weak_consonants_yield=True) == "Ah D Ee"


@pytest.mark.parametrize(
    ("phones", "on"),
    [
        ("IY S T R UW", "Ee R Woo"),
        ("UW S T IY", "Woo R Ee"),
        ("AA P S UW", "Ah M R Woo"),
        ("IY S IY UW", "Ee S Ee Woo"),
        ("S SIL UW", "S Woo"),
        ("OW S IY", "Oh Woo R Ee"),
        ("OY S IY", "Oh Ee S Ee"),
        ("S W IY", "R Woo Ee"),
    ],
)
def test_rounding_spreads_over_consonants(phones, on):
    assert shown(phones, rounding_spreads=True) == on


@pytest.mark.parametrize(("seconds", "rounded"), [(0.15, 2400), (0.1501, 3600), (0.075, 1200)])
def test_rounding_reaches_only_so_far(seconds, rounded):
    rules = Rules(rounding_spreads=True, rounding_seconds=seconds)
    track = to_visemes(phones_of("S S S S UW", 1200), INVENTORY, rules)
    assert [(s.label, s.samples) for s in track] == [
        ("S", 4800 - rounded),
        ("R", rounded),
        ("Woo", 1200),
    ]


def test_static_stretches_move():
    assert shown("EH AE EH AE", 1000) == "Uh"
    assert shown("EH AE EH AE", 1300, static_stretches_move=True) == "Uh D Uh D"
    assert shown("EH AE EH AE", 1200, static_stretches_move=True) == "Uh", "not longer than 0.3 s"
    assert shown("EH", 9000, static_stretches_move=True) == "Uh", "one long sound"
    assert shown("HH EH", 6000, static_stretches_move=True) == "Uh", "h is part of its vowel"
    assert shown("P B M P", 2000, static_stretches_move=True) == "M"


def test_closures_begin_early():
    track = to_visemes(phones_of("AA P IY F", 800), INVENTORY, Rules(closures_begin_early=True))
    assert track == (
        Segment("Ah", 0, 400),
        Segment("M", 400, 1600),
        Segment("Ee", 1600, 2000),
        Segment("F", 2000, 3200),
    )
    track = to_visemes(phones_of("AA P F", 8000), INVENTORY, Rules(closures_begin_early=True))
    assert [s.start for s in track] == [0, 8000 - 480, 16000], "one closure leaves another alone"


def test_every_shape_is_held():
    phones = laid_out([("AA", 4000), ("T", 300), ("P", 200), ("S", 200), ("IY", 4000)])
    track = to_visemes(phones, INVENTORY, Rules(minimum_hold=True))
    assert [s.label for s in track] == ["Ah", "M", "Ee"]
    assert all(s.samples >= 800 for s in track)


@pytest.mark.parametrize("name", inventory_names())
@given(data=st.data())
def test_whatever_is_switched_on_the_mouths_tile_and_no_closure_is_lost(name, data):
    inventory = load_inventory(name)
    phone = st.tuples(st.sampled_from(sorted({*ARPABET, "SIL"})), st.integers(1, 6000))
    phones, at = [], 0
    for label, length in data.draw(st.lists(phone, min_size=1, max_size=25)):
        phones.append(Segment(label, at, at + length))
        at += length
    rules = Rules(**{switch: data.draw(st.booleans(), label=switch) for switch in SWITCHES})
    track = to_visemes(phones, inventory, rules)
    assert find_faults(track, at, tiled=True, name="visemes") == []

    def closures(segments):
        found = [s.label for s in segments if inventory.must_show(s.label)]
        return [a for n, a in enumerate(found) if n == 0 or a != found[n - 1]]

    if not rules.minimum_hold:  # tests/visemes/test_rates.py has the law for that
        assert closures(track) == closures(to_visemes(phones, inventory))


@pytest.mark.parametrize("seconds", [-0.01, float("nan"), 11])
def test_a_time_that_makes_no_sense_is_refused(seconds):
    with pytest.raises(ValueError, match="early_seconds"):
        Rules(early_seconds=seconds)
