"""Cue files: when the mouth changes to which shape, in this project's own two formats.

A track is a list of (seconds, letter) with rising times; each shape holds until the next cue.
The letters are those of Cherry Lip Sync (visemes.classes.LETTERS) unless others are given, and the
TSV is its own: one line for each cue, the time with three decimals, a tab, the letter. The formats
of other programs are in visemes.formats.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from clips import files
from clips.errors import BadLabels
from clips.segment import LONGEST_SECONDS
from visemes.classes import LETTERS

Track = Sequence[tuple[float, str]]

_NAMES = {letter: name for name, letter in LETTERS.items()}


def to_tsv(track: Track) -> str:
    """The track as Cherry Lip Sync writes it.

    >>> to_tsv([(0.0, "X"), (0.8333, "E")])
    '0.000\\tX\\n0.833\\tE\\n'
    """
    return "".join(f"{time:.3f}\t{letter}\n" for time, letter in track)


def to_json(track: Track, *, fps: float, seconds: float, names: Mapping[str, str] = _NAMES) -> str:
    """The track as JSON: {"fps", "seconds", "cues": [{"time", "letter", "viseme"}]}.

    `seconds` is the length of the sound, that is, the end of the last cue; `names` the viseme of
    each letter.
    """
    cues = [
        {"time": round(time, 3), "letter": letter, "viseme": names[letter]}
        for time, letter in track
    ]
    return json.dumps({"fps": fps, "seconds": round(seconds, 3), "cues": cues}, indent=1) + "\n"


def write_tsv(path: str | Path, track: Track) -> None:
    """Writes the track as Cherry Lip Sync's TSV."""
    Path(path).write_text(to_tsv(track), encoding="utf-8", newline="\n")


def read_tsv(path: str | Path, letters: Collection[str] = _NAMES) -> list[tuple[float, str]]:
    """The track of a TSV file; empty lines are passed over.

    Raises BadLabels that names file and line: two columns, a time that is not before the last
    one, one of the `letters`.
    """
    return parse_cues(read_text(path).splitlines(), str(path), letters=letters)


def read_json(path: str | Path, letters: Collection[str] = _NAMES) -> list[tuple[float, str]]:
    """The track of a JSON file that `to_json` wrote. Raises BadLabels that names the file."""
    try:
        pairs = [(cue["time"], cue["letter"]) for cue in read_table(path)["cues"]]
    except (KeyError, TypeError) as error:
        raise BadLabels(
            f"is not a track of cues ({error!r})",
            where=str(path),
            remedy='it should look like {"cues": [{"time": 0.0, "letter": "X"}]}',
        ) from error
    lines = [f"{time}\t{letter}" for time, letter in pairs]
    return parse_cues(lines, str(path), unit="cue ", letters=letters)


def read_text(path: str | Path) -> str:
    """The text of a cue file (UTF-8). Raises BadLabels that names it if it cannot be read."""
    return files.read_text(path, BadLabels)


def read_table(path: str | Path) -> dict:
    """The object in a JSON file. Raises BadLabels that names the file and the line."""
    try:
        table = files.parse_json(read_text(path))
    except ValueError as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadLabels(
            f"cannot be read as JSON ({error})",
            where=f"{path}{line}",
            remedy="give the file as its program wrote it",
        ) from error
    if not isinstance(table, dict):
        raise BadLabels("is no JSON object", where=str(path), remedy="give a file of cues")
    return table


def seconds_of(text: str, where: str) -> float:
    """A time in seconds. Raises BadLabels that names `where` if it is none."""
    try:
        time = float(text)
    except (TypeError, ValueError, OverflowError):
        time = math.nan
    if not 0 <= time <= LONGEST_SECONDS:
        raise BadLabels(
            f"{text!r} is not a time in seconds",
            where=where,
            remedy="write seconds with a point, like 1.267, within half a day",
        )
    return time


def parse_cues(
    lines: Sequence[str], path: str, unit: str = "", letters: Collection[str] = _NAMES
) -> list[tuple[float, str]]:
    """The cues of lines `seconds <tab> letter`. Raises BadLabels: file, `unit` and number."""
    track: list[tuple[float, str]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}:{unit}{number}"
        cells = line.strip().split("\t")
        if len(cells) != 2:
            raise BadLabels(
                f"has {len(cells)} columns, not 2",
                where=where,
                remedy="write the time in seconds, a tab, and a letter",
            )
        time = seconds_of(cells[0], where)
        if cells[1] not in letters:
            raise BadLabels(
                f"{cells[1]!r} is not a mouth shape",
                where=where,
                remedy=f"use one of the letters {' '.join(sorted(letters))}",
            )
        if track and time <= track[-1][0]:
            raise BadLabels(
                f"{time:.3f} s does not come after {track[-1][0]:.3f} s",
                where=where,
                remedy="sort the cues by time, one for each time",
            )
        track.append((time, cells[1]))
    return track
