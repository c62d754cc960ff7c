"""Gain and clipping."""

from __future__ import annotations

import numpy as np
import pytest

from augment import find_transform
from augment.clipping import ClippingParams
from augment.gain import GainParams


@pytest.mark.parametrize("gain_db", [-30.0, -6.0, 0.0, 6.0])
def test_gain_is_exact_to_the_grid(gain_db, bursts):
    child = find_transform("gain").apply(bursts, GainParams(gain_db))
    assert np.allclose(child.audio, bursts.audio * 10 ** (gain_db / 20), atol=0.51 / 32768)


def test_gain_beyond_full_scale_is_cut_off(bursts):
    child = find_transform("gain").apply(bursts, GainParams(30))
    assert child.audio.max() == pytest.approx(1 - 1 / 32768)
    assert child.audio.min() == -1
    assert not child.faults()


@pytest.mark.parametrize("over_db", [3.0, 12.0])
def test_hard_clipping_flattens_what_is_over_the_limit(over_db, bursts):
    child = find_transform("clipping").apply(bursts, ClippingParams("hard", over_db))
    limit = np.abs(bursts.audio).max() / 10 ** (over_db / 20)
    over = np.abs(bursts.audio) > limit
    flat = np.abs(child.audio[over])
    assert np.ptp(flat) <= 2 / 32768
    rest = ~over & (np.abs(bursts.audio) > 0.01)
    ratios = child.audio[rest] / bursts.audio[rest]
    assert ratios.std() < 0.005  # the rest keeps its shape
    assert 20 * np.log10(child.audio.std() / bursts.audio.std()) == pytest.approx(0, abs=0.1)


def test_soft_clipping_bends_loud_samples_more(bursts):
    child = find_transform("clipping").apply(bursts, ClippingParams("soft", 10.0))
    order = np.argsort(np.abs(bursts.audio))
    heard = order[np.abs(bursts.audio)[order] > 0.01]
    ratio = np.abs(child.audio[heard] / bursts.audio[heard])
    assert ratio[:1000].mean() > 1.5 * ratio[-1000:].mean()
    assert np.all(np.diff(np.abs(child.audio[order]).astype(np.float64)) >= -1 / 32768)
