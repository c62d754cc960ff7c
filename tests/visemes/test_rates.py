"""Frame rates: no closure lost, no shape too short, the length kept."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import BadParams, Segment
from clips.errors import BadLabels
from tests.visemes.tracks import RATES, TRACKS, laid_out, runs_of
from visemes.frames import classes_at_rate, resample
from visemes.hold import held
from visemes.inventory import load_inventory
from visemes.phonesets import UNKNOWN, load_phoneset, read_label_file, to_phones
from visemes.rates import frame_rate, frames_in, rate_text
from visemes.rules import to_visemes

INVENTORY = load_inventory("cherry12")
CLASSES = INVENTORY.classes


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        (24, Fraction(24)),
        ("25", Fraction(25)),
        (23.976, Fraction(24000, 1001)),
        ("23.98", Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_rates_are_exact(value, rate):
    assert frame_rate(value) == rate
    assert frame_rate(rate_text(rate)) == rate


@pytest.mark.parametrize("value", ["", "fast", 0, -24, 1001, "1/0", float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(value):
    with pytest.raises(BadParams, match="is not a frame rate"):
        frame_rate(value)


@given(TRACKS, st.sampled_from(RATES), st.integers(1, 4))
def test_the_length_is_kept(track, rate, hold):
    frames = len(resample(track, rate, INVENTORY, hold=hold))
    assert frames == frames_in(track[-1].end, rate)
    assert frames == 1 or abs(frames / rate - Fraction(track[-1].end, 16_000)) <= 1 / rate / 2


def closures(labels) -> list[str]:
    """The closures in order; equal ones with nothing but time between them are one."""
    found = [label for label in labels if INVENTORY.must_show(label)]
    return [a for n, a in enumerate(found) if n == 0 or a != found[n - 1]]


@given(TRACKS, st.sampled_from(RATES), st.integers(1, 4))
def test_no_closure_is_lost_and_no_shape_is_too_short(track, rate, hold):
    shown = runs_of([CLASSES[n] for n in resample(track, rate, INVENTORY, hold=hold)])
    frames = sum(length for _, length in shown)
    needed = closures(segment.label for segment in track)
    if len(needed) <= frames:
        assert closures(label for label, _ in shown) == needed
    if max(1, len(needed)) * hold <= frames:
        assert all(length >= hold for _, length in shown)


@given(TRACKS, st.sampled_from(RATES), st.integers(1, 3))
def test_two_closures_stay_two_where_there_is_room(track, rate, hold):
    shown = runs_of([CLASSES[n] for n in resample(track, rate, INVENTORY, hold=hold)])
    wanted = [segment.label for segment in track if INVENTORY.must_show(segment.label)]
    openings = sum(a == b for a, b in pairwise(wanted))
    if (len(wanted) + openings) * hold <= sum(length for _, length in shown):
        assert [label for label, _ in shown if INVENTORY.must_show(label)] == wanted


@given(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=20), st.sampled_from(RATES))
def test_slow_speech_is_sampled_in_the_middle_of_each_picture(labels, rate):
    track = laid_out((label, 3000) for label in labels)  # above 4 pictures at 24 per second
    classes = resample(track, rate, INVENTORY)
    assert np.array_equal(classes, classes_at_rate(track, len(classes), float(rate), CLASSES))


@given(TRACKS, st.sampled_from(RATES))
def test_a_closure_is_shown_in_its_time_where_nothing_crowds_it(track, rate):
    classes = resample(track, rate, INVENTORY)
    picture = 16_000 / rate
    for number, segment in enumerate(track):
        around = track[max(0, number - 1) : number] + track[number + 1 : number + 2]
        crowded = any(s.samples < 4 * picture or INVENTORY.must_show(s.label) for s in around)
        if INVENTORY.must_show(segment.label) and not crowded and len(around) == 2:
            first = int(segment.start / picture - 1.5)
            near = classes[max(0, first) : int(segment.end / picture + 1.5) + 1]
            assert CLASSES.index(segment.label) in near


def test_a_closure_between_two_pictures_is_seen():
    track = laid_out([("Ah", 3300), ("M", 50), ("Ah", 3300)])
    assert CLASSES.index("M") not in classes_at_rate(track, 10, 24, CLASSES)
    letters = "".join(INVENTORY.letters[CLASSES[n]] for n in resample(track, RATES[0], INVENTORY))
    assert letters == "DDDDAADDDD"


@pytest.mark.parametrize(("rate", "lost"), [(24, True), (30, True), (100, False)])
def test_fast_speech_of_people_keeps_its_closures(shared, rate, lost):
    """Plain sampling loses some of them at the rates of films: 5 % of Emo-DB's at 24 per second."""
    phoneset = load_phoneset("emodb")
    sampled_all = True
    for path in sorted((shared / "speech" / "emodb" / "labels").glob("*.tsv"))[:60]:
        entries = read_label_file(path)
        length = round(max(end for _, end, _ in entries) * 16_000)
        phones, ipa = to_phones(entries, phoneset, length)
        known = [replace(p, label="SIL") if p.label == UNKNOWN else p for p in phones]
        track = to_visemes(known, INVENTORY, None, ipa)
        shown = resample(track, Fraction(rate), INVENTORY)
        needed = [segment.label for segment in track if INVENTORY.must_show(segment.label)]
        for classes, exact in (
            (shown, True),
            (classes_at_rate(track, len(shown), rate, CLASSES), False),
        ):
            runs = runs_of([CLASSES[n] for n in classes])
            kept = [label for label, _ in runs if INVENTORY.must_show(label)] == needed
            assert kept or not exact, path.name
            sampled_all &= kept
    assert sampled_all != lost


