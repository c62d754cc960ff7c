"""Rhubarb Lip Sync's TSV: hundredths of a second; a last line at rest gives the length."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from visemes.cues import parse_cues, read_text
from visemes.formats.track import CueTrack, check_end
from visemes.inventory import Inventory

STEP = Fraction(1, 100)


def write(track: CueTrack, rate: Fraction) -> str:
    """The track as Rhubarb 1.13 writes it; `rate` has no part in it."""
    track = track.on_grid(STEP)
    lines = [*track.cues, (track.seconds, track.rest)]
    return "".join(f"{time:.2f}\t{letter}\n" for time, letter in lines)


def read(path: Path, inventory: Inventory, rate: Fraction) -> CueTrack:
    """The track. Raises BadLabels that names the file and the line."""
    lines = parse_cues(read_text(path).splitlines(), str(path), letters=inventory.letters.values())
    check_end(lines, inventory, f"{path}:{len(lines)}")
    return CueTrack(tuple(lines[:-1]), lines[-1][0], inventory)
