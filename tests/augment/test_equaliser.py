from __future__ import annotations

import numpy as np
import pytest

from augment import find_transform
from augment.equaliser import OCTAVES, EqualiserParams, make_curve
from augment.filters import HERTZ, REACH, shape_spectrum
from clips import BadParams

FLAT = {"low_db": 0, "low_hz": 200, "high_db": 0, "high_hz": 3000}


def test_a_filter_is_symmetric_so_nothing_moves():
    click = np.zeros(3000)
    click[1500] = 1
    gains = make_curve(EqualiserParams([9, -9, 6, -6, 9, -9, 6, -6], 8, 150, -8, 4000))
    answer = shape_spectrum(click, gains)
    assert np.allclose(answer[1500:], answer[1500::-1][: len(answer[1500:])], atol=1e-12)
    assert np.abs(answer).argmax() == 1500
    assert np.abs(answer[: 1500 - REACH]).max() < 1e-12
    assert len(shape_spectrum(np.ones(5), gains)) == 5


def test_no_gain_changes_nothing(speech):
    same = shape_spectrum(speech[0].audio, np.zeros(len(HERTZ)))
    assert np.allclose(same, speech[0].audio, atol=1e-7)


def test_gains_are_those_that_were_asked_for():
    noise = np.random.default_rng(0).normal(0, 0.1, 320_000)
    params = EqualiserParams([0, -3, 6, 0, -6, 3, 0, -9], **FLAT)
    after = shape_spectrum(noise, make_curve(params))
    hertz = np.fft.rfftfreq(len(noise), 1 / 16000)
    ratio = np.abs(np.fft.rfft(after)) ** 2 / np.abs(np.fft.rfft(noise)) ** 2
    for octave, gain in list(zip(OCTAVES, params.curve_db))[2:-1]:
        near = (hertz > octave * 0.97) & (hertz < octave * 1.03)
        assert 10 * np.log10(ratio[near].mean()) == pytest.approx(gain, abs=0.7)


def test_shelves_have_half_their_gain_at_their_frequency():
    curve = make_curve(EqualiserParams([0] * 8, 8, 250, -6, 4000))
    assert curve[0] == pytest.approx(8, abs=0.1)
    assert np.interp(250, HERTZ, curve) == pytest.approx(4, abs=0.1)
    assert np.interp(4000, HERTZ, curve) == pytest.approx(-3, abs=0.1)


def test_the_level_stays(speech):
    equaliser = find_transform("equaliser")
    child = equaliser.apply(speech[0], equaliser.draw(np.random.default_rng(1), speech[0]))
    assert 20 * np.log10(child.audio.std() / speech[0].audio.std()) == pytest.approx(0, abs=0.1)


def test_wrong_parameters_are_named():
    with pytest.raises(BadParams, match="curve_db"):
        EqualiserParams([0] * 7, **FLAT)
    with pytest.raises(BadParams, match="low_hz"):
        find_transform("equaliser", {"low_hz": [10, 100]})
