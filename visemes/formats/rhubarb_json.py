"""Rhubarb Lip Sync's JSON: `metadata` and `mouthCues`, hundredths of a second."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

from clips.errors import BadLabels
from visemes.cues import read_table, seconds_of
from visemes.formats.track import CueTrack, of_spans
from visemes.inventory import Inventory

STEP = Fraction(1, 100)


def write(track: CueTrack, rate: Fraction) -> str:
    """The track laid out as Rhubarb 1.13 does; `rate` has no part in it."""
    track = track.on_grid(STEP)
    cues = ",\n".join(
        f'    {{ "start": {start:.2f}, "end": {end:.2f}, "value": "{letter}" }}'
        for start, end, letter in track.spans()
    )
    sound = json.dumps(track.sound, ensure_ascii=False)
    return (
        f'{{\n  "metadata": {{\n    "soundFile": {sound},\n'
        f'    "duration": {track.seconds:.2f}\n  }},\n  "mouthCues": [\n{cues}\n  ]\n}}\n'
    )


def read(path: Path, inventory: Inventory, rate: Fraction) -> CueTrack:
    """The track. Raises BadLabels that names the file and the line or the cue."""
    try:
        table = read_table(path)
        sound = str(table["metadata"].get("soundFile", ""))
        cues = [(cue["start"], cue["end"], str(cue["value"])) for cue in table["mouthCues"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise BadLabels(
            f"is no result of Rhubarb Lip Sync ({error!r})",
            where=str(path),
            remedy='it should hold "metadata" and "mouthCues": [{"start", "end", "value"}]',
        ) from error
    spans = [
        (seconds_of(start, where), seconds_of(end, where), letter, where)
        for number, (start, end, letter) in enumerate(cues, start=1)
        for where in [f"{path}:cue {number}"]
    ]
    return of_spans(spans, inventory, str(path), sound)
