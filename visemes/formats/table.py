"""A CSV for spreadsheets, numbered like subtitles: number, start, end, letter, viseme."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from clips.errors import BadLabels
from visemes.cues import read_text, seconds_of
from visemes.formats.track import CueTrack, of_spans
from visemes.inventory import Inventory

STEP = Fraction(1, 1000)
_COLUMNS = ["number", "start", "end", "letter", "viseme"]


def write(track: CueTrack, rate: Fraction) -> str:
    """The track as CSV with seconds to the millisecond; `rate` has no part in it."""
    track = track.on_grid(STEP)
    names = {letter: viseme for viseme, letter in track.inventory.letters.items()}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for number, (start, end, letter) in enumerate(track.spans(), start=1):
        writer.writerow([number, f"{start:.3f}", f"{end:.3f}", letter, names[letter]])
    return text.getvalue()


def read(path: Path, inventory: Inventory, rate: Fraction) -> CueTrack:
    """The track. Raises BadLabels that names the file and the line."""
    rows = csv.reader(io.StringIO(read_text(path)), strict=True)
    try:
        return of_spans(list(_spans(rows, str(path))), inventory, str(path))
    except csv.Error as error:
        raise BadLabels(
            f"is no CSV ({error})", where=f"{path}:{rows.line_num}", remedy="mend that line"
        ) from error


def _spans(rows: Iterator[list[str]], path: str) -> Iterator[tuple[float, float, str, str]]:
    if next(rows, None) != _COLUMNS:
        raise BadLabels(
            "has other columns",
            where=f"{path}:1",
            remedy=f"the first line must be {','.join(_COLUMNS)}",
        )
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        where = f"{path}:{line}"
        if len(row) != len(_COLUMNS):
            raise BadLabels(
                f"has {len(row)} columns, not {len(_COLUMNS)}", where=where, remedy="mend it"
            )
        yield seconds_of(row[1], where), seconds_of(row[2], where), row[3], where
