"""From phones to pictures: what holds at every frame rate, and what people's speech gets."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clips import Segment
from clips.arpabet import ARPABET
from tests.visemes.tracks import runs_of
from visemes.comparison import Motion, motion
from visemes.frames import resample
from visemes.inventory import inventory_names, load_inventory
from visemes.lip_score import LipScore, lip_score
from visemes.phonesets import UNKNOWN, guess_phoneset, read_label_file, to_phones
from visemes.rates import frames_in
from visemes.rules import ANIMATION, Rules, to_visemes

INVENTORY = load_inventory("cherry12")
RATES = [Fraction(24), Fraction(25), Fraction(30), Fraction(60), Fraction(100)]
RULES = st.sampled_from([Rules(), ANIMATION])


def spoken(shortest: int, longest: int = 5000):
    """Phones of `shortest` to `longest` samples each, one after the other."""
    phone = st.tuples(st.sampled_from([*sorted(ARPABET), "SIL"]), st.integers(shortest, longest))
    return st.lists(phone, min_size=1, max_size=30).map(joined)


def joined(pairs) -> list[Segment]:
    """(label, length) pairs as segments; equal neighbours stay apart."""
    segments, at = [], 0
    for label, length in pairs:
        segments.append(Segment(label, at, at + length))
        at += length
    return segments


def drawn(phones, rate: Fraction, rules: Rules | None = None, ipa=(), inventory=INVENTORY):
    """The classes of the pictures of phones."""
    return resample(to_visemes(phones, inventory, rules, ipa), rate, inventory)


def closures(visemes, inventory=INVENTORY) -> list[str]:
    """The closures in order; equal ones with nothing but time between them are one."""
    found = [viseme for viseme in visemes if inventory.must_show(viseme)]
    return [a for n, a in enumerate(found) if n == 0 or a != found[n - 1]]


@given(spoken(1), RULES, st.sampled_from(inventory_names()))
def test_pictures_tile_do_not_flicker_and_lose_no_closure(phones, rules, name):
    inventory = load_inventory(name)
    needed = closures((s.label for s in to_visemes(phones, inventory, rules)), inventory)
    for rate in RATES:
        classes = drawn(phones, rate, rules, inventory=inventory)
        assert len(classes) == frames_in(phones[-1].end, rate)
        runs = runs_of([inventory.classes[n] for n in classes])
        if 2 * max(1, len(needed)) <= len(classes):
            assert all(length >= 2 for _, length in runs)
        if len(needed) <= len(classes):
            assert closures((viseme for viseme, _ in runs), inventory) == needed


@given(spoken(4000, 8000), RULES)
def test_slow_speech_looks_the_same_at_every_rate(phones, rules):
    tracks = {rate: drawn(phones, rate, rules) for rate in RATES}
    shapes = {rate: [n for n, _ in runs_of(list(track))] for rate, track in tracks.items()}
    assert all(shapes[rate] == shapes[RATES[-1]] for rate in RATES)
    for rate, track in tracks.items():
        ours = (np.flatnonzero(np.diff(track)) + 1) / float(rate)
        best = (np.flatnonzero(np.diff(tracks[RATES[-1]])) + 1) / 100
        assert (np.abs(ours - best) <= 0.5 / float(rate) + 0.005 + 1e-9).all()


@given(spoken(1200), spoken(1200), RULES, st.sampled_from(RATES))
def test_speech_may_be_cut_in_two_at_a_pause(before, after, rules, rate):
    # between equal closures the law asks for an opening, wherever the pause lies
    last, first = (
        closures(s.label for s in to_visemes(p, INVENTORY, rules)) for p in (before, after)
    )
    assume(not (last and first and last[-1] == first[0]))
    # the cut is on a whole second, so that it is on the edge of a picture at every rate
    cut = (before[-1].end // 16_000 + 2) * 16_000
    one = [*before, Segment("SIL", before[-1].end, cut)]
    other = [Segment("SIL", 0, 16_000), *(p.moved(16_000) for p in after)]
    pause = Segment("SIL", before[-1].end, cut + 16_000)
    whole = [*before, pause, *(p.moved(cut) for p in other[1:])]
    halves = np.concatenate([drawn(part, rate, rules) for part in (one, other)])
    assert np.array_equal(drawn(whole, rate, rules), halves)


def hand_labelled(folder):
    """(phones, ipa, unknown) of each recording of a folder."""
    files = [read_label_file(path) for path in sorted((folder / "labels").glob("*.tsv"))]
    phoneset = guess_phoneset({label for entries in files for _, _, label in entries})
    for entries in files:
        length = round(max(end for _, end, _ in entries) * 16_000)
        phones, ipa = to_phones(entries, phoneset, length)
        unknown = [phone for phone in phones if phone.label == UNKNOWN]
        yield (
            [Segment("SIL", p.start, p.end) if p.label == UNKNOWN else p for p in phones],
            ipa,
            unknown,
        )


@pytest.mark.parametrize("rules", [Rules(), ANIMATION], ids=["labels", "animation"])
@pytest.mark.parametrize("folder", ["emu_ae", "emodb"])
def test_peoples_speech_is_calm_and_right(shared, folder, rules):
    found = {rate: [LipScore(), Motion()] for rate in (24, 30, 100)}
    for phones, ipa, unknown in hand_labelled(shared / "speech" / folder):
        speech = sum(phone.seconds for phone in phones if phone.label != "SIL")
        for rate, sums in found.items():
            track = drawn(phones, Fraction(rate), rules, ipa)
            sums[0] += lip_score(track, rate, phones, INVENTORY, ipa=ipa, skip=unknown)
            sums[1] += motion(track, rate, speech)
    assert all(score.score >= 0.97 for score, _ in found.values())
    assert all(moved.flickers == 0 for _, moved in found.values())
    assert found[24][1].changes_per_second <= 9
    score = found[24][0]
    assert score.shares["teeth"] == 1 and score.hit["closed"] >= score.asked["closed"] - 1


def test_an_hour_of_phones_is_drawn_to_its_end():
    rng = np.random.default_rng(1)
    labels = rng.choice(sorted(ARPABET), 50_000)
    phones = joined(zip(map(str, labels), map(int, rng.integers(500, 1804, 50_000))))
    assert phones[-1].end > 3550 * 16_000
    assert len(drawn(phones, Fraction(24))) == frames_in(phones[-1].end, Fraction(24))


def test_closures_that_fall_together_are_all_there():
    phones = joined([("AA", 4000), ("P", 200), ("F", 200), ("P", 200), ("AA", 4000)])
    shown = [INVENTORY.classes[n] for n, _ in runs_of(list(drawn(phones, Fraction(24))))]
    assert shown == ["Ah", "M", "F", "M", "Ah"]
    assert all(a != b for a, b in pairwise(shown))


def test_a_long_silence_is_no_closure():
    phones = joined([("P", 1600), ("SIL", 30 * 16_000), ("P", 1600), ("AA", 1600)])
    for rate in RATES:
        shown = [INVENTORY.classes[n] for n, _ in runs_of(list(drawn(phones, rate)))]
        assert shown == ["M", "Neutral", "M", "Ah"]
