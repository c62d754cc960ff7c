"""Recordings for the aligner: files, manifest, the truth beside them, and pyttsx3."""

from __future__ import annotations

import csv
import itertools
import sys
from pathlib import Path

import espeakng_loader
import pytest
import soundfile

from clips import BadText, EngineMissing
from synth import Prompt, find_engine
from synth.espeak_library import NATIVE_RATE
from synth.narrator import COLUMNS, narrate, pyttsx3_works

PROMPTS = [
    Prompt("en-1", "Pam bought a “moist” cake.", "en", "train"),
    Prompt("en-2", "Who saw five wolves?", "en", "test"),
    Prompt("en-3", "привет", "en", "train"),
]


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_espeak_writes_recordings_with_the_truth_beside_them(tmp_path):
    result = narrate(PROMPTS, tmp_path, 1, engine="espeak")
    assert (result.driver, result.count) == ("espeak", 2)
    assert [(r.clip_id, r.stage) for r in result.rejects] == [("en-3", "narrate")]
    rows = rows_of(tmp_path)
    assert tuple(rows[0]) == COLUMNS
    assert [row["text"] for row in rows] == ['Pam bought a "moist" cake.', "Who saw five wolves?"]
    assert [row["split"] for row in rows] == ["train", "test"]
    for row in rows:
        info = soundfile.info(tmp_path / row["audio"])
        assert info.samplerate == NATIVE_RATE and info.subtype == "PCM_16"
        assert float(row["seconds"]) == pytest.approx(info.duration, abs=1e-3)
        assert row["speaker"].startswith("espeak:") and row["licence"] and row["attribution"]
        labels = [
            line.split("\t") for line in (tmp_path / row["label"]).read_text("utf-8").splitlines()
        ]
        assert labels[0][0] == "0.000000" and labels[0][2] == labels[-1][2] == "SIL"
        assert float(labels[-1][1]) == pytest.approx(info.duration, abs=1e-3)
        assert all(a[1] == b[0] for a, b in itertools.pairwise(labels))
        assert all(len(time.split(".")[1]) == 6 for label in labels for time in label[:2])


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    narrate(PROMPTS, tmp_path / "a", 1, engine="espeak")
    find_engine("espeak").phones_of("something in between")
    narrate(reversed(PROMPTS), tmp_path / "b", 1, engine="espeak")
    narrate(PROMPTS, tmp_path / "c", 2, engine="espeak")
    a, b, c = (files_of(tmp_path / name) for name in "abc")
    assert {k: v for k, v in a.items() if "manifest" not in k} == {
        k: v for k, v in b.items() if "manifest" not in k
    }
    assert a["audio/en-1.wav"] != c["audio/en-1.wav"]


def test_a_rule_may_decide_the_part_by_speaker(tmp_path):
    narrate(PROMPTS, tmp_path, 1, engine="espeak", split=lambda s, p: f"{s[:6]}/{p.split}")
    assert [row["split"] for row in rows_of(tmp_path)] == ["espeak/train", "espeak/test"]


def test_an_id_may_stand_only_once(tmp_path):
    with pytest.raises(BadText, match="twice"):
        narrate([PROMPTS[0], PROMPTS[0]], tmp_path, 1, engine="espeak")


def test_pyttsx3_that_does_not_work_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert pyttsx3_works() is None
    with pytest.raises(EngineMissing, match="cannot speak"):
        narrate(PROMPTS, tmp_path, 1, engine="pyttsx3")
    assert narrate(PROMPTS[:1], tmp_path, 1).driver == "espeak"


@pytest.fixture
def working_pyttsx3(tmp_path, monkeypatch) -> str:
    """pyttsx3's own driver with the library of the wheel, where the system has none of its own."""
    if pyttsx3_works() is None:
        if not sys.platform.startswith("linux"):
            pytest.skip("no voice for pyttsx3 on this system")
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib" / "libespeak-ng.so.1").symlink_to(espeakng_loader.get_library_path())
        monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "lib"))
        monkeypatch.setenv("ESPEAK_DATA_PATH", str(espeakng_loader.get_data_path()))
    found = pyttsx3_works()
    if found is None:
        pytest.skip("pyttsx3 does not speak here: sudo apt-get install espeak-ng libespeak1")
    return found


def test_pyttsx3_writes_recordings_without_labels(tmp_path, working_pyttsx3):
    result = narrate(PROMPTS[:2], tmp_path / "out", 1)
    assert result.driver == f"pyttsx3 {working_pyttsx3}"
    assert result.count == 2, result.rejects
    for row in rows_of(tmp_path / "out"):
        audio, rate = soundfile.read(tmp_path / "out" / row["audio"])
        assert len(audio) > rate * 0.5 and abs(audio).max() > 0.01
        assert row["label"] == "" and row["speaker"].startswith("pyttsx3:")
    assert not (tmp_path / "out" / "labels").exists()
