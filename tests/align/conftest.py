"""Clips with known timing, spoken by flite, and the recordings beside the repository."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import pytest

from clips import Clip, Segment, merge_equal, read_audio, to_grid


@pytest.fixture(scope="session")
def speak(tmp_path_factory):
    """speak(text, voice) -> a clip with flite's own phone times."""
    if not shutil.which("flite"):
        pytest.skip("flite is not installed")
    folder = tmp_path_factory.mktemp("flite")

    def make(text: str, voice: str = "slt") -> Clip:
        path = folder / "speech.wav"
        command = ["flite", "-voice", voice, "-psdur", "-t", text, "-o", str(path)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        audio = to_grid(read_audio(path))
        phones, at = [], 0
        for entry in printed.split():
            label, seconds = entry.split(":")
            end = min(round(float(seconds) * 16000), len(audio))
            names = {"pau": "SIL", "ax": "AH"}
            if end > at:
                phones.append(Segment(names.get(label, label.upper()), at, end))
            at = end
        phones[-1] = Segment(phones[-1].label, phones[-1].start, len(audio))
        return Clip(
            clip_id=f"flite-{voice}",
            audio=audio,
            text=text,
            language="en",
            speaker=voice,
            source="flite",
            licence="CC0-1.0",
            attribution="",
            timing="exact",
            phones=merge_equal(phones),
        ).validate()

    return make


@pytest.fixture
def recordings(shared: Path):
    """recordings(corpus, count) -> (clip without labels, row of the manifest), ..."""

    def read(corpus: str, count: int):
        folder = shared / "speech" / corpus
        with open(folder / "manifest.tsv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        step = max(len(rows) // count, 1)
        return [
            (
                Clip(
                    clip_id=row["utt"],
                    audio=to_grid(read_audio(folder / row["audio"])),
                    text=row["text"],
                    language="en",
                    speaker=row["speaker"],
                    source=corpus,
                    licence="see the corpus",
                    attribution="",
                ),
                row,
            )
            for row in rows[::step][:count]
        ]

    return read
