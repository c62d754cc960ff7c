"""Rhubarb Lip Sync beside the models: the real program, where it is installed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from clips import EngineMissing
from pipelines.rhubarb import FOLDER, Rhubarb, find_rhubarb
from pipelines.truth import read_truth
from visemes.inventory import load_inventory


@pytest.fixture(scope="module")
def rhubarb() -> Rhubarb:
    if not os.environ.get(FOLDER):
        pytest.skip(f"needs `npm install rhubarb-lip-sync-wasm` and its folder in {FOLDER}")
    return Rhubarb(Path(os.environ[FOLDER]))


def test_it_shows_what_lips_do_in_a_real_sentence(rhubarb, shared):
    truth = read_truth(shared / "speech" / "emu_ae", load_inventory("cherry12"))[0]
    found = rhubarb.measure(truth, truth.clip.audio)
    figures = found.figures()
    assert figures["lip_score"] > 0.7
    assert 2 < figures["changes_per_second"] < 12
    assert found.seconds == pytest.approx(truth.clip.seconds, abs=0.02)
    assert "frame_accuracy" not in figures and "false_closed_share" not in figures


def test_silence_rests(rhubarb):
    inventory = load_inventory("rhubarb")
    track = rhubarb.track(np.zeros(16_000, np.float32))
    assert len(track) == 100 and set(track) == {inventory.classes.index("X")}


def test_a_folder_without_it_says_how_to_install_it(tmp_path, monkeypatch):
    with pytest.raises(EngineMissing, match="npm install"):
        find_rhubarb(tmp_path)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(EngineMissing, match="npm install"):
        find_rhubarb()
    monkeypatch.delenv(FOLDER)
    assert find_rhubarb() is None
