"""This project's JSON: every cue with its time, letter and viseme, milliseconds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from visemes.cues import read_json, read_table, seconds_of, to_json
from visemes.formats.track import CueTrack
from visemes.inventory import Inventory

STEP = Fraction(1, 1000)


def write(track: CueTrack, rate: Fraction) -> str:
    """The track as JSON; `rate` is written as fps."""
    track = track.on_grid(STEP)
    names = {letter: viseme for viseme, letter in track.inventory.letters.items()}
    return to_json(track.cues, fps=round(float(rate), 3), seconds=track.seconds, names=names)


def read(path: Path, inventory: Inventory, rate: Fraction) -> CueTrack:
    """The track. Raises BadLabels that names the file and the cue."""
    cues = read_json(path, inventory.letters.values())
    seconds = seconds_of(read_table(path).get("seconds"), f"{path}: seconds")
    return CueTrack(tuple(cues), seconds, inventory)
