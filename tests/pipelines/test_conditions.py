from __future__ import annotations

import numpy as np
import pytest

from clips import Clip, Segment
from pipelines.conditions import AS_RECORDED, conditions
from tests.conftest import make_clip


@pytest.fixture
def clip() -> Clip:
    time = np.arange(16000) / 16000
    audio = (0.5 * np.sin(2 * np.pi * 300 * time)).astype(np.float32)
    return make_clip(audio=audio, phones=(Segment("AA", 0, 16000),), words=())


def decibels(audio: np.ndarray) -> float:
    return 10 * np.log10(np.mean(audio.astype(float) ** 2))


def test_every_condition_keeps_the_length_and_the_first_is_the_recording(clip):
    under = conditions((-6.0, 12.0), (10.0,), (0.4,), ((300.0, 3400.0),))
    names = [AS_RECORDED, "-6 dB", "+12 dB", "noise 10 dB", "room 0.4 s", "300-3400 Hz"]
    assert list(under) == names
    assert under[AS_RECORDED](clip) is clip.audio
    for condition in under.values():
        assert condition(clip).shape == clip.audio.shape
        assert condition(clip).dtype == np.float32


def test_gain_is_in_decibels_and_clips_at_full_scale(clip):
    under = conditions((-6.0, 12.0))
    assert decibels(under["-6 dB"](clip)) == pytest.approx(decibels(clip.audio) - 6, abs=0.01)
    assert np.abs(under["+12 dB"](clip)).max() == 1.0


@pytest.mark.parametrize("ratio", [20.0, 5.0])
def test_noise_has_the_level_that_it_says_and_is_the_same_every_time(clip, ratio):
    name = f"noise {ratio:g} dB"
    noisy = conditions((), (ratio,))[name](clip)
    assert decibels(clip.audio) - decibels(noisy - clip.audio) == pytest.approx(ratio, abs=0.1)
    np.testing.assert_array_equal(noisy, conditions((), (ratio,))[name](clip))
    other = conditions((), (ratio,))[name](clip.with_(clip_id="b"))
    assert not np.array_equal(noisy, other)


def test_a_room_starts_with_the_direct_sound_and_rings_on(clip):
    pulse = np.zeros(16000, np.float32)
    pulse[1000] = 0.5
    rung = conditions((), (), (0.4,))["room 0.4 s"](clip.with_(audio=pulse))
    assert rung[1000] == pytest.approx(0.5, abs=1e-5)
    assert np.abs(rung[:1000]).max() < 1e-6
    early, late = decibels(rung[1001:2001]), decibels(rung[1001 + 3200 : 2001 + 3200])
    assert early - late == pytest.approx(30, abs=3), "60 dB in 0.4 s is 30 dB in 0.2 s"


def test_a_telephone_keeps_what_lies_between_its_edges(clip):
    telephone = conditions(bands=[(300.0, 3400.0)])["300-3400 Hz"]
    time = np.arange(16000) / 16000
    for hertz, lost in ((1000, 0), (3400, 6), (300, 6), (6800, 96), (150, 96)):
        tone = (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
        heard = telephone(clip.with_(audio=tone))
        middle = slice(4000, 12000)
        fall = decibels(tone[middle]) - decibels(heard[middle])
        assert fall == pytest.approx(lost, abs=0.2) if lost < 90 else fall > 80
    pulse = np.zeros(16000, np.float32)
    pulse[8000] = 1.0
    assert np.abs(telephone(clip.with_(audio=pulse))).argmax() == 8000, "nothing moves"
