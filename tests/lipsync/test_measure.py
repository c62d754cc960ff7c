from __future__ import annotations

import numpy as np
import pytest

from clips import Segment
from lipsync.measure import Tally, intervals, tally, total
from visemes.classes import CLASSES

M, A, N = (CLASSES.index(name) for name in ("M", "Ah", "Neutral"))


def test_a_tally_counts_frames_flicker_and_changes_per_second_of_speech():
    true = np.array([N, N, N, N, M, M, M, A, A, A, A, M, M, A])
    shown = np.array([N, N, M, N, A, A, A, A, A, N, A, A, A, A])
    figures = tally(true, shown).figures()
    assert figures["frame_accuracy"] == pytest.approx(7 / 14)
    assert figures["false_closed_share"] == pytest.approx(1 / 9)
    assert figures["flickers_per_second"] == pytest.approx(3 / 0.10), "m, n and n: one frame each"
    assert figures["changes_per_second"] == pytest.approx(5 / 0.10)
    assert "lip_score" not in figures, "there are no phones to ask"


def test_frames_that_are_not_known_do_not_count():
    counts = tally(np.array([0, 1]), np.array([0, 0]), np.array([True, False]))
    assert counts.figures()["frame_accuracy"] == 1.0


def test_lips_are_asked_what_the_phones_ask():
    phones = (Segment("P", 0, 1600), Segment("AA", 1600, 4800))
    closed = tally(np.array([M] * 10 + [A] * 20), np.array([M] * 10 + [A] * 20), phones=phones)
    never = tally(np.array([M] * 10 + [A] * 20), np.array([A] * 30), phones=phones)
    assert closed.figures()["lips_closed"] == 1.0 and closed.figures()["lips_open"] == 1.0
    assert never.figures()["lips_closed"] == 0.0


def test_tallies_add_up_like_one_long_clip():
    right, wrong = (
        tally(np.array([A] * 30), np.array([A] * 30)),
        tally(np.array([A] * 10), np.array([M] * 10)),
    )
    both = total([right, wrong])
    assert both.figures()["frame_accuracy"] == pytest.approx(30 / 40)
    assert both.clips == 2 and both.seconds == pytest.approx(0.4)
    assert total([]).clips == 0


def test_intervals_hold_the_spread_over_speakers():
    def speaker(share: float) -> Tally:
        right = round(100 * share)
        return tally(np.full(100, A), np.array([A] * right + [M] * (100 - right)))

    alike = intervals({name: speaker(0.5) for name in "abcdef"})
    assert alike["frame_accuracy"] == (0.5, 0.5)
    low, high = intervals({name: speaker(n / 10) for n, name in enumerate("abcdefghij")})[
        "frame_accuracy"
    ]
    assert 0.2 < low < 0.35 and 0.55 < high < 0.7, "the mean 0.45, give or take 2 · 0.29/√10"
    assert intervals({"one": speaker(0.5)}) == {}, "one speaker says nothing about others"