@pytest.mark.parametrize(
    ("letters", "hold", "shown", "why"),
    [
        ("DADAD", 1, "DADAD", "there is room for all"),
        ("DADADB", 2, "AADDAA", "outer vowels go, the opening stays"),
        ("AAADAAA", 2, "AADDAAA", "the opening grows into the closures"),
        ("DADAD", 2, "AAAAA", "the opening goes before a closure"),
        ("AGAG", 2, "AGAG", "four closures in four pictures hold one each"),
        ("DDDAIDDD", 2, "DDAAIIDD", "a vowel gets its time from its neighbours"),
        ("DDDBIDDD", 2, "DDDIIDDD", "a consonant goes before a vowel"),
        ("DDCIDD", 2, "DDIIDD", "the schwa goes before another vowel"),
        ("DDDBBBDDD", 2, "DDDDDDDDD", "a consonant needs twice the hold"),
        ("DDDBBBBDDD", 2, "DDDBBBBDDD", "and has it here"),
        ("DDDBJJKDDD", 2, "DDDJJJJDDD", "of short consonants the longest stands for all"),
        ("DDBIIBDD", 2, "DDIIIDDD", "what is not shown is shared"),
        ("AABIIBAA", 2, "AAIIIIAA", "but does not prolong a closure"),
        ("XXBIIBXX", 2, "XXIIIIXX", "nor rest"),
        ("XXBAXX", 2, "XXAAXX", "a closure comes early rather than late"),
        ("XXBXX", 2, "XXXXX", "one short consonant"),
        ("DI", 5, "DD", "one shape where there is room for one"),
    ],
)
def test_what_gives_way_where_there_is_no_room(letters, hold, shown, why):
    viseme_of = {letter: viseme for viseme, letter in INVENTORY.letters.items()}
    runs = runs_of(letters)
    edges = [0, *accumulate(length for _, length in runs)]
    visemes, ends = held([viseme_of[letter] for letter, _ in runs], edges, 1, hold, INVENTORY)
    text = "".join(INVENTORY.letters[v] * (b - a) for v, a, b in zip(visemes, ends, ends[1:]))
    assert text == shown, why


def test_a_track_that_is_empty_is_refused():
    with pytest.raises(BadLabels, match="no visemes"):
        resample([], RATES[0], INVENTORY)
    assert len(resample([Segment("M", 0, 1)], RATES[0], INVENTORY)) == 1
