from __future__ import annotations

import numpy as np
import pytest

from augment import QualityLimits, find_fault, find_transform
from augment.quality import (
    frame_distances,
    phone_distances,
    spectral_distance,
    voicing_difference,
)
from augment.voice import VoiceParams, voice_map
from augment.world import WorldParams, analyse, load_pyworld
from clips import BadParams, draw_stream, to_grid
from tests.augment.conftest import buzz

WIDE = {"tempo": [0.7, 1.4], "semitones": [-6, 6], "uneven": [0, 2], "pitch_range": [0.3, 1.5],
        "pitch_median": [100, 220]}  # fmt: skip


@pytest.mark.parametrize("settings", [{}, WIDE])
@pytest.mark.parametrize("name", ["world", "praat"])
def test_children_of_the_usual_settings_pass(name, settings, speech):
    transform = find_transform(name, settings)
    for clip in speech:
        stream = draw_stream(1, name, clip.clip_id)
        for _ in range(2):
            assert find_fault(clip, transform.apply(clip, transform.draw(stream, clip))) is None


PARAMS = WorldParams(0.9, 2.0, 1.1, uneven=1.0)


@pytest.fixture(scope="module")
def pair(speech):
    return speech[0], find_transform("world").apply(speech[0], PARAMS)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda x: x[:-400], "wrong length"),
        (lambda x: np.clip(x * 20, -1, 0.99997), "clipped"),
        (lambda x: x * 0.3, "level changed: by -10.5 dB"),
        (lambda x: x[::-1], "sounds different"),
        (lambda x: np.roll(x, 2400), "sounds different"),
        (lambda x: np.where(np.arange(len(x)) // 800 % 2, x, 0), "sounds different"),
        (lambda x: np.random.default_rng(0).normal(0, x.std(), len(x)), "sounds different"),
    ],
)
def test_a_spoilt_child_is_rejected_with_its_reason(pair, spoil, reason):
    parent, child = pair
    spoilt = child.with_(audio=to_grid(spoil(child.audio.astype(np.float64))))
    assert find_fault(parent, child) is None
    assert reason in find_fault(parent, spoilt)


def test_a_single_phone_that_is_gone_is_found(pair):
    parent, child = pair
    long = [p for p in child.phones if p.label in ("AE", "AO", "IY", "S") and p.samples >= 1200]
    assert len(long) >= 3
    only_phones = QualityLimits(max_distance_db=6.0)
    for phone in long:
        audio = child.audio.copy()
        audio[phone.start + 160 : phone.end - 160] *= 1e-3
        gone = child.with_(audio=to_grid(audio))
        assert find_fault(parent, gone)
        fault = find_fault(parent, gone, only_phones)
        assert fault.startswith("phones lost: ")
        assert f" {phone.label} at " in fault


def test_a_voice_that_has_become_a_whisper_is_found(pair):
    parent, child = pair
    found = analyse(child)
    envelope = np.exp(found.envelope).astype(np.float64, order="C")
    sound = load_pyworld().synthesize(
        np.zeros_like(found.f0), envelope, np.ones(envelope.shape), 16000, 5.0
    )[: len(child)]
    sound *= child.audio.std() / sound.std()
    fault = find_fault(parent, child.with_(audio=to_grid(np.clip(sound, -1, 0.999))))
    assert fault.startswith("voicing differs: ")


def test_a_hum_where_there_was_noise_counts_as_another_voicing(bursts):
    audio = bursts.audio.copy()
    for phone in bursts.phones:
        if phone.label == "S":
            audio[phone.start : phone.end] = buzz(phone.samples, 120.0)
    moved = voice_map(bursts, VoiceParams())
    loud = frame_distances(bursts, bursts, moved)[1]
    assert voicing_difference(bursts, bursts, moved, loud) == 0
    assert voicing_difference(bursts, bursts.with_(audio=to_grid(audio)), moved, loud) > 0.7


def test_distance_is_nothing_to_itself_and_large_to_another_sentence(speech):
    assert spectral_distance(speech[0], speech[0]) == 0
    assert spectral_distance(speech[0], speech[1]) > 6


def test_phones_shorter_than_the_window_are_not_judged(speech):
    distances = np.zeros(len(speech[0]) // 160 + 1)
    judged = phone_distances(speech[0], distances)
    spoken = [p for p in speech[0].phones if p.label != "SIL"]
    assert len(judged) == sum(p.samples >= 640 for p in spoken) < len(spoken)


def test_uneven_tempo_is_undone_before_clips_are_compared(pair):
    parent, child = pair
    assert abs(len(child) - voice_map(parent, PARAMS).length) == 0
    assert len(child) != round(len(parent) / 0.9)
    assert find_fault(parent, child) is None


@pytest.mark.parametrize("key", ["max_level_db", "max_lost", "max_voicing", "max_phone_db"])
def test_limits_below_zero_are_refused(key):
    with pytest.raises(BadParams, match=key):
        QualityLimits(**{key: -1})
    with pytest.raises(BadParams, match=key):
        QualityLimits(**{key: float("nan")})
