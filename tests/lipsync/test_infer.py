from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clips import read_audio
from lipsync.errors import BadModel
from lipsync.export import save_cherry, save_onnx
from lipsync.infer import SHIPPED_MODEL, CueStream, Model, cues, frame_classes
from lipsync.model import LOOKAHEAD, CherryNet
from visemes.classes import CLASSES, LETTERS
from visemes.cues import to_tsv

# What the command line of Cherry Lip Sync answers for hello.wav, by pictures a second.
HELLO = {
    5: "0.000 X, 1.000 E, 1.200 A, 1.400 C, 1.600 F, 1.800 X",
    30: "0.000 X, 0.833 E, 1.167 A, 1.267 B, 1.300 J, 1.400 C, 1.433 K, 1.567 F, 1.633 A, 1.800 X",
    50: "0.000 X, 0.840 E, 1.140 A, 1.260 B, 1.280 J, 1.400 C, 1.420 K, 1.540 F, 1.620 A, 1.800 X",
}


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def random_net(seed: int = 0) -> CherryNet:
    torch.manual_seed(seed)
    net = CherryNet()
    net.norm.running_mean.normal_(-20, 5)
    net.norm.running_var.uniform_(50, 800)
    torch.nn.init.normal_(net.net[9].weight, std=1.0)
    return net.eval()


@pytest.fixture(params=["torch", "onnx"])
def model(request, tmp_path) -> Model:
    if request.param == "torch":
        return Model.of(random_net())
    save_onnx(random_net(), tmp_path / "net.onnx")
    return Model.load(tmp_path / "net.onnx")


@pytest.mark.parametrize("fps", HELLO)
@pytest.mark.parametrize("kind", ["pt", "onnx"])
def test_cherrys_weights_give_exactly_the_lines_of_its_command_line(cherry, tmp_path, fps, kind):
    model = Model.load(cherry / "model.pt")
    if kind == "onnx":
        save_onnx(model.network.net, tmp_path / "cherry.onnx")
        model = Model.load(tmp_path / "cherry.onnx")
    classes = model.predict(read_audio(cherry / "hello.wav")).argmax(1)
    expected = "".join(line.replace(" ", "\t") + "\n" for line in HELLO[fps].split(", "))
    assert to_tsv(cues(classes, fps)) == expected


@settings(
    max_examples=25, deadline=None, suppress_health_check=["function_scoped_fixture", "too_slow"]
)
@given(samples=st.integers(0, 6000), cuts=st.lists(st.integers(0, 6000), max_size=8))
def test_a_stream_predicts_what_the_whole_file_does(model, samples, cuts):
    audio = noise(samples)
    stream = model.stream()
    pieces = [
        stream.push(piece) for piece in np.split(audio, sorted(min(c, samples) for c in cuts))
    ]
    streamed = np.concatenate([*pieces, stream.finish()])
    np.testing.assert_allclose(streamed, model.predict(audio), atol=2e-6)


def test_a_stream_in_pieces_of_10_ms_predicts_what_the_whole_file_does():
    model = Model.load(SHIPPED_MODEL)
    audio = noise(48_000)
    audio[16_000:24_000] *= 1e-4
    audio[32_000:40_000] = 0
    stream = model.stream()
    pieces = [stream.push(piece) for piece in np.split(audio, len(audio) // 160)]
    streamed = np.concatenate([*pieces, stream.finish()])
    np.testing.assert_allclose(streamed, model.predict(audio), atol=1e-5)


def test_a_graph_with_other_names_streams_too(tmp_path):
    graph = onnx.load(SHIPPED_MODEL)
    for node in graph.graph.node:
        node.input[:] = ["weights" if name == "w1" else name for name in node.input]
    next(a for a in graph.graph.initializer if a.name == "w1").name = "weights"
    onnx.save(graph, tmp_path / "other.onnx")
    streams = [Model.load(path).stream() for path in (SHIPPED_MODEL, tmp_path / "other.onnx")]
    for piece in np.split(noise(8000), 50):
        one, other = (stream.push(piece) for stream in streams)
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_two_streams_of_one_model_do_not_mix(model):
    sounds = [noise(8000, 1), noise(8000, 2)]
    streams = [model.stream(), model.stream()]
    parts = [[], []]
    for at in range(0, 8000, 500):
        for n in (0, 1):
            parts[n].append(streams[n].push(sounds[n][at : at + 500]))
    for n in (0, 1):
        streamed = np.concatenate([*parts[n], streams[n].finish()])
        np.testing.assert_allclose(streamed, model.predict(sounds[n]), atol=2e-6)


def test_the_prediction_for_a_time_is_there_65_ms_later(model):
    stream = model.stream()
    # Output 3, the first that counts, is about time 0.
    assert len(stream.push(noise(65 * 16 - 1))) == 3
    assert len(stream.push(noise(1))) == 1


def test_an_onnx_model_runs_where_torch_is_not_installed(tmp_path):
    save_onnx(random_net(), tmp_path / "net.onnx")
    script = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'soundfile', 'yaml'): sys.modules[name] = None\n"
        "import numpy, lipsync.infer as infer\n"
        "model = infer.Model.load(sys.argv[1])\n"
        "assert model.predict(numpy.zeros(4000, numpy.float32)).shape == (23, 12)\n"
        "print(infer.LOOKAHEAD)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "net.onnx"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(LOOKAHEAD)]


def test_probabilities_of_a_frame_sum_to_one(model):
    probabilities = model.predict(noise(5000))
    assert probabilities.dtype == np.float32 and probabilities.shape == (29, 12)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


def test_frame_classes_take_the_lookahead_out():
    probabilities = np.eye(12, dtype=np.float32)[[6, 6, 6, 5, 0, 7]]
    assert frame_classes(probabilities).tolist() == [5, 0, 7]
    assert frame_classes(probabilities[:2]).tolist() == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("absent.pt", None),
        ("absent.onnx", None),
        ("noise.pt", b"not a model"),
        ("noise.onnx", b"not a model"),
        ("model.h5", b""),
    ],
)
def test_a_file_that_is_no_model_is_named(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadModel, match=name):
        Model.load(tmp_path / name)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(torch.nn.Linear(3, 4).state_dict(), tmp_path / "other.pt")
    with pytest.raises(BadModel, match="other weights"):
        Model.load(tmp_path / "other.pt")
    torch.save([1, 2, 3], tmp_path / "list.pt")
    with pytest.raises(BadModel, match="more than named tensors"):
        Model.load(tmp_path / "list.pt")


