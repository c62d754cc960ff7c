from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clips import BadAudio, from_flac, read_audio, to_flac, to_grid


@given(arrays(np.float64, st.integers(1, 3000), elements=st.floats(-2, 2)))
def test_flac_returns_every_sample_on_the_grid(samples):
    grid = to_grid(samples)
    assert np.array_equal(from_flac(to_flac(grid)), grid)


@given(arrays(np.float64, 100, elements=st.floats(-1, 0.99996)))
def test_the_grid_moves_no_sample_by_more_than_half_a_step(samples):
    assert np.abs(to_grid(samples) - samples).max() <= 0.5 / 32768 + 1e-9


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (8000, 1), (48000, 1)])
def test_any_format_rate_and_channel_count_becomes_mono_16_khz(tmp_path, suffix, rate, channels):
    time = np.arange(rate) / rate
    tone = np.sin(2 * np.pi * 440 * time)[:, None].repeat(channels, 1) * 0.5
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone, rate)
    audio = read_audio(path)
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    assert abs(len(audio) - 16000) < 3000  # MP3 pads; the others are within a sample
    middle = audio[4000:12000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(spectrum.argmax() * 2 - 440) <= 4
    assert 0.4 < np.abs(middle).max() < 0.6


def test_channels_are_averaged(tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.array([[0.5, -0.5]] * 100), 16000)
    assert np.abs(read_audio(path)).max() < 1e-4


def write(path, data: bytes):
    path.write_bytes(data)
    return path


def test_bad_files_are_named_with_a_remedy(tmp_path):
    good = tmp_path / "good.wav"
    soundfile.write(good, np.zeros(16000), 16000)
    whole = good.read_bytes()
    empty = tmp_path / "empty.wav"
    soundfile.write(empty, np.zeros(0), 16000)
    odd = bytearray(whole)
    odd[24:28] = (2**31 - 1).to_bytes(4, "little")
    cases = {
        "missing.wav": (tmp_path / "missing.wav", "cannot be read"),
        "noise.wav": (write(tmp_path / "noise.wav", b"not audio at all" * 9), "cannot be read"),
        "zero.wav": (write(tmp_path / "zero.wav", b""), "cannot be read"),
        "empty.wav": (empty, "no samples"),
        "rate.wav": (write(tmp_path / "rate.wav", bytes(odd)), "rate"),
    }
    for name, (path, words) in cases.items():
        with pytest.raises(BadAudio, match=words) as caught:
            read_audio(path)
        assert name in str(caught.value)
        assert caught.value.remedy


def test_a_truncated_flac_is_refused(tmp_path):
    path = tmp_path / "cut.flac"
    noise = np.random.default_rng(1).normal(0, 0.1, 160_000)
    soundfile.write(path, noise, 16000)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(BadAudio, match=r"cut\.flac"):
        read_audio(path)


def test_a_recording_that_is_too_long_is_refused_while_reading(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(16000 * 3), 16000)
    with pytest.raises(BadAudio, match="longer than 2 s"):
        read_audio(path, max_seconds=2)


def test_samples_that_are_not_finite_are_refused(tmp_path):
    path = tmp_path / "nan.wav"
    soundfile.write(path, np.array([0.0, np.nan, 0.1]), 16000, subtype="FLOAT")
    with pytest.raises(BadAudio, match="not finite"):
        read_audio(path)
