from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import BadParams, Segment, find_faults
from clips.arpabet import ARPABET
from visemes.classes import CLASSES, LETTERS
from visemes.frames import classes_at_rate, frame_classes, frame_count, to_segments
from visemes.inventory import load_inventory
from visemes.rules import Rules, to_visemes

INVENTORY = load_inventory("cherry12")

LABELS = sorted({*ARPABET, "SIL"})
PHONES = st.lists(
    st.tuples(st.sampled_from(sorted({*ARPABET, "SIL"})), st.integers(1, 6000)),
    min_size=1,
    max_size=40,
)


def laid_out(pairs) -> tuple[Segment, ...]:
    """(label, length) pairs one after the other."""
    segments, at = [], 0
    for label, length in pairs:
        segments.append(Segment(label, at, at + length))
        at += length
    return tuple(segments)


def shown(text: str, ipa=(), rules=None, length: int = 1600) -> str:
    """The visemes of phones of equal length, as a readable line."""
    phones = laid_out((label, length) for label in text.split())
    return " ".join(s.label for s in to_visemes(phones, INVENTORY, rules, ipa))


@pytest.mark.parametrize(
    ("phones", "visemes"),
    [
        ("SIL P AA SIL", "Neutral M Ah Neutral"),
        ("B M P", "M"),
        ("F AY V", "F Ah Ee F"),
        ("HH IY", "Ee"),
        ("HH UW", "Woo"),
        ("HH OW", "Oh Woo"),
        ("HH SIL", "Uh Neutral"),
        ("S SH CH JH Z ZH", "S"),
        ("T D N K G NG TH DH", "D"),
        ("R EH D", "R Uh D"),
        ("L OY L", "L Oh Ee L"),
        ("W AW", "Woo Ah Woo"),
    ],
)
def test_phones_become_the_mouths_of_the_chart(phones, visemes):
    assert shown(phones) == visemes


def test_sounds_of_other_languages_use_their_own_entry():
    assert shown("UW", ["y"]) == "Woo"
    assert shown("ER", ["ø"]) == "Oh"
    assert shown("R", ["ʁ"]) == "D"
    assert shown("HH IY", ["ç", "i"]) == "D Ee", "the rule about English h leaves ç alone"
    assert shown("HH AA", ["h", "a"]) == "Ah", "and holds before a vowel with an entry of its own"
    assert shown("HH EY", ["h", "eː"]) == "Ee"


def test_rules_can_be_switched_off():
    assert shown("HH IY", rules=Rules(hh_takes_next_vowel=False)) == "Uh Ee"
    assert shown("AY", rules=Rules(split_diphthongs=False)) == "Ah"


@pytest.mark.parametrize(
    ("phones", "visemes"),
    [
        ("SIL S IY SIL S SIL", "Neutral S Ee S Neutral"),
        ("SIL AA SIL P AA SIL", "Neutral Ah M Ah Neutral"),
        ("SIL OW SIL AA SIL", "Neutral Oh Woo Ah Neutral"),
        ("SIL F SIL", "Neutral F Neutral"),
    ],
)
def test_the_mouth_holds_through_a_short_pause(phones, visemes):
    assert shown(phones, length=2400) == visemes
    assert "Neutral" in shown(phones, length=2401).split()[1:-1] or phones.count("SIL") == 2
    off = Rules(short_pauses_hold=False)
    assert shown(phones, rules=off).split().count("Neutral") == phones.split().count("SIL")


def test_a_diphthong_is_split_by_its_shares():
    track = to_visemes([Segment("AY", 0, 1000)], INVENTORY)
    assert track == (Segment("Ah", 0, 600), Segment("Ee", 600, 1000))


@given(PHONES)
def test_mouths_tile_what_the_phones_tile(pairs):
    phones = laid_out(pairs)
    track = to_visemes(phones, INVENTORY)
    assert find_faults(track, phones[-1].end, tiled=True, name="visemes") == []
    assert all(a.label != b.label for a, b in pairwise(track))


@given(PHONES)
def test_every_closure_long_enough_for_a_frame_is_seen(pairs):
    phones = laid_out([("SIL", 800), *pairs])
    classes = frame_classes(to_visemes(phones, INVENTORY), phones[-1].end, CLASSES)
    for phone in phones:
        first = -(-phone.start // 160)
        if phone.label in "PBM" and first * 160 < phone.end and first < len(classes):
            assert CLASSES[classes[first]] == "M"


def test_the_inventory_has_the_classes_and_letters_of_the_model():
    assert INVENTORY.classes == CLASSES
    assert dict(INVENTORY.letters) == LETTERS
    assert set(INVENTORY.phones) == {*ARPABET, "SIL"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("  P: M\n", ""), "no viseme for P"),
        (("  P: M\n", "  P: Mm\n"), "unknown viseme 'Mm'"),
        (("[[Ah, 0.6], [Ee, 0.4]]", "[[Ah, 0.6], [Ee, 0.5]]"), "sum to 1"),
        (("visemes:", "visemes: ["), "cannot be read as YAML"),
        (("phones:", "sounds:"), "has no `phones`"),
        (("letter: A, ", ""), "visemes.M: has no letter"),
    ],
)
def test_a_faulty_inventory_is_named(tmp_path, change, message):
    path = tmp_path / "mine.yaml"
    text = Path(INVENTORY.file).read_text("utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(BadParams, match=message) as caught:
        load_inventory(str(path))
    assert "mine.yaml" in str(caught.value)


def test_an_unknown_phone_is_a_hole_that_is_named():
    with pytest.raises(BadParams, match="no viseme for phone 'QQ'"):
        shown("QQ")


def test_an_unknown_inventory_lists_those_there_are():
    with pytest.raises(BadParams, match="cherry12"):
        load_inventory("nope")


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16000, 98)]
)
def test_frames_are_counted_as_features_are(samples, frames):
    assert frame_count(samples) == frames


@given(st.integers(1, 40_000))
def test_labels_and_features_have_equally_many_frames(samples):
    from lipsync.features import frame_count as features_count

    assert frame_count(samples) == features_count(samples)


def test_a_frame_has_the_class_at_its_time():
    track = (Segment("M", 0, 161), Segment("Ah", 161, 1600))
    assert list(frame_classes(track, 1600, CLASSES)[:3]) == [5, 5, 0]


@given(PHONES)
def test_frames_become_segments_that_give_the_same_frames(pairs):
    phones = laid_out([("SIL", 400), *pairs])
    length = phones[-1].end
    classes = frame_classes(to_visemes(phones, INVENTORY), length, CLASSES)
    again = to_segments(classes, 160, length, CLASSES)
    assert find_faults(again, length, tiled=True, name="visemes") == []
    assert np.array_equal(frame_classes(again, length, CLASSES), classes)


def test_slower_frame_rates_sample_the_middle_of_each_picture():
    track = (Segment("M", 0, 8000), Segment("Ah", 8000, 16000))
    assert list(classes_at_rate(track, 30, 30, CLASSES)) == [5] * 15 + [0] * 15
