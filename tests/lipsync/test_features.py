from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal.windows import hann

from lipsync.features import (
    FeatureStream,
    deltas,
    features,
    frame_count,
    inner_deltas,
    mel,
    with_deltas,
)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def textbook_mel(audio: np.ndarray) -> np.ndarray:
    """The definition, frame by frame and bin by bin: slow, with nothing clever."""
    top = 2595 * np.log10(1 + 8000 / 700)
    edges = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(0, top, 15)]
    bank = np.zeros((13, 201))
    for band in range(13):
        low, middle, high = edges[band : band + 3]
        for k in range(201):
            hertz = k * 40.0
            up, down = (hertz - low) / (middle - low), (high - hertz) / (high - middle)
            bank[band, k] = max(0.0, min(up, down))
    rows = []
    for start in range(0, len(audio) - 399, 160):
        cut = audio[start : start + 400].astype(np.float64) * hann(400, sym=False)
        angles = -2j * np.pi * np.outer(np.arange(201), np.arange(400)) / 400
        rows.append(bank @ np.abs(np.exp(angles) @ cut) ** 2)
    return 10 * np.log10(np.maximum(rows, 1e-10))


def test_mel_bands_are_the_textbook_definition():
    np.testing.assert_allclose(mel(noise(2000)), textbook_mel(noise(2000)), atol=1e-4)


def test_a_tone_lies_in_the_band_around_its_frequency():
    tone = np.sin(2 * np.pi * 1000 * np.arange(4000) / 16000).astype(np.float32)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 15) / 2595) - 1)
    loudest = int(mel(tone)[5].argmax())
    assert edges[loudest] < 1000 < edges[loudest + 2]


@pytest.mark.parametrize("samples", [0, 1, 399, 400, 401, 559, 560, 561, 16000])
def test_the_number_of_frames_is_the_rule_of_the_command_line(samples):
    assert frame_count(samples) == max(0, -((399 - samples) // 160))
    assert features(noise(samples)).shape == (frame_count(samples), 26)


def test_digital_silence_is_at_minus_100_db():
    assert (mel(np.zeros(1000, np.float32)) == -100).all()


def test_a_delta_counts_frames_outside_the_sound_as_0_db():
    bands = np.array([[-10.0], [-20.0], [-40.0], [-80.0]], np.float32)
    x = dict(enumerate(bands[:, 0]))
    expected = [
        0.5 * (x.get(i, 0) + x.get(i + 1, 0) - x.get(i - 1, 0) - x.get(i - 2, 0)) for i in range(4)
    ]
    np.testing.assert_array_equal(deltas(bands)[:, 0], expected)


def test_deltas_of_a_batch_of_tensors_are_those_of_the_arrays():
    bands = np.random.default_rng(1).normal(-20, 10, (3, 40, 13)).astype(np.float32)
    padded = torch.nn.functional.pad(torch.from_numpy(bands), (0, 0, 2, 1))
    for got, one in zip(inner_deltas(padded).numpy(), bands):
        np.testing.assert_array_equal(got, deltas(one))


def test_features_are_the_bands_and_then_their_deltas():
    audio = noise(3000)
    np.testing.assert_array_equal(features(audio)[:, :13], mel(audio))
    np.testing.assert_array_equal(features(audio)[:, 13:], deltas(mel(audio)))
    np.testing.assert_array_equal(with_deltas(mel(audio)), features(audio))


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(0, 4000),
    cuts=st.lists(st.integers(0, 4000), max_size=12),
    seed=st.integers(0, 5),
)
def test_a_stream_gives_the_same_bits_however_the_sound_is_cut(samples, cuts, seed):
    audio = noise(samples, seed)
    stream = FeatureStream()
    pieces = [
        stream.push(piece) for piece in np.split(audio, sorted(min(c, samples) for c in cuts))
    ]
    np.testing.assert_array_equal(np.concatenate([*pieces, stream.finish()]), features(audio))


def test_a_stream_starts_afresh_after_its_end():
    stream = FeatureStream()
    for seed in (1, 2):
        audio = noise(1500, seed)
        out = np.concatenate([stream.push(audio), stream.finish()])
        np.testing.assert_array_equal(out, features(audio))


def test_a_frame_comes_out_as_soon_as_the_next_one_is_complete():
    stream = FeatureStream()
    assert len(stream.push(noise(559))) == 0
    assert len(stream.push(noise(1))) == 1


def test_long_sounds_are_analysed_in_blocks_without_a_seam():
    audio = noise(2100 * 160)
    np.testing.assert_array_equal(mel(audio)[2000:], mel(audio[2000 * 160 :]))
