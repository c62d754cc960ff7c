"""WebVTT: one cue for each shape, milliseconds. For players that show or act on text tracks."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from clips.errors import BadLabels
from visemes.cues import read_text
from visemes.formats.track import CueTrack, of_spans
from visemes.inventory import Inventory

STEP = Fraction(1, 1000)
_TIME = r"(?:([0-9]{2,4}):)?([0-5][0-9]):([0-5][0-9])\.([0-9]{3})"
_TIMING = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?")


def write(track: CueTrack, rate: Fraction) -> str:
    """The track as WebVTT; `rate` has no part in it."""
    cues = (
        f"{_clock(start)} --> {_clock(end)}\n{letter}\n"
        for start, end, letter in track.on_grid(STEP).spans()
    )
    return "\n".join(["WEBVTT\n", *cues])


def read(path: Path, inventory: Inventory, rate: Fraction) -> CueTrack:
    """The track; notes, styles and names of cues are passed over.

    Raises BadLabels that names the file and the line.
    """
    lines = read_text(path).splitlines()
    if not lines or not re.fullmatch(r"WEBVTT(?:[ \t].*)?", lines[0]):
        raise BadLabels(
            "is no WebVTT", where=f"{path}:1", remedy="the first line must begin with WEBVTT"
        )
    spans = []
    for number, line in enumerate(lines, start=1):
        if "-->" not in line:
            continue
        timing = _TIMING.fullmatch(line.strip())
        if timing is None:
            raise BadLabels(
                f"cannot read {line!r}",
                where=f"{path}:{number}",
                remedy="write 00:00:01.000 --> 00:00:01.250",
            )
        letter = lines[number].strip() if number < len(lines) else ""
        parts = timing.groups()
        spans.append((_seconds(*parts[:4]), _seconds(*parts[4:]), letter, f"{path}:{number}"))
    return of_spans(spans, inventory, str(path))


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{thousandths:03}"


def _seconds(hours: str | None, minutes: str, seconds: str, thousandths: str) -> float:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return (whole * 1000 + int(thousandths)) / 1000
