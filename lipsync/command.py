"""`visemill lipsync`: mouth cues for recordings, folders of them, and sound as it arrives."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np

from clips import BadInput, VisemillError, read_audio
from clips.errors import writing
from lipsync.features import HOP, RATE
from lipsync.infer import OWN_MODEL, CueStream, Model, cues, usual_model
from lipsync.steady import Steady, steady_classes
from visemes.cues import to_tsv
from visemes.formats import FORMATS, CueTrack, write_cues
from visemes.rates import frame_rate

SOUNDS = frozenset(".wav .flac .ogg .oga .mp3".split())
"""Endings of the files that are read when a folder is given."""

SHORT_NAMES = {"xml": "rhubarb-xml", "dat": "moho"}
"""What animators call these formats."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill lipsync`."""
    parser.add_argument(
        "audio",
        nargs="+",
        metavar="AUDIO",
        help="WAV, FLAC, Ogg or MP3; a folder of them; or - for raw sound from standard input"
        f" ({RATE} Hz, mono, 16 bit, little endian), answered while it arrives",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help=f"a model that ends in .onnx or .pt (default {OWN_MODEL}, else the one that comes"
        " with visemill)",
    )
    parser.add_argument(
        "--fps", type=_fps, default=30.0, help="pictures a second of the animation (default 30)"
    )
    parser.add_argument(
        "--filter",
        action="store_true",
        help="a steadier mouth: fewer changes, shapes held for 2 pictures unless lips close",
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
    name = SHORT_NAMES.get(args.format, args.format)
    model = Model.load(args.model or usual_model())
    if "-" in args.audio:
        if args.audio != ["-"] or name != "tsv" or args.output:
            raise BadInput(
                "standard input is answered alone, as TSV, on standard output",
                remedy="leave out the other recordings, --format and -o",
            )
        answer_stream(model, sys.stdin.buffer, args)
        return 0
    sources = [source for name in args.audio for source in _sounds(Path(name))]
    targets = _targets(sources, args.output, FORMATS[name].suffix)
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
            save_text(target, text)
    return 1 if failed else 0


def answer_stream(model: Model, sound: BinaryIO, args: argparse.Namespace) -> None:
    """Writes a line for each change of the mouth as soon as the sound so far decides it.

    sound: raw samples, RATE Hz, mono, 16 bit, little endian; half a sample at the end is left out.
    """
    stream, shown = model.stream(), CueStream(args.fps, filter=args.filter)
    steady = Steady() if args.filter else _Raw()
    held, first = b"", True
    while data := sound.read1(2 * HOP):
        if first and data.startswith((b"RIFF", b"fLaC", b"OggS", b"ID3")):
            raise BadInput(
                "standard input is a sound file, not raw sound",
                remedy="give the file's name instead of -",
            )
        first = False
        data = held + data
        whole = len(data) // 2 * 2
        held = data[whole:]
        samples = np.frombuffer(data[:whole], "<i2").astype(np.float32) / 32768
        _say(shown.push(steady.push(stream.push(samples))))
    _say(shown.push(steady.push(stream.finish())) + shown.push(steady.finish()) + shown.finish())


class _Raw:
    """The likeliest shapes as they come, in the manner of Steady."""

    def push(self, probabilities: np.ndarray) -> np.ndarray:
        return probabilities.argmax(1)

    def finish(self) -> np.ndarray:
        return np.zeros(0, np.int64)


def _say(track: list[tuple[float, str]]) -> None:
    if track:
        sys.stdout.write(to_tsv(track))
        sys.stdout.flush()


def _sounds(source: Path) -> list[Path]:
    """The recording itself, or those that lie in the folder."""
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in SOUNDS)
    if not found:
        raise BadInput(
            "holds no recordings",
            where=str(source),
            remedy=f"give a folder with files that end in {', '.join(sorted(SOUNDS))}",
        )
    return found


def _cues_of(model: Model, source: Path, form: str, args: argparse.Namespace) -> str:
    audio = read_audio(source)
    probabilities = model.predict(audio)
    classes = steady_classes(probabilities) if args.filter else probabilities.argmax(1)
    track = cues(classes, args.fps, filter=args.filter)
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
        if output.exists() and output.samefile(sources[0]):
            raise BadInput(
                "is the recording itself",
                where=str(output),
                remedy="give the cues another name with -o",
            )
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


def save_text(target: Path, text: str) -> None:
    """Writes a file and the folders above it. Raises BadInput that names it if that fails."""
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")


def _fps(text: str) -> float:
    try:
        fps = float(text)
    except ValueError:
        fps = 0.0
    if not 0 < fps <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pictures a second")
    return fps
