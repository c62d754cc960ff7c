from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
import torch

from align.acoustic import BANDS, FRAME, AcousticModel, acoustic_features, load_model
from align.sounds import STATE_COUNT, number_of, state_of
from align.training import (
    AcousticNet,
    AcousticParams,
    augment,
    centred,
    collect,
    frame_states,
    train,
)
from clips import BadInput, Clip, EngineMissing, Segment, to_grid
from lipsync.frame_file import FrameFile


def network_of(model: AcousticModel) -> AcousticNet:
    """A new network with a model's weights, without dropout."""
    network = AcousticNet(len(model.weights["first.bias"]))
    network.load_state_dict({n: torch.tensor(array) for n, array in model.weights.items()})
    return network


SMALL = AcousticParams(epochs=2, batch=4, frames=100, channels=16)


def tones(phones, seed=1) -> Clip:
    """A clip of (phone, samples): a tone of its own for each phone, silence for SIL."""
    rng = np.random.default_rng(seed)
    audio, segments, at = [], [], 0
    for phone, samples in phones:
        pitch = 200 + 37 * sum(map(ord, phone)) % 3000
        tone = 0.3 * np.sin(2 * np.pi * pitch * np.arange(samples) / 16_000)
        audio.append(tone * (phone != "SIL") + 1e-4 * rng.standard_normal(samples))
        segments.append(Segment(phone, at, at + samples))
        at += samples
    return Clip(
        clip_id=f"tones{seed}",
        audio=to_grid(np.concatenate(audio)),
        text="",
        language="en",
        speaker="t",
        source="t",
        licence="CC0-1.0",
        attribution="",
        timing="exact",
        phones=tuple(segments),
    )


@pytest.fixture(scope="module")
def speech():
    order = "SIL AA S IY M AA SIL N IY S AA SIL".split()
    return collect(tones([(p, 1600 + 80 * n) for n, p in enumerate(order)], k) for k in range(6))


@pytest.fixture(scope="module")
def model(speech):
    return train(speech, SMALL, 1)


