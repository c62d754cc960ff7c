"""`visemill narrate`: any program that speaks texts into files becomes a folder of recordings.

Its timing is not known, so the aligner finds it as it does for people. For languages without free
recordings a voice that was made from a person's is the next best.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import soundfile
import yaml
from tqdm import tqdm

from clips import (
    BadInput,
    EngineFailed,
    EngineMissing,
    VisemillError,
    draw_stream,
    files,
    replacing,
)
from pipelines.stage import seed
from synth.engine import base_language
from synth.text import clean_text

SENTENCES = Path(__file__).parents[1] / "datasets" / "prompts" / "sentences"
_RANGE = re.compile(r"\{(-?\d+)\.\.(-?\d+)\}")
_SECONDS = 120.0  # for one text; neural voices on a CPU may need a while
_HOPELESS = 5  # so many failures at the start, and the others are not tried
_COLUMNS = ("utt", "speaker", "audio", "text")


@dataclass(frozen=True, slots=True)
class Program:
    """A command line with {wav}, perhaps {text}, and ranges such as {80..120}: a whole number of
    such a range is drawn for each take. Without {text}, the program reads it from its standard
    input. No shell reads the line."""

    line: str

    def __post_init__(self) -> None:
        """Raises BadInput."""
        wrong = ""
        try:
            parts = shlex.split(self.line)
        except ValueError as error:
            parts, wrong = [], f"has quotes that do not close ({error})"
        if not wrong and not parts:
            wrong = "is empty"
        if not wrong and not any("{wav}" in part for part in parts[1:]):
            wrong = "does not say where {wav} goes"
        if not wrong and "{text}" in parts[0]:
            wrong = "has a text for a program"
        if not wrong and any(int(low) > int(high) for low, high in _RANGE.findall(self.line)):
            wrong = "has a range whose end is below its start"
        if wrong:
            raise BadInput(
                wrong,
                where=f"command {self.line!r}",
                remedy="write for example: 'pico2wave -l de-DE -w {wav} {text}'",
            )

    def arguments(self, text: str, wav: Path, take: str, seed: int) -> list[str]:
        """The program and its arguments for one take; the same take draws the same numbers."""
        rng = draw_stream(seed, "narrate", take)

        def filled(part: str) -> str:
            drawn = _RANGE.sub(lambda m: str(rng.integers(int(m[1]), int(m[2]) + 1)), part)
            # Both at once: a text that holds {wav} is a text.
            return re.sub(r"\{(text|wav)\}", lambda m: text if m[1] == "text" else str(wav), drawn)

        return [filled(part) for part in shlex.split(self.line)]

    def speak(self, text: str, wav: Path, take: str, seed: int) -> None:
        """Writes `wav`, whole or not at all. Raises EngineMissing, EngineFailed."""
        part = wav.with_name(f".{wav.stem}.part.wav")
        command = self.arguments(text, part.absolute(), take, seed)
        try:
            told = b"" if "{text}" in self.line else f"{text}\n".encode()
            done = subprocess.run(command, input=told, capture_output=True, timeout=_SECONDS)
            if done.returncode:
                said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
                raise _failed(text, f"status {done.returncode}: {said[-200:]}")
            _check(part, text)
            os.replace(part, wav)
        except FileNotFoundError as error:
            raise EngineMissing(
                f"there is no program {command[0]!r}", remedy="install it, or give its whole path"
            ) from error
        except OSError as error:
            raise _failed(text, str(error)) from error
        except subprocess.TimeoutExpired as error:
            raise _failed(text, f"no end after {_SECONDS:g} s") from error
        finally:
            part.unlink(missing_ok=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill narrate`."""
    parser.add_argument(
        "command",
        help="as on the command line, with {wav}, {text} if it does not read its standard input,"
        " and perhaps {80..120}, a number drawn for each take; in quotes",
    )
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="new recordings")
    parser.add_argument("--language", required=True, help="such as de")
    parser.add_argument("--licence", required=True, help="of what the voice says, such as CC0-1.0")
    parser.add_argument("--attribution", required=True, help="whose voice it is")
    parser.add_argument("--speaker", help="the voice's name (default: the folder's)")
    parser.add_argument(
        "--sentences",
        type=Path,
        help="a text each line (default: those of datasets/prompts/sentences in the language)",
    )
    parser.add_argument("--takes", type=int, default=1, help="of each sentence (default 1)")