def test_weights_survive_being_saved_and_loaded(tmp_path):
    net = random_net()
    save_cherry(net, tmp_path / "a.pt")
    audio = noise(5000)
    loaded = Model.load(tmp_path / "a.pt")
    np.testing.assert_array_equal(loaded.predict(audio), Model.of(net).predict(audio))


def test_a_shape_of_one_picture_is_held_for_a_second_one_by_the_filter():
    # At 100 pictures a second every frame is a picture: X, A for one picture, E, X.
    classes = np.array([6] * 3 + [6, 6, 5, 7, 7, 6, 6])
    plain = cues(classes, 100)
    assert [(round(t, 3), letter) for t, letter in plain] == [
        (0.0, "X"), (0.02, "A"), (0.03, "E"), (0.05, "X"),
    ]  # fmt: skip
    held = cues(classes, 100, filter=True)
    assert [(round(t, 3), letter) for t, letter in held] == [
        (0.0, "X"), (0.02, "A"), (0.04, "E"), (0.06, "X"),
    ]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    classes=st.lists(st.integers(0, 11), max_size=120),
    fps=st.sampled_from([5.0, 12.5, 24.0, 30.0, 50.0, 60.0, 100.0]),
)
def test_the_filter_holds_every_shape_for_two_pictures_unless_lips_close(classes, fps):
    track = cues(classes, fps, filter=True)
    for (early, _), (late, letter) in pairwise(track):
        assert late - early > 1.9 / fps or letter in "AG"


@settings(max_examples=100, deadline=None)
@given(classes=st.lists(st.integers(0, 11), max_size=120))
def test_the_filter_holds_no_closure_back(classes):
    shown = cues(classes, 100, filter=True)
    for start in [time for time, letter in cues(classes, 100) if letter == "A"]:
        assert [letter for time, letter in shown if time <= start][-1] == "A"


@settings(max_examples=100, deadline=None)
@given(
    classes=st.lists(st.integers(0, 11), max_size=300),
    fps=st.floats(0.5, 200),
    hold=st.booleans(),
)
def test_cues_rise_in_time_and_never_repeat_a_shape(classes, fps, hold):
    track = cues(classes, fps, filter=hold)
    assert all(a[0] < b[0] and a[1] != b[1] for a, b in pairwise(track))
    assert not track or track[0][0] == 0.0


@given(
    classes=st.lists(st.integers(0, 11), max_size=120),
    cuts=st.lists(st.integers(0, 120), max_size=6),
    fps=st.sampled_from([5, 10, 23.976, 24, 25, 30, 60, 100, 333.3]),
    hold=st.booleans(),
)
def test_cues_of_pieces_are_those_of_the_whole(classes, cuts, fps, hold):
    stream = CueStream(fps, filter=hold)
    for _ in range(2):  # after the end it starts afresh
        places = sorted({0, *cuts, len(classes)})
        track = [c for a, b in pairwise(places) for c in stream.push(classes[a:b])]
        assert track + stream.finish() == cues(classes, fps, filter=hold)


def test_halves_are_rounded_up():
    # At 40 pictures a second picture 1 is at 2.5 frames, which is frame 3, never frame 2.
    classes = np.arange(11)
    assert [letter for _, letter in cues(classes, 40)][:2] == [LETTERS[CLASSES[k]] for k in (3, 6)]


def test_a_sound_too_short_for_the_lookahead_has_no_cues():
    assert cues([], 30) == [] and cues([1, 2, 3], 30) == []


@pytest.mark.parametrize("fps", [0, -1, 1001, float("nan")])
def test_a_frame_rate_that_makes_no_sense_is_refused(fps):
    with pytest.raises(ValueError, match="fps"):
        cues([1] * 10, fps)
