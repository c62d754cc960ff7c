"""Cue files: when the mouth changes to which shape.

A track is a list of (seconds, letter) with rising times; each shape holds until the next cue.
The letters are those of Cherry Lip Sync (visemes.classes.LETTERS), and so is the TSV: one line
for each cue, the time with three decimals, a tab, the letter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from clips.errors import BadLabels
from visemes.classes import LETTERS

Track = Sequence[tuple[float, str]]

_NAMES = {letter: name for name, letter in LETTERS.items()}


def to_tsv(track: Track) -> str:
    """The track as Cherry Lip Sync writes it.

    >>> to_tsv([(0.0, "X"), (0.8333, "E")])
    '0.000\\tX\\n0.833\\tE\\n'
    """
    return "".join(f"{time:.3f}\t{letter}\n" for time, letter in track)


def to_json(track: Track, *, fps: float, seconds: float) -> str:
    """The track as JSON: {"fps", "seconds", "cues": [{"time", "letter", "viseme"}]}.

    `seconds` is the length of the sound, that is, the end of the last cue.
    """
    cues = [
        {"time": round(time, 3), "letter": letter, "viseme": _NAMES[letter]}
        for time, letter in track
    ]
    return json.dumps({"fps": fps, "seconds": round(seconds, 3), "cues": cues}, indent=1) + "\n"


def write_tsv(path: str | Path, track: Track) -> None:
    """Writes the track as Cherry Lip Sync's TSV."""
    Path(path).write_text(to_tsv(track), encoding="utf-8", newline="\n")


def read_tsv(path: str | Path) -> list[tuple[float, str]]:
    """The track of a TSV file; empty lines are passed over.

    Raises BadLabels that names file and line: two columns, a time that is not before the last
    one, a known letter.
    """
    return _parsed(_text(path).splitlines(), str(path))


def read_json(path: str | Path) -> list[tuple[float, str]]:
    """The track of a JSON file that `to_json` wrote. Raises BadLabels that names the file."""
    try:
        pairs = [(cue["time"], cue["letter"]) for cue in json.loads(_text(path))["cues"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BadLabels(
            f"is not a track of cues ({error!r})",
            where=str(path),
            remedy='it should look like {"cues": [{"time": 0.0, "letter": "X"}]}',
        ) from error
    return _parsed([f"{time}\t{letter}" for time, letter in pairs], str(path), unit="cue ")


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadLabels(
            f"cannot be read as a cue file ({error})",
            where=str(path),
            remedy="give the text file that `visemill lipsync -o` wrote",
        ) from error


def _parsed(lines: Sequence[str], path: str, unit: str = "") -> list[tuple[float, str]]:
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
        try:
            time = float(cells[0])
        except ValueError:
            time = math.nan
        if not 0 <= time < math.inf:
            raise BadLabels(
                f"{cells[0]!r} is not a time in seconds",
                where=where,
                remedy="write seconds with a point, like 1.267",
            )
        if cells[1] not in _NAMES:
            raise BadLabels(
                f"{cells[1]!r} is not a mouth shape",
                where=where,
                remedy=f"use one of the letters {' '.join(sorted(_NAMES))}",
            )
        if track and time <= track[-1][0]:
            raise BadLabels(
                f"{time:.3f} s does not come after {track[-1][0]:.3f} s",
                where=where,
                remedy="sort the cues by time, one for each time",
            )
        track.append((time, cells[1]))
    return track
