from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from align import find_aligner
from align.calibration import (
    EVIDENCE,
    NAMES,
    OP,
    boundary_chances,
    boundary_features,
    calibrated,
    fit,
    load_durations,
    load_weights,
    phone_chances,
    usual_durations,
)
from align.confidence import confidence
from align.measure import TOLERANCE, boundaries, match
from clips import Clip, Op, Segment, to_grid
from clips.arpabet import ARPABET

TEXTS = (
    "my father put the paper boat on the table",
    "she sells sea shells by the old harbour wall",
    "do not bring more bread than we need today",
)


def made(phones: str, loud: str, scores=(), aligner: str = "neural") -> Clip:
    """A clip of 100 ms phones; noise at 0.1 where `loud` has an x, at 0.0001 elsewhere."""
    rng = np.random.default_rng(1)
    level = np.repeat([0.1 if mark == "x" else 0.0001 for mark in loud], 1600)
    labels = phones.split()
    segments = tuple(
        Segment(label, n * 1600, (n + 1) * 1600, score)
        for n, (label, score) in enumerate(zip(labels, scores or [0.8] * len(labels)))
    )
    audio = to_grid(rng.normal(0, 1, len(level)) * level)
    ops = (Op.of("align", aligner=aligner),)
    clip = Clip("c", audio, "t", "en", "s", "t", "CC0-1.0", "", phones=segments, ops=ops)
    return clip.with_scores(**confidence(clip))


def relabelled(clip: Clip, ends: list[int]) -> Clip:
    """The clip with its phones ending elsewhere."""
    phones = zip(clip.phones, [0, *ends], ends)
    return clip.with_(phones=tuple(replace(p, start=s, end=e) for p, s, e in phones))


def feature(clip: Clip, name: str, other: Clip | None = None) -> list[float]:
    return boundary_features(clip, other)[:, NAMES.index(name)].tolist()


@pytest.fixture(scope="module")
def aligned(speak):
    """[(true clip, what pocketsphinx makes of it), ...]"""
    aligner = find_aligner("pocketsphinx")
    clips = [speak(text, voice) for text in TEXTS for voice in ("slt", "rms")]
    return [(clip, aligner.align(clip)) for clip in clips]


def test_the_table_is_whole_and_no_evidence_counts_the_wrong_way():
    assert set(load_weights()) == {"neural", "neural+", "pocketsphinx", "pocketsphinx+"}
    for name, weights in load_weights().items():
        signs = dict(zip(NAMES, weights))
        assert all(sign * signs[key] >= 0 for key, sign in EVIDENCE.items())
        assert (signs["apart"] < 0) == name.endswith("+")
    durations = load_durations()
    assert durations.shape == (len(ARPABET) + 1, 2)
    assert (durations[1:, 1] > 0.1).all()
    assert (np.exp(durations[1:, 0]) / 16_000 < 0.3).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_a_phone_is_no_likelier_right_than_either_boundary(chances):
    phones = phone_chances(np.array(chances))
    assert len(phones) == len(chances) + 1
    assert (phones[0], phones[-1]) == (chances[0], chances[-1])
    assert (phones[:-1] <= chances).all() and (phones[1:] <= chances).all()


@given(st.integers(0, 5), st.floats(0.02, 0.79))
def test_a_phone_that_fits_worse_never_makes_anything_surer(which, score):
    usual = made("SIL S AA P IY SIL", ".xx.x.")
    phones = list(usual.phones)
    phones[which] = replace(phones[which], score=score)
    worse = usual.with_(phones=tuple(phones))
    better, lower = (
        boundary_chances(boundary_features(clip), load_weights()["neural"])
        for clip in (usual, worse)
    )
    assert (lower <= better).all()
    assert lower.sum() < better.sum()


def test_scores_become_chances_once(aligned):
    _, clip = aligned[0]
    done = calibrated(clip)
    scores = [phone.score for phone in done.phones]
    assert all(0 < score < 1 for score in scores)
    assert [(p.label, p.start, p.end) for p in done.phones] == [
        (p.label, p.start, p.end) for p in clip.phones
    ]
    assert 0.5 < done.score["confidence"] < 1
    assert done.ops[-1].name == OP
    assert calibrated(done) is done
    assert calibrated(clip) == done
    done.validate()


def test_an_aligner_of_which_nothing_is_known_keeps_its_scores():
    clip = made("SIL S AA SIL", ".xx.", aligner="mfa")
    assert calibrated(clip) is clip


def test_one_phone_alone_is_sure_of_nothing():
    assert calibrated(made("AA", "x")).score["confidence"] == 0


