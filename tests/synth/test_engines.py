"""How engines are found, and what they share."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from clips import RATE, SILENCE, BadParams, Segment
from synth import find_engine
from synth.engine import frame_speech
from tests.synth.conformance import EngineConformance

ROOT = Path(__file__).parents[2]


def test_an_unknown_engine_is_named_in_the_error():
    for name in ("marytts", "engine", "../x", "os"):
        with pytest.raises(BadParams, match="no engine"):
            find_engine(name)


def test_frame_speech_cuts_and_fills_silence():
    audio = np.arange(1.0, 11.0)
    segments = [Segment(SILENCE, 0, 4), Segment("AA", 4, 7), Segment(SILENCE, 7, 10)]
    framed, phones, moved = frame_speech(audio, segments, 6, 2)
    assert framed.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9] and moved == 2
    assert [(p.label, p.start, p.end) for p in phones] == [
        (SILENCE, 0, 6), ("AA", 6, 9), (SILENCE, 9, 11),
    ]  # fmt: skip
    framed, phones, moved = frame_speech(audio, segments, 1, 5)
    assert framed.tolist() == [4, 5, 6, 7, 8, 9, 10, 0, 0] and moved == -3
    assert phones[-1].end == len(framed) == 9
    assert RATE == 16000


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"people": {1: 2, "f": 3}}, "people: has the key 1"),
        ({"people": {"f": date(2026, 1, 2)}}, r"people\.f: is .*date"),
        ({"people": [1, {2: 3}]}, r"people\[1\]: has the key 2"),
        ({1: 2}, ": has the key 1"),
        ([1], ": is .*not a block"),
        ({"corrections": "nope"}, "corrections: is 'nope'"),
        ({"corrections": 0}, "corrections: is 0"),
        ({"corrections": None}, "corrections: is None"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, where):
    with pytest.raises(BadParams, match=rf"synthesize\.settings\.espeak.*{where}"):
        find_engine("espeak", settings)


def test_flites_settings_are_named_too():
    with pytest.raises(BadParams, match=r"synthesize\.settings\.flite\.corrections"):
        find_engine("flite", {"corrections": "nope"})
    assert find_engine("flite", {"corrections": False}).settings == {"corrections": False}


def test_the_engine_of_the_documentation_is_one(tmp_path):
    """Its code, as it stands there, in a copy of the rooms that it needs."""
    page = (ROOT / "docs" / "engines.md").read_text("utf-8")
    engine, test = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for room in ("clips", "synth"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    tests = tmp_path / "tests" / "synth"
    tests.mkdir(parents=True)
    for name in ("__init__.py", "conftest.py", "conformance.py"):
        shutil.copy(ROOT / "tests" / "synth" / name, tests)
    (tmp_path / "tests" / "__init__.py").touch()
    (tmp_path / "synth" / "hum.py").write_text(engine, "utf-8")
    (tests / "test_hum.py").write_text(test, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/synth/test_hum.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    every = sum(name.startswith("test_") for name in dir(EngineConformance))
    assert f"{every} passed in" in done.stdout.splitlines()[-1]
