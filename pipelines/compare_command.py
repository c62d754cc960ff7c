"""`visemill compare A B`: two tracks of mouths beside each other, or a track beside phones.

A and B are cue files of any format in visemes.formats, or TextGrids of phones (by hand, or from an
aligner), of which the rules draw a track. The figures are explained in visemes.comparison and
visemes.lip_score; where neither A nor B is phones, `--phones` gives those that the lip score asks.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from clips import RATE, SILENCE, BadInput, BadLabels, Segment, read_textgrid, tile
from clips.arpabet import ARPABET
from clips.errors import BadParams
from pipelines.preview.tracks import cue_format
from synth.ipa import parts_of, plain_symbol
from visemes.comparison import TOLERANCES, compare_tracks, motion
from visemes.formats import FORMATS, CueTrack, read_cues
from visemes.formats.textgrid import TIER
from visemes.frames import classes_at_rate, resample
from visemes.inventory import Inventory, inventory_names, load_inventory
from visemes.lip_score import PARTS, LipScore, lip_score
from visemes.phonesets import UNKNOWN, guess_phoneset, to_phones
from visemes.rates import frame_rate
from visemes.rules import Rules, to_visemes

FINE = 1000
"""Frames per second at which two tracks are compared: cue files count milliseconds."""

SILENT = frozenset(["", "sil", "sp", "spn", "pau", "#", "<p:>", "<eps>"])
"""What labellers and aligners call silence, in small letters."""


@dataclass(frozen=True)
class Side:
    """One of the two. `track` in the shapes of its own file; `phones` and `ipa` if it is phones."""

    name: str
    track: CueTrack
    phones: tuple[Segment, ...] = ()
    ipa: tuple[str, ...] = ()
    unknown: tuple[Segment, ...] = ()

    def frames(self, rate: Fraction, seconds: float, inventory: Inventory) -> np.ndarray:
        """The class at the middle of each frame; the last shape stays to the end."""
        track = self.track.into(inventory)
        viseme_of = {letter: viseme for viseme, letter in inventory.letters.items()}
        cues = [(round(time * RATE), viseme_of[letter]) for time, letter in track.cues]
        if not cues or cues[0][0] > 0:
            cues.insert(0, (0, inventory.rest))
        ends = [at for at, _ in cues[1:]] + [max(round(seconds * RATE), cues[-1][0] + 1)]
        visemes = [Segment(viseme, at, end) for (at, viseme), end in zip(cues, ends) if end > at]
        count = max(1, math.floor(seconds * rate + Fraction(1, 2)))
        return classes_at_rate(visemes, count, float(rate), inventory.classes)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill compare`."""
    about = "a cue file, or a TextGrid of phones"
    parser.add_argument("a", type=Path, metavar="A", help=f"{about}: the reference")
    parser.add_argument("b", type=Path, metavar="B", help=about)
    parser.add_argument("--phones", type=Path, metavar="FILE", help="TextGrid for the lip score")
    parser.add_argument(
        "--language", default="en", metavar="xx", help="of phones written in IPA (default en)"
    )
    parser.add_argument(
        "--fps",
        default="100",
        help="frames per second of the tracks: what a one-frame shape is, and what files that count"
        " frames count (default 100)",
    )
    parser.add_argument(
        "--inventory",
        default="cherry12",
        help=f"shapes of files that have none of their own: {', '.join(inventory_names())}",
    )
    parser.add_argument(
        "--kinds",
        nargs=2,
        metavar=("KIND", "KIND"),
        choices=("phones", *FORMATS),
        help="what A and B are, where their names and contents do not say",
    )
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="of the answer"
    )


def run(args: argparse.Namespace) -> int:
    """Prints the figures. Raises BadInput, BadLabels or BadParams that name the file at fault."""
    rate = frame_rate(args.fps)
    inventory = load_inventory(args.inventory)
    kinds = args.kinds or (None, None)
    a, b = (
        read_side(path, kind, rate, inventory, args.language)
        for path, kind in zip((args.a, args.b), kinds, strict=True)
    )
    asking = next((side for side in (a, b) if side.phones), None)
    if args.phones:
        asking = read_side(args.phones, "phones", rate, inventory, args.language)
    figures = compare(a, b, rate, asking)
    if args.format == "json":
        print(json.dumps(figures, indent=1, ensure_ascii=False))
    else:
        print(as_table(figures), end="")
    return 0


