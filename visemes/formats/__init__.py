"""Cue files of this project and of others, in and out: one module a format, one register here.

>>> from fractions import Fraction
>>> track = CueTrack(((0.0, "X"), (0.5, "A")), 0.75)
>>> write_cues(track, "rhubarb-tsv", Fraction(24))
'0.00\\tX\\n0.50\\tA\\n0.75\\tX\\n'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from clips.errors import BadLabels, BadParams
from visemes.formats import (
    after_effects,
    cherry_tsv,
    moho,
    rhubarb_json,
    rhubarb_tsv,
    rhubarb_xml,
    table,
    textgrid,
    visemill_json,
    webvtt,
)
from visemes.formats.track import CueTrack
from visemes.inventory import Inventory, load_inventory

__all__ = ["FORMATS", "CueTrack", "Format", "find_format", "read_cues", "write_cues"]


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of cue file.

    suffix: of its files. inventory: the shapes that it must have, "" for any. step: its grid in
    seconds, None for the frames of a rate. loses: what does not come back.
    """

    suffix: str
    write: Callable[[CueTrack, Fraction], str]
    read: Callable[[Path, Inventory, Fraction], CueTrack]
    inventory: str
    step: Fraction | None
    loses: str


FORMATS: dict[str, Format] = {
    "tsv": Format("tsv", cherry_tsv.write, cherry_tsv.read, "", cherry_tsv.STEP, "the length"),
    "json": Format("json", visemill_json.write, visemill_json.read, "", visemill_json.STEP, ""),
    "rhubarb-tsv": Format(
        "tsv", rhubarb_tsv.write, rhubarb_tsv.read, "rhubarb", rhubarb_tsv.STEP, ""
    ),
    "rhubarb-xml": Format(
        "xml", rhubarb_xml.write, rhubarb_xml.read, "rhubarb", rhubarb_xml.STEP, ""
    ),
    "rhubarb-json": Format(
        "json", rhubarb_json.write, rhubarb_json.read, "rhubarb", rhubarb_json.STEP, ""
    ),
    "moho": Format("dat", moho.write, moho.read, "rhubarb", None, "the frame rate"),
    "opentoonz": Format("dat", moho.write, moho.read, "preston_blair", None, "the frame rate"),
    "after-effects": Format("txt", after_effects.write, after_effects.read, "", None, ""),
    "textgrid": Format("TextGrid", textgrid.write, textgrid.read, "", textgrid.STEP, ""),
    "webvtt": Format("vtt", webvtt.write, webvtt.read, "", webvtt.STEP, ""),
    "csv": Format("csv", table.write, table.read, "", table.STEP, ""),
}
"""The formats by name. All but Rhubarb's XML and JSON lose the path of the sound."""


def find_format(name: str) -> Format:
    """The format `name`. Raises BadParams that lists those there are."""
    if name not in FORMATS:
        raise BadParams(
            f"there is no cue format {name!r}", remedy=f"choose from {', '.join(FORMATS)}"
        )
    return FORMATS[name]


def write_cues(track: CueTrack, name: str, rate: Fraction) -> str:
    """The track as the text of a file in the format `name`; `rate` in frames per second.

    A track of cherry12 is turned into the shapes of a format that has shapes of its own.
    """
    chosen = find_format(name)
    if chosen.inventory:
        track = track.into(load_inventory(chosen.inventory))
    return chosen.write(track, rate)


def read_cues(
    path: str | Path, name: str, rate: Fraction, inventory: Inventory | None = None
) -> CueTrack:
    """The track of a file in the format `name`.

    rate: frames per second, for the formats that count frames and do not name it. inventory: what
    the letters mean, cherry12 unless the format has its own. Raises BadLabels that names the file
    and the line, cue or interval.
    """
    chosen = find_format(name)
    inventory = inventory or load_inventory(chosen.inventory or "cherry12")
    try:
        return chosen.read(Path(path), inventory, rate)
    except BadLabels as error:
        if str(path) in error.where:
            raise
        where = f"{path}: {error.where}" if error.where else str(path)
        raise BadLabels(error.what, where=where, remedy=error.remedy) from error
