from __future__ import annotations

import argparse
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

from clips import BadAudio, BadInput
from lipsync.command import add_arguments, answer_stream, run
from lipsync.export import save_cherry, save_onnx
from lipsync.infer import Model
from lipsync.model import CherryNet
from visemes.cues import read_json, read_tsv


def visemill_lipsync(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a model in its usual place, and two recordings."""
    torch.manual_seed(0)
    net = CherryNet()
    net.norm.running_mean.fill_(-10)
    net.norm.running_var.fill_(100)
    for weights in (net.net[4].weight_ih_l0, net.net[7].weight_ih_l0, net.net[9].weight):
        torch.nn.init.normal_(weights, std=1.0)  # the mouth should move a lot
    save_onnx(net, tmp_path / "models" / "visemill.onnx")
    save_cherry(net, tmp_path / "net.pt")
    for name, rate in (("a.wav", 16000), ("b.flac", 44100)):
        sound = np.random.default_rng(rate).uniform(-0.5, 0.5, rate)
        soundfile.write(tmp_path / name, sound, rate)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_cherrys_model_answers_its_own_test_recording_on_standard_output(cherry, capsys):
    assert visemill_lipsync(cherry / "hello.wav", "--model", cherry / "model.pt") == 0
    assert capsys.readouterr().out == (
        "0.000\tX\n0.833\tE\n1.167\tA\n1.267\tB\n1.300\tJ\n"
        "1.400\tC\n1.433\tK\n1.567\tF\n1.633\tA\n1.800\tX\n"
    )


def test_both_kinds_of_model_file_give_the_same_cues(folder, capsys):
    visemill_lipsync("a.wav")
    default = capsys.readouterr().out
    visemill_lipsync("a.wav", "--model", "net.pt")
    assert capsys.readouterr().out == default and default.startswith("0.000\t")


def test_several_recordings_go_into_a_folder(folder):
    assert visemill_lipsync("a.wav", "b.flac", "-o", "cues", "--fps", "24") == 0
    assert sorted(p.name for p in (folder / "cues").iterdir()) == ["a.tsv", "b.tsv"]
    assert read_tsv(folder / "cues" / "b.tsv")[0][0] == 0.0


def test_json_says_rate_and_length_and_holds_the_same_track(folder):
    visemill_lipsync("b.flac", "--format", "json", "-o", "b.json", "--fps", "25")
    visemill_lipsync("b.flac", "-o", "b.tsv", "--fps", "25")
    about = json.loads((folder / "b.json").read_text())
    assert (about["fps"], about["seconds"]) == (25.0, 1.0)
    assert read_json(folder / "b.json") == read_tsv(folder / "b.tsv")


def test_the_filter_makes_fewer_cues(folder, capsys):
    visemill_lipsync("a.wav", "--fps", "100")
    plain = len(capsys.readouterr().out.splitlines())
    visemill_lipsync("a.wav", "--fps", "100", "--filter")
    assert len(capsys.readouterr().out.splitlines()) < plain


def test_a_recording_shorter_than_a_frame_leaves_the_mouth_at_rest(folder, capsys):
    soundfile.write("short.wav", np.zeros(200), 16000)
    assert visemill_lipsync("short.wav") == 0
    assert capsys.readouterr().out == "0.000\tX\n"


def test_without_a_model_of_its_own_the_one_that_comes_with_the_package_answers(folder, capsys):
    visemill_lipsync("a.wav")
    own = capsys.readouterr().out
    (folder / "models" / "visemill.onnx").unlink()
    assert visemill_lipsync("a.wav") == 0
    assert capsys.readouterr().out != own


def test_a_folder_stands_for_its_recordings(folder):
    (folder / "notes.txt").write_text("no sound")
    assert visemill_lipsync(folder, "-o", "cues") == 0
    assert sorted(p.name for p in (folder / "cues").iterdir()) == ["a.tsv", "b.tsv"]
    (folder / "empty").mkdir()
    with pytest.raises(BadInput, match="empty: holds no recordings"):
        visemill_lipsync("empty", "-o", "cues")


@pytest.mark.parametrize("filter", [[], ["--filter"]])
def test_raw_sound_from_standard_input_gets_the_lines_of_the_file(folder, capsysbinary, filter):
    sound, _ = soundfile.read(folder / "a.wav", dtype="int16")
    soundfile.write("c.wav", sound, 16000)
    visemill_lipsync("c.wav", "--fps", 24, *filter)
    expected = capsysbinary.readouterr().out
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.command", "lipsync", "-", "--fps", "24", *filter],
        input=sound.tobytes() + b"\0",  # half a sample too much
        stdout=subprocess.PIPE,
        check=True,
    )
    assert done.stdout == expected


def test_cues_come_while_the_sound_still_arrives(folder, capsys):
    sound, _ = soundfile.read(folder / "a.wav", dtype="int16")
    seen = []

    class Microphone:
        place = 0

        def read1(self, count):
            seen.append((self.place / 16000, capsys.readouterr().out))
            part = sound[self.place : self.place + 160]
            self.place += len(part)
            return part.tobytes()

    args = argparse.Namespace(fps=100.0, filter=False)
    answer_stream(Model.load("models/visemill.onnx"), Microphone(), args)
    late = [heard - float(line.split("\t")[0]) for heard, out in seen for line in out.splitlines()]
    assert len(late) > 5
    # 65 ms of the window, the delta and the lookahead, and one piece of 10 ms
    assert max(late) <= 0.0751


def test_one_bad_recording_among_several_does_not_stop_the_others(folder, capsys):
    (folder / "bad.wav").write_bytes(b"nothing")
    assert visemill_lipsync("bad.wav", "a.wav", "-o", "cues") == 1
    assert "bad.wav" in capsys.readouterr().err and (folder / "cues" / "a.tsv").exists()
    with pytest.raises(BadAudio, match=r"bad\.wav"):
        visemill_lipsync("bad.wav")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.wav", "b.flac"), "give a folder"),
        (("a.wav", "b.flac", "-o", "net.pt"), "is a file"),
        (("a.wav", "sub/a.wav", "-o", "cues"), "would both become"),
        (("a.wav", "-o", "net.pt/x.tsv"), "cannot be written"),
    ],
)
def test_outputs_that_cannot_be_are_refused(folder, words, message):
    with pytest.raises(BadInput, match=message):
        visemill_lipsync(*words)


@pytest.mark.parametrize("fps", ["0", "fast", "-3", "nan", "5000"])
def test_a_frame_rate_that_makes_no_sense_is_refused(folder, fps, capsys):
    with pytest.raises(SystemExit):
        visemill_lipsync("a.wav", "--fps", fps)
    assert "pictures a second" in capsys.readouterr().err