def read_side(
    path: Path, kind: str | None, rate: Fraction, inventory: Inventory, language: str
) -> Side:
    """A file as a track; `kind` is one of FORMATS, "phones", or None to find out."""
    if not path.is_file():
        raise BadInput("is no file", where=str(path), remedy="give a cue file or a TextGrid")
    if kind is None and path.suffix.lower() == ".textgrid":
        kind = "textgrid" if TIER in read_textgrid(path) else "phones"
    if kind != "phones":
        form = kind or cue_format(path)
        own = None if FORMATS[form].inventory else inventory
        return Side(str(path), read_cues(path, form, rate, own))
    phones, ipa, unknown = read_phones(path, language)
    shown = resample(to_visemes(phones, inventory, Rules(), ipa), Fraction(FINE), inventory, hold=1)
    track = CueTrack.of_frames(shown, Fraction(FINE), inventory)
    return Side(str(path), track, phones, ipa, unknown)


def read_phones(
    path: Path, language: str
) -> tuple[tuple[Segment, ...], tuple[str, ...], tuple[Segment, ...]]:
    """(phones, ipa, unknown) of a TextGrid's tier `phones`, or of its only tier.

    Labels are ARPAbet (stress digits are taken off), one of the notations of visemes/phonesets/,
    or IPA of `language`. unknown: stretches whose label the notation does not know; they are
    silence in `phones`. Raises BadLabels that names the file and the label.
    """
    tiers = read_textgrid(path)
    if "phones" not in tiers and len(tiers) != 1:
        raise BadLabels(
            f"has the tiers {', '.join(tiers) or '(none)'}",
            where=str(path),
            remedy="name the tier of the phones `phones`, or that of mouth shapes `mouths`",
        )
    found = tiers.get("phones") or next(iter(tiers.values()))
    if not found:
        raise BadLabels("has no phones", where=str(path), remedy="label it, or give another file")
    segments = tile(found, found[-1].end, filler="sil")
    plain = [re.sub(r"(?<=[A-Z])[0-2]$", "", segment.label) for segment in segments]
    spoken = {label for label in plain if label.lower() not in SILENT}
    if spoken <= ARPABET:
        labels = [label if label in spoken else SILENCE for label in plain]
        phones = [Segment(p, s.start, s.end) for p, s in zip(labels, segments)]
        return tuple(phones), (), ()
    try:
        phoneset = guess_phoneset(spoken, str(path))
    except BadParams:
        return *_from_ipa(segments, language, str(path)), ()
    entries = [(s.start / RATE, s.end / RATE, s.label) for s in segments]
    phones, ipa = to_phones(entries, phoneset, segments[-1].end)
    unknown = tuple(phone for phone in phones if phone.label == UNKNOWN)
    known = (Segment(SILENCE, p.start, p.end) if p.label == UNKNOWN else p for p in phones)
    return tuple(known), ipa, unknown


