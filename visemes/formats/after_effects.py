"""Adobe After Effects keyframes as text on the clipboard: time remapping of a layer of mouths.

The layer is a composition that shows one mouth a frame, in the order of the inventory's classes,
at the same frame rate (as Rhubarb Lip Sync's script wants it too). Pasted keys are linear, so each
mouth has two: where it comes and on its last frame. Everything between two frames is lost.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from clips.errors import BadLabels, BadParams
from visemes.cues import read_text, seconds_of
from visemes.formats.track import CueTrack, merge_cues, whole_frames, whole_number
from visemes.inventory import Inventory
from visemes.rates import frame_rate, rate_text

_HEADER = "Adobe After Effects 8.0 Keyframe Data"
_FOOTER = "End of Keyframe Data"


def write(track: CueTrack, rate: Fraction) -> str:
    """The track at `rate`, to be copied and pasted on the layer's Time Remap."""
    track = track.on_grid(1 / rate)
    numbers = {track.inventory.letters[v]: n for n, v in enumerate(track.inventory.classes)}
    keys = []
    for start, end, letter in track.spans():
        first, last = whole_frames(start, rate), whole_frames(end, rate) - 1
        middle = float((numbers[letter] + Fraction(1, 2)) / rate)  # safe from rounding
        keys += [f"\t{frame}\t{middle:.6f}\t" for frame in dict.fromkeys((first, last))]
    lines = [
        _HEADER,
        "",
        f"\tUnits Per Second\t{rate_text(rate)}",
        "\tSource Width\t1920",
        "\tSource Height\t1080",
        "\tSource Pixel Aspect Ratio\t1",
        "\tComp Pixel Aspect Ratio\t1",
        "",
        "Time Remap",
        "\tFrame\tseconds\t",
        *keys,
        "",
        "",
        _FOOTER,
    ]
    return "\n".join(lines) + "\n"


def read(path: Path, inventory: Inventory, rate: Fraction) -> CueTrack:
    """The track at the rate that the file names. Raises BadLabels that names file and line."""
    lines = read_text(path).splitlines()
    if not lines or not (lines[0].startswith("Adobe After Effects") and _FOOTER in lines):
        raise BadLabels(
            "is no keyframe data of Adobe After Effects",
            where=f"{path}:1",
            remedy=f"it should begin with {_HEADER!r} and end with {_FOOTER!r}",
        )
    remap, shown = False, []
    for number, line in enumerate(lines, start=1):
        where, cells = f"{path}:{number}", line.strip("\t").split("\t")
        if cells[0] == "Units Per Second":
            rate = _rate(cells[-1], where)
        elif line and not line.startswith("\t"):
            remap = cells[0] == "Time Remap"
        elif remap and cells[0] not in ("", "Frame"):
            shown.append(_key(cells, rate, inventory, shown, where))
    if not shown or shown[0][0] != 0:
        raise BadLabels(
            "has no key of Time Remap at frame 0", where=str(path), remedy="copy the keys again"
        )
    letters = [inventory.letters[viseme] for viseme in inventory.classes]
    cues = [(float(frame / rate), letters[viseme]) for frame, viseme in shown]
    return CueTrack(merge_cues(cues), float((shown[-1][0] + 1) / rate), inventory)


def _rate(text: str, where: str) -> Fraction:
    try:
        return frame_rate(text)
    except BadParams as error:
        raise BadLabels(error.what, where=where, remedy=error.remedy) from error


def _key(cells, rate: Fraction, inventory: Inventory, shown, where: str) -> tuple[int, int]:
    frame = whole_number(cells[0])
    if len(cells) != 2 or frame is None:
        raise BadLabels(
            f"{cells} is no key", where=where, remedy="write a frame, a tab and the seconds"
        )
    viseme = whole_frames(seconds_of(cells[1], where), rate)
    if viseme >= len(inventory.classes) or (shown and frame <= shown[-1][0]):
        raise BadLabels(
            f"frame {frame} shows mouth {viseme}",
            where=where,
            remedy=f"frames must rise and mouths be below {len(inventory.classes)}",
        )
    return frame, viseme