def test_a_frame_sees_the_sound_around_its_middle():
    audio = np.zeros(8000, np.float32)
    audio[50 * FRAME + FRAME // 2] = 0.5
    level = acoustic_features(audio).mean(axis=1)
    assert level.argmax() == 50
    assert level[49] == pytest.approx(level[51], abs=0.3)
    assert len(level) == 100
    assert len(acoustic_features(audio[:7921])) == 100


def test_states_follow_the_phones():
    clip = tones([("SIL", 1600), ("AA", 2400), ("S", 2400), ("SIL", 1600)])
    silence, a, s = 0, number_of("ɑ"), number_of("s")
    expected = np.repeat([state_of(n, k) for n in (a, s) for k in (0, 1, 2)], 10)
    expected = np.concatenate([[silence] * 20, expected, [silence] * 20])
    found = frame_states(clip)
    assert len(found) == len(expected)
    assert [k for k, _ in groupby(found)] == [k for k, _ in groupby(expected)]
    assert (found != expected).sum() <= 7  # a frame at each change: the sound decides within 15 ms


def test_a_stop_is_divided_at_its_burst_and_gives_its_noise_to_a_fricative():
    rng = np.random.default_rng(1)
    clip = tones([("AA", 3200), ("T", 2400), ("S", 2400)])
    audio = clip.audio.copy()
    audio[3200:4800] = 0  # the closure; from there on the noise of release and fricative
    audio[4800:] = 0.1 * rng.standard_normal(3200)
    states = frame_states(clip.with_(audio=to_grid(audio)))
    t, s = number_of("t"), number_of("s")
    assert set(states[42:58]) == {state_of(t, 0)}
    assert set(states[63:70]) == {state_of(s, 0)}  # the fricative begins 10 ms after the burst


def test_training_learns_and_is_the_same_twice(speech, model):
    losses = []
    again = train(speech, SMALL, 1, lambda epoch, loss: losses.append(loss))
    assert losses[-1] < losses[0]
    assert again.to_bytes() == model.to_bytes()
    assert train(speech, SMALL, 2).digest != model.digest


def test_a_run_that_was_stopped_goes_on_to_the_same_model(speech, tmp_path):
    class Killed(Exception):
        pass

    def stop(epoch, loss):
        if epoch == 1:
            raise Killed

    params, epochs, straight = replace(SMALL, epochs=4), [], []
    with pytest.raises(Killed):
        train(speech, params, 1, stop, tmp_path)
    resumed = train(speech, params, 1, lambda *row: epochs.append(row), tmp_path)
    undisturbed = train(speech, params, 1, lambda *row: straight.append(row))
    assert resumed.to_bytes() == undisturbed.to_bytes()
    assert epochs == straight


def test_a_checkpoint_of_another_run_is_not_used_and_a_damaged_one_named(speech, model, tmp_path):
    louder = replace(speech, mel=speech.mel + 1)
    for other, params, seed in (
        (speech, SMALL, 2), (speech, replace(SMALL, tract=0.2), 1), (louder, SMALL, 1)
    ):  # fmt: skip
        train(other, params, seed, checkpoints=tmp_path)
    assert train(speech, SMALL, 1, checkpoints=tmp_path).to_bytes() == model.to_bytes()
    files = list(tmp_path.iterdir())
    assert len(files) == 4
    for file in files:
        file.write_bytes(b"half a file")
    with pytest.raises(BadInput, match="cannot be read as a checkpoint"):
        train(speech, SMALL, 1, checkpoints=tmp_path)


def test_frames_in_a_file_give_the_same_model(speech, model):
    order = "SIL AA S IY M AA SIL N IY S AA SIL".split()
    clips = (tones([(p, 1600 + 80 * n) for n, p in enumerate(order)], k) for k in range(6))
    filed = collect(clips, FrameFile(BANDS, np.float16))
    assert filed.minutes == speech.minutes
    assert filed.digest() == speech.digest()
    assert train(filed, SMALL, 1).to_bytes() == model.to_bytes()


def test_random_numbers_of_others_are_left_alone(speech):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train(speech, replace(SMALL, epochs=1), 1)
    assert torch.rand(1) == expected


def test_augmentation_keeps_shape_and_stays_finite(speech):
    rng = torch.Generator().manual_seed(1)
    mel = torch.from_numpy(speech.mel[:400].astype(np.float32)).view(2, 200, 40)
    states = torch.from_numpy(speech.states[:400].astype(np.int64)).view(2, 200)
    inside = torch.ones(2, 200, dtype=torch.bool)
    inside[1, 50:] = False
    out = augment(mel, states, inside, SMALL, rng)
    assert out.shape == mel.shape
    assert torch.isfinite(out).all()
    assert not torch.allclose(out[0], mel[0])
    other = augment(mel, states, inside, SMALL, torch.Generator().manual_seed(2))
    assert not torch.allclose(out, other)


@pytest.mark.parametrize("samples", [800, 8000, 8001, 8079, 8081])
def test_posteriors_are_probabilities_of_every_frame(model, samples):
    audio = np.random.default_rng(1).normal(0, 0.1, samples).astype(np.float32)
    posteriors = model.log_posteriors(audio)
    assert posteriors.shape == (-(-samples // FRAME), STATE_COUNT)
    assert np.exp(posteriors).sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_posteriors_are_those_of_the_network_that_was_trained(model):
    audio = np.random.default_rng(1).normal(0, 0.1, 48_000).astype(np.float32)
    mel = torch.from_numpy(acoustic_features(audio))[None]
    with torch.inference_mode():
        inside = torch.ones(mel.shape[:2], dtype=torch.bool)
        scores = network_of(model).eval()(centred(mel, inside))
        expected = torch.log_softmax(scores, dim=2)[0].numpy()
    assert np.abs(model.log_posteriors(audio) - expected).max() < 1e-4


def test_posteriors_do_not_depend_on_the_number_of_threads(model, tmp_path):
    model.save(tmp_path / "model.npz")
    code = (
        "import sys, numpy as np; from align.acoustic import load_model;"
        "audio = np.random.default_rng(1).normal(0, 0.1, 48_000).astype(np.float32);"
        "sys.stdout.buffer.write(load_model(sys.argv[1]).log_posteriors(audio).tobytes())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, tmp_path / "model.npz"],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "4")
    }
    assert len(found) == 1


def test_reading_a_model_needs_no_torch():
    code = "import sys, align.neural; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_loudness_does_not_matter(model):
    audio = np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32)
    assert np.allclose(model.log_posteriors(audio), model.log_posteriors(audio / 8), atol=0.01)


def test_a_saved_model_is_the_same_and_its_bytes_too(model, tmp_path):
    path = tmp_path / "folder" / "model.npz"
    model.save(path)
    loaded = load_model(path)
    assert loaded.digest == model.digest
    assert loaded.to_bytes() == path.read_bytes()
    audio = np.random.default_rng(1).normal(0, 0.1, 8000).astype(np.float32)
    assert np.array_equal(loaded.log_posteriors(audio), model.log_posteriors(audio))


def test_a_missing_model_says_how_to_make_it(tmp_path):
    with pytest.raises(EngineMissing, match=r"pipelines\.acoustic"):
        load_model(tmp_path / "none.npz")


@pytest.mark.parametrize("damage", ["empty", "cut", "other", "sounds"])
def test_a_damaged_model_is_named(model, tmp_path, damage):
    path = tmp_path / "model.npz"
    model.save(path)
    data = path.read_bytes()
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "other":
        np.savez(path, weights=np.zeros(3))
    else:
        with np.load(path) as file:
            arrays = dict(file)
        np.savez(path, **{**arrays, "sounds": arrays["sounds"][::-1]})
    with pytest.raises(BadInput, match=r"model\.npz"):
        load_model(path)


def test_nothing_to_train_on_is_an_error():
    with pytest.raises(BadInput, match="no speech"):
        collect([])


@pytest.mark.parametrize("wrong", [{"frames": 101}, {"epochs": 0}, {"channels": 0}])
def test_impossible_parameters_are_refused(wrong):
    with pytest.raises(ValueError):
        AcousticParams(**wrong)


def test_the_network_keeps_the_number_of_frames():
    out = AcousticNet(channels=8)(torch.zeros(2, 64, 40))
    assert out.shape == (2, 64, STATE_COUNT)
