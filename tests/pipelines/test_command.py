from __future__ import annotations

import json
from pathlib import Path

import pytest

from clips import BadManifest
from pipelines import inputs
from pipelines.command import main


def test_doctor_says_what_is_found_and_how_to_get_the_rest(capsys):
    assert main(["doctor"]) == 0
    report = capsys.readouterr().out
    for name in ("espeak", "flite", "pyttsx3", "pocketsphinx", "mfa", "torch", "ffmpeg", "cuda"):
        assert name in report
    for line, following in zip(report.splitlines(), [*report.splitlines()[1:], ""]):
        if line.startswith(("not found", "MISSING")):
            assert following.strip().startswith("to get it: "), line


def test_an_error_is_one_message_and_exit_status_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["lipsync", "nowhere.wav"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("visemill: nowhere.wav: cannot be read") and error.count("\n") == 1
    assert "Traceback" not in error


@pytest.fixture
def folders(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pt").write_text("weights")
    for name in ("mine", "truth"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.tsv").write_text("x")
    return tmp_path


def test_additions_are_written_where_stages_see_them_and_removed_again(folders):
    inputs.write_inputs(["mine"], ["truth"], {"flite": "2.2"}, "model.pt")
    assert inputs.folders_in(inputs.RECORDINGS) == [folders / "mine"]
    assert inputs.folders_in(inputs.TRUTH) == [folders / "truth"]
    assert inputs.engines_found() == ("flite",)
    assert inputs.rival_model() == folders / "model.pt"
    inputs.write_inputs([], [], {})
    assert inputs.folders_in(inputs.RECORDINGS) == inputs.folders_in(inputs.TRUTH) == []
    assert inputs.engines_found() == ()
    assert inputs.rival_model() is None


def test_a_changed_recording_changes_the_pointer_and_nothing_else_does(folders):
    pointer = folders / "datasets/recordings/mine.folder.json"
    inputs.write_inputs(["mine"], [], {})
    first, when = json.loads(pointer.read_text()), pointer.stat().st_mtime_ns
    inputs.write_inputs(["mine"], [], {})
    assert pointer.stat().st_mtime_ns == when
    (folders / "mine" / "manifest.tsv").write_text("y")
    inputs.write_inputs(["mine"], [], {})
    assert json.loads(pointer.read_text())["fingerprint"] != first["fingerprint"]


def test_a_folder_that_does_not_exist_is_named(folders):
    with pytest.raises(BadManifest, match="nowhere: is not a folder"):
        inputs.write_inputs(["nowhere"], [], {})


def test_folders_inside_count_too(folders):
    (folders / "datasets/recordings/own").mkdir(parents=True)
    assert [p.name for p in inputs.folders_in(inputs.RECORDINGS)] == ["own"]


def test_two_folders_of_the_same_name_are_refused(folders):
    (folders / "other" / "mine").mkdir(parents=True)
    with pytest.raises(BadManifest, match="has the same name as"):
        inputs.write_inputs(["mine", "other/mine"], [], {})


def test_a_broken_pointer_is_named(folders):
    inputs.write_inputs(["mine"], [], {})
    (folders / "datasets/recordings/mine.folder.json").write_text("{")
    with pytest.raises(BadManifest, match=r"mine\.folder\.json: cannot be read"):
        inputs.folders_in(inputs.RECORDINGS)
