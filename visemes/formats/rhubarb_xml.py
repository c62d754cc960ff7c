"""Rhubarb Lip Sync's XML: `metadata` and `mouthCues`, hundredths of a second."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape

from clips.errors import BadLabels
from visemes.cues import read_text, seconds_of
from visemes.formats.track import CueTrack, of_spans
from visemes.inventory import Inventory

STEP = Fraction(1, 100)


def write(track: CueTrack, rate: Fraction) -> str:
    """The track laid out as Rhubarb 1.13 does; `rate` has no part in it."""
    track = track.on_grid(STEP)
    cues = "".join(
        f'    <mouthCue start="{start:.2f}" end="{end:.2f}">{letter}</mouthCue>\n'
        for start, end, letter in track.spans()
    )
    sound = escape(track.sound, {"'": "&apos;", '"': "&quot;"})
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<rhubarbResult>\n  <metadata>\n'
        f"    <soundFile>{sound}</soundFile>\n    <duration>{track.seconds:.2f}</duration>\n"
        f"  </metadata>\n  <mouthCues>\n{cues}  </mouthCues>\n</rhubarbResult>\n"
    )


def read(path: Path, inventory: Inventory, rate: Fraction) -> CueTrack:
    """The track. Raises BadLabels that names the file and the line."""
    parser = expat.ParserCreate()
    inside: list[str] = []
    sound: list[str] = []
    found: list[tuple[dict[str, str], list[str], int]] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        inside.append(name)
        if name == "mouthCue":
            found.append((attributes, [], parser.CurrentLineNumber))

    def text(data: str) -> None:
        if inside[-1:] == ["soundFile"]:
            sound.append(data)
        elif inside[-1:] == ["mouthCue"]:
            found[-1][1].append(data)

    parser.StartElementHandler, parser.CharacterDataHandler = begin, text
    parser.EndElementHandler = lambda name: inside.pop()
    try:
        parser.Parse(read_text(path), True)
    except expat.ExpatError as error:
        raise BadLabels(
            f"is no XML ({expat.ErrorString(error.code)})",
            where=f"{path}:{error.lineno}",
            remedy="give the file as Rhubarb Lip Sync wrote it",
        ) from error
    spans = []
    for attributes, letters, line in found:
        where = f"{path}:{line}"
        start, end = (seconds_of(attributes.get(key, ""), where) for key in ("start", "end"))
        spans.append((start, end, "".join(letters).strip(), where))
    return of_spans(spans, inventory, str(path), "".join(sound))