def test_chances_come_true(aligned):
    expected, right = [], []
    for truth, clip in aligned:
        weights = load_weights()["pocketsphinx"]
        expected += boundary_chances(boundary_features(clip), weights).tolist()
        true, found = boundaries(truth.phones), [phone.start for phone in clip.phones[1:]]
        near = [j for i, j in match(true, found) if abs(true[i] - found[j]) <= TOLERANCE]
        right += [number in near for number in range(len(found))]
    expected, right = np.array(expected), np.array(right)
    assert expected.mean() == pytest.approx(right.mean(), abs=0.1)
    order = np.argsort(expected)
    third = len(order) // 3
    assert right[order[-third:]].mean() > right[order[:third]].mean() + 0.1


def test_labels_in_the_wrong_place_are_doubted(aligned):
    lost = []
    for _, clip in aligned:
        late = [min(p.end + 960, len(clip) - 50 * n) for n, p in enumerate(clip.phones[::-1])]
        moved = relabelled(clip, [*late[:0:-1], len(clip)])
        lost.append(calibrated(clip).score["confidence"] - calibrated(moved).score["confidence"])
    # The chance of one clip in six stays what it was.
    assert sorted(lost)[1] > 0.05 and min(lost) > -0.01
    assert np.mean(lost) > 0.04


def test_a_wrong_text_is_doubted(speak):
    aligner = find_aligner("pocketsphinx")
    clip = speak(TEXTS[0], "slt")
    wrong = aligner.align(clip.with_(text="five big dogs were running"))
    right = aligner.align(clip)
    assert calibrated(wrong).score["confidence"] < calibrated(right).score["confidence"] - 0.15


def test_another_aligner_that_agrees_makes_surer_than_one_that_does_not(aligned):
    _, clip = aligned[0]
    phones = clip.phones
    away = relabelled(clip, [*((p.start + p.end) // 2 for p in phones[:-1]), len(clip)])
    agreeing, apart = (calibrated(clip, other).score["confidence"] for other in (clip, away))
    assert agreeing > apart
    assert feature(clip, "apart", clip) == [0.0] * (len(phones) - 1)
    assert min(feature(clip, "apart", away)) > 0


def test_loud_silence_and_open_closures_are_seen():
    quiet, loud = made("AA SIL AA", "x.x"), made("AA SIL AA", "xxx")
    assert max(feature(quiet, "loud_silence")) == 0 < min(feature(loud, "loud_silence"))
    closed, open_ = made("AA P AA", "x.x"), made("AA P AA", "xxx")
    assert max(feature(closed, "open_closure")) == 0 < min(feature(open_, "open_closure"))
    assert max(feature(made("AA L AA", "xxx"), "open_closure")) == 0


def test_the_sound_changes_at_a_true_boundary():
    clip = made("S SIL S S", "x.xx")
    first, second, third = feature(clip, "change")
    assert first > 1 and second > 1 and third < 0.6


def test_an_odd_length_is_seen_whatever_the_tempo():
    clip = made("AA AA AA AA AA", "xxxxx")
    assert feature(clip, "long_after") == [0] * 4
    bounds = [800, 4800, 5600, 6400, 8000]
    odd = relabelled(clip, bounds)
    assert feature(odd, "long_after")[0] > 2 and feature(odd, "long_before")[1] > 2
    assert feature(odd, "long_after")[1] == 0


def test_a_fit_finds_what_foretells_and_nothing_that_counts_the_wrong_way():
    rng = np.random.default_rng(3)
    features = np.zeros((4000, len(NAMES)))
    features[:, 0] = 1
    change, match_ = NAMES.index("change"), NAMES.index("match")
    features[:, [change, match_]] = rng.normal(size=(4000, 2))
    logit = 1 + 2 * features[:, change] - features[:, match_]  # match: against its sign
    right = rng.random(4000) < 1 / (1 + np.exp(-logit))
    weights = fit(features, right, np.ones(4000))
    assert weights[change] == pytest.approx(1.7, abs=0.4)
    assert weights[match_] == 0
    chances = 1 / (1 + np.exp(-features @ weights))
    assert chances.mean() == pytest.approx(right.mean(), abs=0.01)


def test_usual_durations_are_of_phones_heard_often():
    clip = made(" ".join(["AA"] * 10 + ["S"]), "x" * 11)
    usual = usual_durations([clip])
    assert set(usual) == {"AA"}
    assert usual["AA"] == (pytest.approx(np.log(1600)), 0)
