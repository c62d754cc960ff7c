"""Moho's switch data (DAT), as Rhubarb Lip Sync and Papagayo write it: frames counted from 1.

It loses the frame rate and everything between two frames; the last line is the end, at rest.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from clips.errors import BadLabels
from visemes.cues import read_text
from visemes.formats.track import CueTrack, check_end, whole_frames, whole_number
from visemes.inventory import Inventory

HEADER = "MohoSwitch1"
SLOWEST, FASTEST = 10, 100
"""The frame rates that Rhubarb Lip Sync allows."""


def write(track: CueTrack, rate: Fraction) -> str:
    """The track as Rhubarb 1.13 writes it: frame 1 + floor(time · rate), the first of a frame.

    Make the track at `rate` first (visemes.frames.resample), or shapes shorter than a frame are
    lost. Raises BadLabels for a rate that Rhubarb does not allow.
    """
    if not SLOWEST <= rate <= FASTEST:
        raise BadLabels(
            f"switch data cannot run at {float(rate):g} frames per second",
            remedy=f"choose a rate from {SLOWEST} to {FASTEST}",
        )
    lines, last = [HEADER], 0
    for time, letter in track.cues:
        frame = 1 + whole_frames(time, rate)
        if frame != last:
            lines.append(f"{frame} {letter}")
            last = frame
    end = 1 + whole_frames(track.seconds, rate)
    lines.append(f"{end + (end == last)} {track.rest}")
    return "\n".join(lines) + "\n"


def read(path: Path, inventory: Inventory, rate: Fraction) -> CueTrack:
    """The track at `rate`. Raises BadLabels that names the file and the line."""
    lines = read_text(path).splitlines()
    if not lines or lines[0].strip() != HEADER:
        raise BadLabels(
            "is no switch data", where=f"{path}:1", remedy=f"the first line must be {HEADER}"
        )
    letters = set(inventory.letters.values())
    cues: list[tuple[float, str]] = []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split()
        if not cells:
            continue
        frame = whole_number(cells[0])
        if len(cells) != 2 or frame is None or cells[1] not in letters:
            raise BadLabels(
                f"cannot read {line!r}",
                where=f"{path}:{number}",
                remedy=f"write a frame, a space and one of {' '.join(sorted(letters))}",
            )
        time = float((frame - 1) / rate)
        if time < 0 or (cues and time <= cues[-1][0]):
            raise BadLabels(
                f"frame {cells[0]} does not come after the one before",
                where=f"{path}:{number}",
                remedy="sort the frames, from 1 on",
            )
        cues.append((time, cells[1]))
    check_end(cues, inventory, f"{path}:{len(lines)}")
    return CueTrack(tuple(cues[:-1]), cues[-1][0], inventory)
