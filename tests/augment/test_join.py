from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment import find_transform
from augment.join import SILENT, JoinParams, joined_with
from augment.loudness import active_power
from augment.pool import Pool
from clips import BadInput, BadParams, Op, Segment
from tests.augment.conftest import make_bursts

CLIP = make_bursts(0).with_(split="train")
OTHER = make_bursts(1).with_(
    split="train", text="others", speaker="o", licence="CC-BY-4.0", attribution="Ann"
)


def join(*others, **values):
    transform = find_transform("join", values)
    transform.pool = Pool(others or (OTHER,))
    return transform


def params(**changes) -> JoinParams:
    values = {
        "other": OTHER.clip_id, "other_start": 0, "other_end": len(OTHER), "place": 1,
        "gap": 3000, "gap_db": SILENT, "seed": 1,
    }  # fmt: skip
    return JoinParams(**{**values, **changes})


def pieces(segments, start: int, end: int) -> list[tuple[str, int, int]]:
    """What is labelled between two samples, whoever the neighbours are."""
    return [
        (s.label, max(s.start, start) - start, min(s.end, end) - start)
        for s in segments
        if s.start < end and s.end > start
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, len(OTHER) - 100),
    st.integers(50, len(OTHER)),
    st.integers(0, 1),
    st.integers(0, 20000),
)
def test_sound_and_labels_of_both_clips_are_kept_to_the_sample(start, length, place, gap):
    end = min(start + length, len(OTHER))
    child = join().apply(CLIP, params(other_start=start, other_end=end, place=place, gap=gap))
    part = OTHER.between(start, end)
    ours = 0 if place else len(part) + gap
    theirs = len(CLIP) + gap if place else 0
    assert len(child) == len(CLIP) + gap + len(part)
    assert np.array_equal(child.audio[ours : ours + len(CLIP)], CLIP.audio)
    inner = slice(theirs + 32, theirs + len(part) - 32)  # cut edges are faded
    assert np.array_equal(child.audio[inner], part.audio[32:-32])
    for tier in ("phones", "words"):
        labels = getattr(child, tier)
        whole = [(s.label, s.start, s.end) for s in getattr(CLIP, tier)]
        assert pieces(labels, ours, ours + len(CLIP)) == whole
        theirs_whole = [(s.label, s.start, s.end) for s in getattr(part, tier)]
        assert pieces(labels, theirs, theirs + len(part)) == theirs_whole
    first_end = len(CLIP) if place else len(part)
    assert all(label == "SIL" for label, _, _ in pieces(child.phones, first_end, first_end + gap))
    assert child.visemes == ()


def test_silences_that_touch_are_one_and_ipa_stays_beside_its_phone():
    child = join().apply(CLIP, params())
    labels = [phone.label for phone in child.phones]
    assert ("SIL", "SIL") not in set(pairwise(labels))
    assert len(child.ipa) == len(child.phones)
    assert all(i == ("" if p.label == "SIL" else p.label.lower())
               for i, p in zip(child.ipa, child.phones))  # fmt: skip
    assert not child.faults()


def test_text_speaker_licence_and_attribution_tell_of_both():
    child = join().apply(CLIP.with_(attribution="Bob"), params())
    assert (child.text, child.speaker) == ("bursts others", "s+o")
    assert (child.licence, child.attribution) == ("CC-BY-4.0 AND CC0-1.0", "Bob; Ann")
    assert child.split == "train"
    assert joined_with(child) == [OTHER.clip_id]
    before = join().apply(CLIP, params(place=0, other_end=30000))
    assert before.text == f"{' '.join(w.label for w in OTHER.between(0, 30000).words)} bursts"
    assert before.speaker == "o+s"
    assert joined_with(CLIP) == []


def test_the_gap_is_silent_or_has_its_level():
    gap = slice(len(CLIP), len(CLIP) + 16000)
    assert not join().apply(CLIP, params(gap=16000)).audio[gap].any()
    noise = join().apply(CLIP, params(gap=16000, gap_db=-30.0)).audio[gap].astype(np.float64)
    level = 10 * np.log10(np.mean(noise**2) / active_power(CLIP))
    assert level == pytest.approx(-30, abs=0.3)


def test_a_cut_edge_does_not_click():
    middle = len(OTHER) // 2
    child = join().apply(CLIP, params(other_start=middle))
    assert child.audio[len(CLIP) + 3000] == 0
    assert np.abs(child.audio[len(CLIP) + 3000 : len(CLIP) + 3004]).max() < 0.1


@pytest.mark.parametrize(
    "change",
    [
        {"split": "test"},
        {"language": "de"},
        {"source": "elsewhere"},
        {"timing": "aligned"},
        {"root_id": CLIP.root_id},
        {"ipa": ()},
        {"phones": (), "ipa": (), "timing": "none"},
    ],
)
def test_clips_of_another_kind_are_not_joined(change):
    transform = join(OTHER.with_(**change))
    assert not transform.fits(CLIP)
    with pytest.raises(BadInput, match="no other clip"):
        transform.draw(np.random.default_rng(0), CLIP)


def test_what_is_drawn_lies_within_the_settings():
    transform = join(gap=[0.2, 0.4], silent=0.5, gap_db=[-60, -50], cut=0.5)
    drawn = [transform.draw(np.random.default_rng(n), CLIP) for n in range(300)]
    assert all(3200 <= p.gap <= 6400 for p in drawn)
    assert 0.4 < np.mean([p.gap_db == SILENT for p in drawn]) < 0.6
    assert all(p.gap_db == SILENT or -60 <= p.gap_db <= -50 for p in drawn)
    assert 0.4 < np.mean([p.place for p in drawn]) < 0.6
    cut = [p for p in drawn if p.other_end - p.other_start < len(OTHER)]
    assert 0.4 < len(cut) / 300 < 0.6
    assert all((p.other_start == 0) == (p.place == 0) for p in cut)  # cut at the join
    assert all(p.gap == 0 for p in [join(gap=[0, 0]).draw(np.random.default_rng(1), CLIP)])


def test_the_other_clip_must_be_there():
    with pytest.raises(BadInput, match="'gone' is not in the pool"):
        join().apply(CLIP, params(other="gone"))
    with pytest.raises(BadParams, match="place"):
        params(place=2)
    with pytest.raises(BadParams, match="lacks 'other'"):
        join().read(Op.of("join", gap=1))


def test_clips_without_labels_are_joined_without():
    bare = [c.with_(phones=(), ipa=(), words=(), visemes=(), timing="none") for c in (CLIP, OTHER)]
    child = join(bare[1]).apply(bare[0], params())
    assert (child.phones, child.words, child.ipa) == ((), (), ())


def test_one_phone_clips_join():
    pair = [
        c.between(0, 1000).with_(phones=(Segment("AA", 0, 1000),), ipa=("a",), words=())
        for c in (CLIP, OTHER)
    ]
    child = join(pair[1]).apply(pair[0], params(other_end=1000, gap=0))
    assert [(p.label, p.start, p.end) for p in child.phones] == [
        ("AA", 0, 1000),
        ("AA", 1000, 2000),
    ]
