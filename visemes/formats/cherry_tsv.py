"""Cherry Lip Sync's TSV: `seconds <tab> letter`, three decimals. It loses the length."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from visemes.cues import read_tsv, to_tsv
from visemes.formats.track import CueTrack
from visemes.inventory import Inventory

STEP = Fraction(1, 1000)


def write(track: CueTrack, rate: Fraction) -> str:
    """The track as TSV; `rate` has no part in it."""
    return to_tsv(track.on_grid(STEP).cues)


def read(path: Path, inventory: Inventory, rate: Fraction) -> CueTrack:
    """The track; it ends one step after its last cue. Raises BadLabels that names file and line."""
    cues = read_tsv(path, inventory.letters.values())
    last = cues[-1][0] if cues else 0.0
    return CueTrack(tuple(cues), last + float(STEP), inventory)
