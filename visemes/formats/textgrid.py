"""Praat's TextGrid: one interval tier `mouths`, exact to a sample at 16 kHz."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

from clips import Segment, read_textgrid, write_textgrid
from clips.errors import BadLabels
from clips.segment import RATE
from visemes.formats.track import CueTrack, of_spans
from visemes.inventory import Inventory

STEP = Fraction(1, RATE)
TIER = "mouths"


def write(track: CueTrack, rate: Fraction) -> str:
    """The track as a long TextGrid; `rate` has no part in it."""
    track = track.on_grid(STEP)
    segments = [
        Segment(letter, round(start * RATE), round(end * RATE))
        for start, end, letter in track.spans()
    ]
    with tempfile.TemporaryDirectory() as folder:  # praatio writes files only
        path = Path(folder, "track.TextGrid")
        write_textgrid(path, {TIER: segments}, segments[-1].end)
        return path.read_text("utf-8")


def read(path: Path, inventory: Inventory, rate: Fraction) -> CueTrack:
    """The track of the tier. Raises BadLabels that names the file and the interval."""
    tiers = read_textgrid(path)
    if TIER not in tiers:
        raise BadLabels(
            f"has no interval tier `{TIER}`",
            where=str(path),
            remedy=f"its tiers are {', '.join(tiers) or 'none'}: rename one",
        )
    spans = [
        (s.start / RATE, s.end / RATE, s.label, f"{path}:{TIER}: interval {number}")
        for number, s in enumerate(tiers[TIER], start=1)
    ]
    return of_spans(spans, inventory, str(path))
