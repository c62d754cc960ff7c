from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.sounds import STATE_COUNT, STATES, STOPS, number_of, state_of
from align.variants import SILENT, Way
from align.viterbi import PAUSE_FRAMES, best_path

A, B, P = (Way(number_of(s), s, s, 0, n) for n, s in enumerate("asp"))
PAUSE = (((SILENT, None),),)
CASES = [
    [(((A,), (B,)),)],
    [(((A,), (B, None), (P,)),)],
    [PAUSE, (((P,), (A,)), ((B,),)), PAUSE],
    [PAUSE, (((A, None),),), (((B, P),),)],
]


def score_of(row, scores):
    """The best score of one fixed row of ways; −inf if it does not fit."""
    columns = [(way, step) for way in row for step in range(STATES if way.sound else PAUSE_FRAMES)]
    emitted = np.stack(
        [
            np.maximum(scores[:, state_of(way.sound)], scores[:, 0])
            if way.sound in STOPS and step == 0
            else scores[:, state_of(way.sound, step if way.sound else 0)]
            for way, step in columns
        ],
        axis=1,
    )
    best = np.full(len(columns), -np.inf)
    best[0] = emitted[0, 0]
    for frame in range(1, len(scores)):
        moved = np.concatenate([[-np.inf], best[:-1]])
        best = np.maximum(best, moved) + emitted[frame]
    return best[-1]


def rows_of(parts):
    """Every row of ways that the parts allow."""
    by_part = [[ways for row in part for ways in product(*row)] for part in parts]
    for chosen in product(*by_part):
        yield [way for ways in chosen for way in ways if way is not None]


@settings(max_examples=60, deadline=None)
@given(
    case=st.integers(0, len(CASES) - 1), frames=st.integers(1, 24), seed=st.integers(0, 2**32 - 1)
)
def test_no_other_path_is_better(case, frames, seed):
    scores = np.random.default_rng(seed).normal(0, 3, (frames, STATE_COUNT))
    rows = [row for row in rows_of(CASES[case]) if row]
    best = max(score_of(row, scores) for row in rows)
    path = best_path(scores, CASES[case])
    if path is None:
        assert best == -np.inf
        return
    assert [path[0].start, path[-1].end] == [0, frames]
    assert all(a.end == b.start for a, b in pairwise(path))
    assert score_of([stretch.way for stretch in path], scores) == pytest.approx(best)


def test_a_path_is_found_where_the_scores_point():
    scores = np.full((40, STATE_COUNT), -10.0)
    for way, first, last in ((SILENT, 0, 10), (A, 10, 25), (B, 25, 40)):
        for frame in range(first, last):
            step = (frame - first) * STATES // (last - first) if way.sound else 0
            scores[frame, state_of(way.sound, step)] = 0.0
    found = best_path(scores, [PAUSE, (((A,), (B,)),), PAUSE])
    assert [(s.way.phone, s.start, s.end) for s in found] == [
        ("SIL", 0, 10),
        ("a", 10, 25),
        ("s", 25, 40),
    ]


def test_the_silent_closure_of_a_stop_is_not_taken_for_a_pause():
    scores = np.full((30, STATE_COUNT), -10.0)
    scores[:10, state_of(A.sound, 1)] = 0.0
    scores[:, state_of(A.sound)] = scores[:, state_of(A.sound, 2)] = -1.0
    scores[10:20, 0] = 0.0  # 50 ms of silence
    scores[20:, state_of(P.sound, 1)] = scores[20:, state_of(P.sound, 2)] = 0.0
    found = best_path(scores, [(((A,), (P,)),)])
    assert [(s.way.phone, s.start) for s in found] == [("a", 0), ("p", 10)]


def test_a_text_that_does_not_fit_has_no_path():
    scores = np.zeros((5, STATE_COUNT))
    assert best_path(scores, [(((A,), (B,)),)]) is None
    assert best_path(np.zeros((6, STATE_COUNT)), [(((A,), (B,)),)]) is not None
    assert best_path(np.zeros((0, STATE_COUNT)), [(((A,),),)]) is None
    assert best_path(scores, []) is None
