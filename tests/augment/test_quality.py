from __future__ import annotations

import numpy as np
import pytest

from augment import QualityLimits, find_fault, find_transform
from augment.quality import spectral_distance
from augment.voice import VoiceParams
from clips import BadParams, draw_stream, to_grid


@pytest.mark.parametrize("name", ["world", "praat"])
def test_children_of_the_usual_settings_pass(name, speech):
    transform = find_transform(name)
    for clip in speech:
        stream = draw_stream(1, name, clip.clip_id)
        for _ in range(2):
            assert find_fault(clip, transform.apply(clip, transform.draw(stream, clip))) is None


@pytest.fixture(scope="module")
def pair(speech):
    return speech[0], find_transform("world").apply(speech[0], VoiceParams(0.9, 2, 1.0))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda x: x[:-400], "wrong length"),
        (lambda x: np.clip(x * 20, -1, 0.99997), "clipped"),
        (lambda x: x * 0.3, "level changed: by -10.5 dB"),
        (lambda x: x[::-1], "sounds different"),
        (lambda x: np.roll(x, 2400), "sounds different"),
        (
            lambda x: 0.7 * (x + np.random.default_rng(0).normal(0, x.std(), len(x))),
            "sounds different",
        ),
    ],
)
def test_a_spoilt_child_is_rejected_with_its_reason(pair, spoil, reason):
    parent, child = pair
    spoilt = child.with_(audio=to_grid(spoil(child.audio.astype(np.float64))))
    assert find_fault(parent, child) is None
    assert reason in find_fault(parent, spoilt)


def test_distance_is_nothing_to_itself_and_large_to_another_sentence(speech):
    assert spectral_distance(speech[0], speech[0]) == 0
    assert spectral_distance(speech[0], speech[1]) > 7


def test_limits_below_zero_are_refused():
    with pytest.raises(BadParams, match="max_level_db"):
        QualityLimits(max_level_db=-1)