def run(args: argparse.Namespace) -> int:
    """Speaks what is not spoken yet, writes the manifest, and says how much."""
    if args.takes < 1:
        raise BadInput(f"is {args.takes}", where="--takes", remedy="write at least 1")
    source = args.sentences or SENTENCES / f"{base_language(args.language)}.txt"
    if not source.is_file():
        raise BadInput("there is no such file", where=str(source), remedy="--sentences FILE")
    program = Program(args.command)
    about = {
        "licence": args.licence,
        "attribution": args.attribution,
        "language": args.language,
    }
    _open_folder(args.to, about, args.command)
    takes = list(_takes(source, args.language, args.takes))
    if not takes:
        raise BadInput("holds no text", where=str(source), remedy="write a text in each line")
    rows, seconds, failed = [], 0.0, 0
    for take, text in tqdm(takes, desc="narrate", unit="take", file=sys.stderr):
        wav = args.to / "audio" / f"{take}.wav"
        try:
            if not wav.exists():
                program.speak(text, wav, take, seed())
        except EngineMissing:
            raise
        except VisemillError as error:
            print(f"  left out: {error}", file=sys.stderr)
            failed += 1
            if not rows and failed == _HOPELESS:
                break
            continue
        seconds += soundfile.info(wav).duration
        rows.append((take, args.speaker or args.to.resolve().name, f"audio/{wav.name}", text))
    if not rows:
        raise EngineFailed(
            f"none of {failed} texts was spoken",
            where=f"command {args.command!r}",
            remedy="run it by hand once",
        )
    with replacing(args.to / "manifest.tsv") as temporary:
        lines = ["\t".join(row) for row in (_COLUMNS, *rows)]
        temporary.write_text("\n".join(lines) + "\n", "utf-8")
    print(
        f"visemill: {len(rows)} recordings, {seconds / 60:.1f} min; use them with:"
        f" make repro RECORDINGS={args.to}",
        file=sys.stderr,
    )
    return 0


def _takes(source: Path, language: str, takes: int) -> Iterator[tuple[str, str]]:
    """Name and text of each take. A line that cannot be spoken is named and left out."""
    for text in _texts(source, language):
        name = blake2b(text.encode(), digest_size=6).hexdigest()
        for number in range(takes):
            yield f"{base_language(language)}-{name}-{number}", text


def _texts(source: Path, language: str) -> Iterable[str]:
    texts: dict[str, None] = {}
    for number, line in files.read_lines(source):
        if line is None or line.strip():
            try:
                if line is None:
                    raise BadInput("is not UTF-8 text", remedy="save the file as UTF-8")
                texts[clean_text(line, language)] = None
            except VisemillError as error:
                print(f"  left out: {source}:{number}: {error}", file=sys.stderr)
    return texts


def _open_folder(folder: Path, about: dict[str, str], command: str) -> None:
    """Makes the folder, or goes on in one that this command began. Raises BadInput."""
    descriptor = folder / "corpus.yaml"
    text = yaml.safe_dump(about, allow_unicode=True, sort_keys=False)
    text += f"# spoken by: {' '.join(command.splitlines())}\n"
    if descriptor.exists():
        if descriptor.read_text("utf-8") != text:
            raise BadInput(
                "was begun with another command, licence, attribution or language",
                where=str(folder),
                remedy="give the same ones, or another folder",
            )
    elif folder.exists() and any(folder.iterdir()):
        raise BadInput("holds other files", where=str(folder), remedy="name a new folder")
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    with replacing(descriptor) as temporary:
        temporary.write_text(text, "utf-8")


def _check(path: Path, text: str) -> None:
    """Raises EngineFailed unless `path` holds sound."""
    try:
        audio, _ = soundfile.read(path, dtype="float32")
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise _failed(text, f"it wrote no sound file to {{wav}} ({error})") from error
    if not audio.any():
        raise _failed(text, "it wrote silence")


def _failed(text: str, why: str) -> EngineFailed:
    return EngineFailed(
        f"the program failed ({why})", where=f"text {text[:40]!r}", remedy="see what it needs"
    )
