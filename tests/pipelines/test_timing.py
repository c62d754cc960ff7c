"""`visemill timing`: the promise of every engine's timing, kept."""

from __future__ import annotations

import re
from dataclasses import asdict

import numpy as np
import pytest

from pipelines.command import main
from pipelines.runner import Task
from pipelines.synthesize import Work, synthesize_partition
from pipelines.timing import engine_section, measure
from synth import find_engine


@pytest.mark.parametrize("name", ["espeak", "flite"])
def test_labels_lie_where_the_sound_has_them(name):
    engine = find_engine(name)
    if engine.version() is None:
        pytest.skip(f"{name} is not installed: {engine.install_line}")
    measured = measure(engine, "en", 60, with_aligner=False)
    for kind in ("closure", None):
        lags = np.array(measured.all() if kind is None else measured.by_class[kind])
        assert len(lags) > 150
        assert abs(np.median(lags)) <= 5
        assert np.mean(np.abs(lags) <= 25) >= 0.9


def test_other_languages_are_as_exact():
    for language in ("de", "fr", "es", "hi", "ru"):
        measured = measure(find_engine("espeak"), language, 20, with_aligner=False)
        for kind in ("closure", "fricative"):
            assert abs(np.median(measured.by_class[kind])) <= 5
        assert np.mean(np.abs(measured.all()) <= 25) >= 0.9


def test_thrown_labels_are_seen_to_be_worse():
    measured = measure(find_engine("espeak"), "en", 20, with_aligner=False)
    true, thrown = (np.mean(np.abs(lags) <= 25) for lags in (measured.all(), measured.thrown))
    assert true > 0.9 and thrown < 0.75
    assert 0 < len(measured.all()) < measured.boundaries


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--sentences", "0"], "--sentences"),
        (["--language", "sw"], r"sw\.txt"),
        (["-o", "nowhere/timing.md"], "nowhere"),
    ],
)
def test_mistakes_are_named(arguments, named, capsys):
    assert main(["timing", "--engine", "espeak", "--no-aligner", *arguments]) == 1
    assert re.search(named, capsys.readouterr().err)


def test_nothing_to_measure_is_no_success(capsys):
    assert main(["timing", "--engine", "espeak", "--language", "xx"]) == 1
    assert "no voice for xx" in capsys.readouterr().err


def test_the_table_has_before_after_and_the_aligner(tmp_path, capsys):
    path = tmp_path / "timing.md"
    assert main(["timing", "--engine", "espeak", "--sentences", "12", "-o", str(path)]) == 0
    text = path.read_text()
    assert "## espeak" in text and "| closure |" in text and "pocketsphinx" in text
    assert "visemill timing --engine espeak --sentences 12" in text


def test_a_lie_shows_in_the_table():
    engine = find_engine("espeak")
    before = measure(find_engine("espeak", {"corrections": False}), "en", 12, with_aligner=False)
    after = measure(engine, "en", 12, with_aligner=False)
    row = next(r for r in engine_section(after, before).splitlines() if r.startswith("| closure"))
    old, new = (float(cell.split(" ms")[0]) for cell in row.split("|")[4:6])
    assert old > 10 and abs(new) <= 5


def test_predicted_boundaries_are_moved_to_the_sound(monkeypatch):
    """espeak's own stamps stand in for an engine that only predicts."""
    engine = find_engine("espeak", {"corrections": False})
    monkeypatch.setattr(engine, "predicted", True, raising=False)
    before = measure(engine, "en", 20, with_aligner=False, refined=False)
    after = measure(engine, "en", 20, with_aligner=False)
    near = [np.mean(np.abs(found.all()) <= 25) for found in (before, after)]
    assert near[0] < 0.9 and near[1] > near[0] + 0.03


def test_a_clip_of_predicted_timing_is_not_called_exact(monkeypatch):
    engine = find_engine("espeak")
    voice = engine.voices("en")[0]
    row = {
        "clip_id": "c",
        "prompt": {"prompt_id": "p", "text": "A bad cat sat."},
        "voice": asdict(voice),
    }
    task = Task("part-0000.parquet", (), [row])
    work = Work("espeak", {}, 1, 60.0)
    (exact,) = synthesize_partition(task, work)
    monkeypatch.setattr(engine, "predicted", True, raising=False)
    (moved,) = synthesize_partition(task, work)
    assert (exact.timing, moved.timing) == ("exact", "aligned")
    assert [op.name for op in moved.ops] == ["synthesize", "refine"]
    assert np.array_equal(exact.audio, moved.audio) and exact.phones != moved.phones
