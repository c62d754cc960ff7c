from __future__ import annotations

import numpy as np
import pytest

from augment import find_transform
from augment.band import BANDS, BandParams
from clips import BadParams, to_grid


def level(audio: np.ndarray, low: float, high: float) -> float:
    """Power between two frequencies (Hz), in dB."""
    hertz = np.fft.rfftfreq(len(audio), 1 / 16000)
    power = np.abs(np.fft.rfft(audio.astype(np.float64))) ** 2
    return 10 * np.log10(power[(hertz >= low) & (hertz < high)].mean())


@pytest.fixture(scope="module")
def hiss(bursts):
    audio = np.random.default_rng(0).normal(0, 0.05, 64000)
    return bursts.with_(audio=to_grid(audio), phones=(), words=(), ipa=(), visemes=(),
                        timing="none")  # fmt: skip


def test_edges_lie_3_db_down_and_fall_by_the_slope(hiss):
    sound = find_transform("band").apply(hiss, BandParams(400, 3000, 24)).audio
    middle = level(sound, 900, 1400)
    assert level(sound, 385, 415) - middle == pytest.approx(-3, abs=1)
    assert level(sound, 2950, 3050) - middle == pytest.approx(-3, abs=1)
    assert level(sound, 5950, 6050) - middle == pytest.approx(-24, abs=1.5)
    assert level(sound, 195, 205) - middle == pytest.approx(-24, abs=3)


def test_a_telephone_takes_bass_and_treble_away(hiss):
    band = find_transform("band", {"bands": ["telephone"], "spread": 0, "slope": [48, 48]})
    params = band.draw(np.random.default_rng(0), hiss)
    assert (params.low, params.high) == BANDS["telephone"]
    sound = band.apply(hiss, params).audio
    assert level(sound, 50, 120) < level(sound, 500, 3000) - 30
    assert level(sound, 5500, 8000) < level(sound, 500, 3000) - 25


def test_edges_are_drawn_within_the_spread(hiss):
    band = find_transform("band", {"bands": ["laptop"], "spread": 0.5})
    drawn = [band.draw(np.random.default_rng(n), hiss) for n in range(100)]
    assert all(
        200 / 1.42 < p.low < 200 * 1.42 and 6000 / 1.42 < p.high < 6000 * 1.42 for p in drawn
    )
    assert len({p.low for p in drawn}) > 30


def test_an_unknown_band_is_named():
    with pytest.raises(BadParams, match="bands has 'radio'"):
        find_transform("band", {"bands": ["radio"]})