def _from_ipa(
    segments: tuple[Segment, ...], language: str, where: str
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    phones, ipa = [], []
    for segment in segments:
        symbol = plain_symbol(segment.label)
        if segment.label.lower() in SILENT or not symbol:
            phones.append(Segment(SILENCE, segment.start, segment.end))
            ipa.append("")
            continue
        try:
            parts = parts_of(symbol, language)
        except BadParams as error:
            raise BadLabels(
                f"cannot read the phone {segment.label!r}",
                where=f"{where}: {segment.start / RATE:.3f} s",
                remedy="phones are ARPAbet, IPA (--language) or a notation of visemes/phonesets/",
            ) from error
        at, share = segment.start, 0.0
        for part in parts:
            share += part.share
            end = segment.start + round(share * segment.samples)
            if end > at:
                phones.append(Segment(part.phone, at, end))
                ipa.append(part.ipa)
            at = max(at, end)
    return tuple(phones), tuple(ipa)


def compare(a: Side, b: Side, rate: Fraction, asking: Side | None) -> dict:
    """The figures of two tracks as a mapping for JSON; times in seconds, shares in 0..1.

    asking: the phones of the lip score and of what is speech. Without them there is no lip score,
    and speech is where A is not at rest.
    """
    shared = b.track.inventory if a.track.inventory.name == "cherry12" else a.track.inventory
    seconds = max(a.track.seconds, b.track.seconds)
    fine = Fraction(FINE)
    one, other = (side.frames(fine, seconds, shared) for side in (a, b))
    both = compare_tracks(one, other, FINE, len(shared.classes))
    if asking:
        speech = sum(p.seconds for p in asking.phones if p.label != SILENCE)
    else:
        speech = float(np.mean(one != shared.classes.index(shared.rest)) * seconds)
    return {
        "a": _alone(a, rate, seconds, speech, asking),
        "b": _alone(b, rate, seconds, speech, asking),
        "seconds_of_speech": round(speech, 3),
        "frame_accuracy": _rounded(both.frame_accuracy),
        "macro_f1": _rounded(both.macro_f1),
        **{
            f"boundary_f1_{round(1000 * tolerance)}_ms": _rounded(f1)
            for tolerance, f1 in zip(TOLERANCES, both.boundary_f1, strict=True)
        },
    }


def _alone(side: Side, rate: Fraction, seconds: float, speech: float, asking: Side | None) -> dict:
    inventory = side.track.inventory
    moved = motion(side.frames(rate, seconds, inventory), rate, speech)
    changes = motion(side.frames(Fraction(FINE), seconds, inventory), FINE, speech)
    figures = {
        "file": side.name,
        "shapes": inventory.name,
        "seconds": round(side.track.seconds, 3),
        "changes_per_second": _rounded(changes.changes_per_second),
        "flickers_per_second": _rounded(moved.flickers_per_second),
    }
    if asking:
        score: LipScore = lip_score(
            side.frames(Fraction(FINE), seconds, inventory),
            FINE,
            asking.phones,
            inventory,
            ipa=asking.ipa,
            skip=asking.unknown,
        )
        figures["lip_score"] = _rounded(score.score)
        figures["lips"] = {
            part: {"hit": score.hit[part], "asked": score.asked[part]} for part in PARTS
        }
    return figures


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def as_table(figures: dict) -> str:
    """The figures as text for people."""
    a, b = figures["a"], figures["b"]
    rows = [("", "A", "B")]
    for key, name in (
        ("seconds", "seconds"),
        ("changes_per_second", "changes per second of speech"),
        ("flickers_per_second", "one-frame shapes per second of speech"),
        ("lip_score", "lip score"),
    ):
        if key in a:
            rows.append((name, _cell(a[key]), _cell(b[key])))
    for part in PARTS if "lips" in a else ():
        one, other = a["lips"][part], b["lips"][part]
        if one["asked"]:
            name = "  " + part.replace("_", " ")
            rows.append((name, *(f"{x['hit']} of {x['asked']}" for x in (one, other))))
    both = [
        ("the same shape, share of time", figures["frame_accuracy"]),
        ("mean F1 of the shapes", figures["macro_f1"]),
        ("changes at the same time, F1 within 20 ms", figures["boundary_f1_20_ms"]),
        ("changes at the same time, F1 within 40 ms", figures["boundary_f1_40_ms"]),
    ]
    lines = [f"A: {a['file']} ({a['shapes']})", f"B: {b['file']} ({b['shapes']})"]
    lines += [f"{name:44}{one:>14}{other:>14}".rstrip() for name, one, other in rows]
    lines += ["A and B:", *(f"{name:44}{_cell(value):>14}" for name, value in both)]
    if "lips" not in a:
        lines.append("No lip score: give the phones as A, as B or with --phones.")
    return "\n".join(lines) + "\n"


def _cell(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
