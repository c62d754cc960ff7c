from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from align.refine import HOP, REACH, change_features, refine


def sounds(*parts: tuple[str, int], seed: int = 1) -> np.ndarray:
    """Noise of several colours, one after the other; parts: (name, samples)."""
    rng = np.random.default_rng(seed)
    made = []
    for name, samples in parts:
        noise = rng.standard_normal(samples)
        if name == "silence":
            noise = noise * 1e-4
        elif name == "hiss":
            noise = np.diff(noise, prepend=0.0) * 0.1
        else:
            noise = lfilter([0.05], [1, -0.95], noise)
        made.append(noise)
    return np.concatenate(made).astype(np.float32)


PAIRS = [("silence", "hum"), ("hum", "hiss"), ("hiss", "hum"), ("hiss", "silence")]


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("away", [-320, -160, 0, 160, 320])
def test_a_boundary_moves_to_the_change_of_sound(first, second, away):
    audio = sounds((first, 4000), (second, 4000))
    found = refine(change_features(audio), [0, 4000 + away, 8000])
    assert abs(found[1] - 4000) <= 80  # 5 ms


def test_a_boundary_without_any_change_stays():
    audio = np.zeros(8000, np.float32)
    assert refine(change_features(audio), [0, 3333, 8000]) == [0, 3333, 8000]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 150), min_size=1, max_size=30), st.integers(0, 99))
def test_order_number_and_ends_stay(steps, seed):
    """Also for boundaries off the grid and segments of a few samples."""
    bounds = [0, *np.cumsum(np.array(steps) * 37).tolist()]
    audio = np.random.default_rng(seed).standard_normal(bounds[-1]).astype(np.float32)
    found = refine(change_features(audio), bounds)
    assert len(found) == len(bounds)
    assert (found[0], found[-1]) == (bounds[0], bounds[-1])
    assert all(a < b for a, b in pairwise(found))
    assert all(abs(a - b) <= (REACH + 1) * HOP for a, b in zip(found, bounds))


def test_loudness_does_not_matter():
    audio = sounds(("hum", 4000), ("hiss", 4000))
    found = [refine(change_features(audio * gain), [0, 4200, 8000]) for gain in (1.0, 0.1)]
    assert found[0] == found[1]
