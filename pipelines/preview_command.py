"""`visemill preview`: a film, a GIF or a page that shows mouths moving to the sound."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from clips import BadInput, BadParams, Segment, read_audio
from clips.errors import writing
from lipsync.infer import Model, usual_model
from pipelines.params import FILE, load_params
from pipelines.preview.film import write_gif, write_mp4
from pipelines.preview.page import write_page
from pipelines.preview.scene import FILM, SMALL, Scene
from pipelines.preview.tracks import (
    Track,
    model_track,
    named,
    read_phones,
    read_track,
    rules_track,
)
from pipelines.visemes import VisemesParams
from visemes.rates import frame_rate
from visemes.rules import Rules

_SUFFIXES = (".mp4", ".gif", ".html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill preview`."""
    parser.add_argument("audio", type=Path, metavar="AUDIO", help="WAV, FLAC, Ogg or MP3")
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        required=True,
        metavar="FILE",
        help="what to make: a name that ends in .mp4, .gif (no sound) or .html (works offline)",
    )
    parser.add_argument(
        "--cues",
        nargs="+",
        action="extend",
        default=[],
        metavar="[NAME=]FILE",
        help="tracks to show side by side, in any format of docs/visemes.md (default: the model's)",
    )
    parser.add_argument(
        "--phones", type=Path, metavar="FILE.TextGrid", help="phones to show below the sound"
    )
    parser.add_argument(
        "--rules",
        action="store_true",
        help="show the mouths that the rules of params.yaml make of --phones (ARPAbet)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="show this model's mouths (where nothing else is shown, those of the model that"
        " `visemill lipsync` takes)",
    )
    parser.add_argument(
        "--fps", type=_rate, default="24", help="pictures a second (default 24; a GIF at most 50)"
    )


def run(args: argparse.Namespace) -> int:
    """Makes the preview; 0. Raises VisemillError that says what cannot be read or written."""
    suffix = args.output.suffix.lower()
    if suffix not in _SUFFIXES:
        raise BadInput(
            f"{suffix or 'no suffix'} is no kind of preview",
            where=str(args.output),
            remedy=f"end the name of the file in {', '.join(_SUFFIXES)}",
        )
    audio = read_audio(args.audio)
    tracks = [read_track(path, name, len(audio), args.fps) for name, path in named(args.cues)]
    phones = read_phones(args.phones, len(audio)) if args.phones else ()
    if args.rules:
        tracks.append(_rules_track(args.phones, phones, len(audio)))
    if args.model or not tracks:
        path = args.model or usual_model()
        tracks.append(model_track(Model.load(path), audio, path.stem))
    with writing(args.output):
        if suffix == ".html":
            write_page(args.output, audio, tracks, phones, args.fps, title=args.audio.name)
        elif suffix == ".mp4":
            write_mp4(args.output, Scene(audio, tracks, phones, args.fps, FILM), audio)
        else:
            write_gif(args.output, Scene(audio, tracks, phones, args.fps, SMALL))
    return 0


def _rules_track(path: Path | None, phones: Sequence[Segment], samples: int) -> Track:
    if path is None:
        raise BadInput("--rules needs phones", remedy="give them with --phones FILE.TextGrid")
    rules = load_params("visemes", VisemesParams).rules if FILE.is_file() else Rules()
    try:
        return rules_track(phones, samples, rules)
    except BadParams as error:
        raise BadInput(
            f"holds phones that the rules do not know ({error.what})",
            where=str(path),
            remedy="--rules reads ARPAbet, as `visemill align` writes it for English",
        ) from error


def _rate(text: str):
    try:
        return frame_rate(text)
    except BadParams as error:
        raise argparse.ArgumentTypeError(str(error)) from error
