from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync.steady import HOLD, LAG, Steady, steady_classes
from visemes.classes import CLASSES

M, UH, EE, S = (CLASSES.index(name) for name in ("M", "Uh", "Ee", "S"))


def probabilities(*shares: dict[int, float]) -> np.ndarray:
    """One row for each frame; what is left is shared evenly."""
    rows = np.zeros((len(shares), 12))
    for row, share in zip(rows, shares):
        row[:] = (1 - sum(share.values())) / (12 - len(share))
        for index, value in share.items():
            row[index] = value
    return rows


def test_two_shapes_nearly_alike_do_not_chatter():
    rows = [{UH: 0.5, EE: 0.45} if n % 2 else {UH: 0.45, EE: 0.5} for n in range(20)]
    raw = probabilities(*rows).argmax(1)
    assert np.count_nonzero(np.diff(raw)) == 19
    assert np.count_nonzero(np.diff(steady_classes(probabilities(*rows)))) == 0


def test_a_change_that_stays_comes_and_a_closure_comes_at_once():
    there = probabilities(*[{UH: 0.9}] * 10, *[{EE: 0.9}] * 10)
    assert steady_classes(there).tolist() == [UH] * 10 + [EE] * 10
    for mouth, frames in ((EE, 4), (UH, 7)):
        around = [{mouth: 0.9}] * 10
        closed = probabilities(*around, *[{M: 0.8, mouth: 0.1}] * frames, *around)
        assert steady_classes(closed).tolist() == [mouth] * 10 + [M] * frames + [mouth] * 10
    spread = probabilities(*[{UH: 0.9}] * 10, {EE: 0.8, UH: 0.1}, *[{UH: 0.9}] * 10)
    assert EE not in steady_classes(spread)


@pytest.mark.parametrize("mouth", sorted({*CLASSES} - {"M"}))
def test_a_closure_of_50_ms_is_shown_between_any_two_mouths_and_one_of_20_ms_beside_f(mouth):
    around = [{CLASSES.index(mouth): 0.9}] * 20
    for frames, shown in ((2, mouth == "F"), (5, True)):
        track = steady_classes(probabilities(*around, *[{M: 0.9}] * frames, *around))
        assert (M in track) == shown


@pytest.mark.parametrize("mouth", sorted({*CLASSES} - {"S"}))
def test_a_shape_of_the_tongue_is_shown_only_where_it_lasts(mouth):
    around = [{CLASSES.index(mouth): 0.999}] * 20
    for frames, shown in ((11, False), (14, True)):
        track = steady_classes(probabilities(*around, *[{S: 0.999}] * frames, *around))
        assert (S in track) == shown


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 99), frames=st.integers(0, 60), cuts=st.lists(st.integers(0, 60)))
def test_pieces_give_the_track_of_the_whole(seed, frames, cuts):
    rows = np.random.default_rng(seed).dirichlet(np.full(12, 0.3), frames)
    steady = Steady()
    for _ in range(2):  # after the end it starts afresh
        places = sorted({0, *(min(cut, frames) for cut in cuts), frames})
        pieces = [steady.push(rows[a:b]) for a, b in pairwise(places)]
        track = np.concatenate([*pieces, steady.finish()])
        assert len(track) == frames
        np.testing.assert_array_equal(track, steady_classes(rows))


def test_the_delay_is_what_it_says():
    steady = Steady()
    rows = probabilities(*[{UH: 0.9}] * 10)
    assert [len(steady.push(row[None])) for row in rows] == [0] * LAG + [1] * (10 - LAG)


@pytest.mark.parametrize("price", ["sure", "unsure"])
def test_the_track_is_never_more_restless_than_the_likeliest_shapes(price):
    rng = np.random.default_rng(1)
    rows = rng.dirichlet(np.full(12, 0.05 if price == "sure" else 1.0), 400)
    raw, calm = rows.argmax(1), steady_classes(rows)
    assert np.count_nonzero(np.diff(calm)) < 0.8 * np.count_nonzero(np.diff(raw))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999))
def test_every_shape_stays_for_three_frames_unless_lips_close(seed):
    rows = np.random.default_rng(seed).dirichlet(np.full(12, 0.15), 200)
    track = steady_classes(rows)
    edges = np.flatnonzero(np.diff(track)) + 1
    lips = (M, CLASSES.index("F"))
    for start, end in pairwise([0, *edges]):
        assert end - start >= HOLD or (track[end] in lips and track[start] not in lips)
