"""What a preview shows of one source of mouths: from cue files of any kind, and from a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from clips import RATE, SILENCE, BadInput, BadLabels, Segment, merge_equal, read_textgrid, tile
from clips.files import read_yaml
from lipsync.infer import Model, frame_classes
from visemes.classes import CLASSES
from visemes.cues import read_text
from visemes.drawing import SOURCE
from visemes.formats import CueTrack, read_cues
from visemes.formats.moho import HEADER as SWITCH_DATA
from visemes.frames import HOP, classes_at_rate, to_segments
from visemes.inventory import load_inventory
from visemes.rates import frames_in
from visemes.rules import Rules, to_visemes
from visemes.soft import soft_labels

INVENTORY = load_inventory("cherry12")

_HALF = Fraction(1, 2)

_BY_SUFFIX = {
    ".xml": "rhubarb-xml",
    ".txt": "after-effects",
    ".textgrid": "textgrid",
    ".vtt": "webvtt",
    ".csv": "csv",
}


@dataclass(frozen=True, slots=True)
class Track:
    """Mouths of one source. `segments` tile the sound, labelled with classes of cherry12."""

    name: str
    segments: tuple[Segment, ...]

    def pictures(self, rate: Fraction) -> tuple[np.ndarray, np.ndarray]:
        """The class of each picture at `rate` a second, and its shares (pictures, 12), float32.

        Picture k shows the middle of its time, (k + ½)/rate: the track as it is, flicker and all,
        unlike `visemes.frames.resample`, which mends it. But a closure so short that it falls
        between two middles is shown in the picture that has most of it.
        """
        frames = frames_in(self.segments[-1].end, rate)
        classes = classes_at_rate(self.segments, frames, float(rate), CLASSES)
        for segment in self.segments:
            first, end = (math.ceil(s * rate / RATE - _HALF) for s in (segment.start, segment.end))
            if first == end and INVENTORY.must_show(segment.label):
                middle = min(
                    math.floor((segment.start + segment.end) * rate / RATE / 2), frames - 1
                )
                if not INVENTORY.must_show(CLASSES[classes[middle]]):
                    classes[middle] = CLASSES.index(segment.label)
        return classes, soft_labels(classes, rate, INVENTORY)


def read_track(path: Path, name: str, samples: int, rate: Fraction) -> Track:
    """The track of a cue file for a sound of `samples` samples.

    rate: pictures a second, for files that count frames. The mouth rests where there are no cues,
    but the last cue of a Cherry TSV, which does not say where it ends, holds to the end. Raises
    BadLabels or BadInput that names the file.
    """
    form = cue_format(path)
    track = read_cues(path, form, rate)
    spans = track.spans()
    if form == "tsv" and spans:
        start, _, letter = spans[-1]
        spans[-1] = (start, max(start, samples / RATE), letter)
    shapes = _shapes(track, path)
    edges = [min(round(start * RATE), samples) for start, _, _ in spans]
    edges.append(min(round(spans[-1][1] * RATE), samples) if spans else 0)
    segments = [
        Segment(shapes[letter], start, end)
        for (start, end), (_, _, letter) in zip(pairwise(edges), spans)
        if end > start
    ]
    return Track(name, merge_equal(tile(segments, samples, filler=INVENTORY.rest)))


def model_track(model: Model, audio: np.ndarray, name: str) -> Track:
    """The track that a model makes of mono samples at 16 kHz."""
    classes = frame_classes(model.predict(audio))
    if not len(classes):  # too short to show anything: the mouth stays at rest
        return Track(name, (Segment(INVENTORY.rest, 0, len(audio)),))
    return Track(name, to_segments(classes, HOP, len(audio), CLASSES))


def rules_track(phones: Sequence[Segment], samples: int, rules: Rules) -> Track:
    """The track that the rules make of ARPAbet phones; silence where there are none.

    Raises BadParams that names a phone that is not ARPAbet.
    """
    tiled = tile(phones, samples, filler=SILENCE)
    return Track("rules", to_visemes(tiled, INVENTORY, rules))


def read_phones(path: Path, samples: int) -> tuple[Segment, ...]:
    """The tier `phones` of a TextGrid, or its only tier. Silence is left out.

    Raises BadLabels that names the file and its tiers if it has several and none of that name.
    """
    tiers = read_textgrid(path, samples)
    if "phones" not in tiers and len(tiers) != 1:
        raise BadLabels(
            f"has the tiers {', '.join(tiers) or '(none)'}",
            where=str(path),
            remedy="name the tier of the phones `phones`",
        )
    phones = tiers.get("phones") or next(iter(tiers.values()))
    return tuple(phone for phone in phones if phone.label != SILENCE)


def cue_format(path: Path) -> str:
    """Which of visemes.formats.FORMATS a cue file is in, by its suffix and its first lines.

    Rhubarb's TSV has two decimals, Cherry's three. Raises BadInput for a suffix that none has.
    """
    suffix = path.suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if suffix not in (".tsv", ".json", ".dat"):
        raise BadInput(
            f"{suffix or 'no suffix'} is no suffix of a cue file",
            where=str(path),
            remedy=f"give a file that ends in .tsv, .json, .dat, {', '.join(_BY_SUFFIX)}",
        )
    text = read_text(path)
    if suffix == ".json":
        return "rhubarb-json" if '"mouthCues"' in text else "json"
    if suffix == ".dat":
        letters = {line.split()[-1] for line in text.splitlines() if line.strip()} - {SWITCH_DATA}
        blair = set(load_inventory("preston_blair").letters.values())
        return "opentoonz" if letters <= blair else "moho"
    times = [line.split("\t")[0] for line in text.splitlines() if line.strip()]
    return "rhubarb-tsv" if times and all(t[-3:-2] == "." for t in times) else "tsv"


def named(paths: Sequence[str]) -> list[tuple[str, Path]]:
    """(name, path) of each FILE or NAME=FILE; equal stems get their folder's name before them."""
    given = []
    for text in paths:
        name, equals, rest = text.partition("=")
        if equals and not Path(text).exists():
            given.append((name, Path(rest)))
        else:
            given.append(("", Path(text)))
    stems = [path.stem for name, path in given if not name]
    return [
        (name or (p.stem if stems.count(p.stem) == 1 else f"{p.parent.name}/{p.name}"), p)
        for name, p in given
    ]


def _shapes(track: CueTrack, path: Path) -> dict[str, str]:
    """Which class is drawn for each letter of a track."""
    if track.inventory.name == INVENTORY.name:
        return {letter: viseme for viseme, letter in INVENTORY.letters.items()}
    return read_yaml(SOURCE)["stand_ins"][track.inventory.name]
