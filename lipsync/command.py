"""`visemill lipsync`: mouth cues for recordings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from clips import BadInput, VisemillError, read_audio
from lipsync.errors import ModelMissing
from lipsync.features import RATE
from lipsync.infer import Model, cues
from visemes.formats import FORMATS, CueTrack, write_cues
from visemes.rates import frame_rate

DEFAULT_MODEL = Path("models/visemill.onnx")
"""Where `make repro` leaves the model, from the working directory."""

SHORT_NAMES = {"xml": "rhubarb-xml", "dat": "moho"}
"""What animators call these formats."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill lipsync`."""
    parser.add_argument("audio", nargs="+", metavar="AUDIO", help="WAV, FLAC, Ogg or MP3")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help=f"a model that ends in .onnx or .pt (default {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--fps", type=_fps, default=30.0, help="pictures a second of the animation (default 30)"
    )
    parser.add_argument(
        "--filter", action="store_true", help="hold every mouth shape for at least 2 pictures"
    )
    parser.add_argument(
        "--format",
        choices=(*FORMATS, *SHORT_NAMES),
        default="tsv",
        help="of the cues (default tsv; see docs/visemes.md); moho and opentoonz need 10-100 fps",
    )
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        metavar="FILE",
        help="write here instead of to standard output; a folder when there are several recordings",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command; 0, or 1 if some of several recordings could not be used.

    Raises BadInput, BadAudio or EngineMissing when nothing can be done.
    """
    sources = [Path(name) for name in args.audio]
    name = SHORT_NAMES.get(args.format, args.format)
    targets = _targets(sources, args.output, FORMATS[name].suffix)
    model = Model.load(args.model or _default_model())
    failed = 0
    for source, target in zip(sources, targets):
        try:
            text = _cues_of(model, source, name, args)
        except VisemillError as error:
            if len(sources) == 1:
                raise
            print(f"visemill: {error}", file=sys.stderr)
            failed += 1
            continue
        if target is None:
            sys.stdout.write(text)
        else:
            _save(target, text)
    return 1 if failed else 0


def _cues_of(model: Model, source: Path, form: str, args: argparse.Namespace) -> str:
    audio = read_audio(source)
    track = cues(model.predict(audio).argmax(1), args.fps, filter=args.filter)
    track = track or [(0.0, "X")]  # too short to show anything: the mouth stays at rest
    written = CueTrack(tuple(track), len(audio) / RATE, sound=str(source.resolve()))
    return write_cues(written, form, frame_rate(args.fps))


def _targets(sources: list[Path], output: Path | None, suffix: str) -> list[Path | None]:
    if output is None:
        if len(sources) > 1:
            raise BadInput(
                f"{len(sources)} recordings cannot share the standard output",
                remedy="give a folder with -o",
            )
        return [None]
    if len(sources) == 1 and not output.is_dir():
        return [output]
    if output.exists() and not output.is_dir():
        raise BadInput("is a file", where=str(output), remedy="give a folder with -o")
    taken: dict[Path, Path] = {}
    for source in sources:
        target = output / f"{source.stem}.{suffix}"
        if target in taken:
            raise BadInput(
                f"{taken[target]} and {source} would both become {target}",
                remedy="rename one, or run the command once for each folder",
            )
        taken[target] = source
    return list(taken)


def _save(target: Path, text: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise BadInput(
            f"cannot be written ({error.strerror})",
            where=str(target),
            remedy="give another place with -o",
        ) from error


def _default_model() -> Path:
    if not DEFAULT_MODEL.is_file():
        raise ModelMissing(
            f"there is no {DEFAULT_MODEL} here",
            remedy="`make repro` makes one; or give another model with --model FILE",
        )
    return DEFAULT_MODEL


def _fps(text: str) -> float:
    try:
        fps = float(text)
    except ValueError:
        fps = 0.0
    if not 0 < fps <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pictures a second")
    return fps
