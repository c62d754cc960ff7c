"""`visemill timing`: are the phone times that engines claim true? A table for the docs.

Every engine's voices speak sentences; each claimed boundary is compared with the sound itself
(align.landmarks) and, in English, with a forced aligner that knows nothing of the claim.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from align import find_aligner
from align.landmarks import CLASSES, find_landmarks
from align.measure import compare
from clips import RATE, Clip, VisemillError, draw_stream
from pipelines.engines import configured_engine, listed_engines
from pipelines.truth import read_truth
from synth import Engine, Prompt, Voice, find_engine
from synth.grammar import generate
from visemes.inventory import load_inventory

SENTENCES = Path("datasets/prompts/sentences")
NEAR = 25.0
"""Boundaries up to this far (ms) from where the sound has them count as right."""

_HEADER = """# Is the timing true?

Made by `visemill timing{arguments}`.
Each boundary between two phones is looked for in the sound itself, by the cue of its class; the
claim only says where to look (`align/landmarks.py`).
*Lag*: how much later the label comes (median) than labels that phoneticians made by hand come by
the same measure. *Near*: the share within {near:.0f} ms of that. Both before and after what
`synth/corrections.py` puts right; without a *before* nothing is.
"""


@dataclass
class Measured:
    """What was found about one engine, or one folder of hand labels.

    by_class, by_voice: lags (ms). aligner: claimed minus aligned (ms). aligned, clips: how many
    clips the aligner could align, and how many there are.
    """

    name: str
    by_class: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    by_voice: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    aligner: list[float] = field(default_factory=list)
    aligned: int = 0
    clips: int = 0

    def add(self, clip: Clip, voice: str) -> None:
        """Compares the clip's phones with its sound."""
        self.clips += 1
        for landmark in find_landmarks(clip.audio, clip.phones):
            self.by_class[landmark.kind].append(landmark.lag)
            self.by_voice[voice].append(landmark.lag)

    def all(self) -> list[float]:
        """The lags of every class."""
        return [lag for lags in self.by_class.values() for lag in lags]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill timing`."""
    parser.add_argument("--engine", nargs="*", help="engines to measure (default: params.yaml's)")
    parser.add_argument("--language", default="en", help="language spoken (default en)")
    parser.add_argument("--sentences", type=int, default=200, help="clips per engine")
    parser.add_argument("--truth", nargs="*", default=[], help="folders labelled by hand, beside")
    parser.add_argument("--no-aligner", action="store_true", help="leave the aligner out")
    parser.add_argument("-o", "--output", type=Path, help="write the table to a Markdown file")


def run(args: argparse.Namespace) -> int:
    """Measures, prints the table or writes it."""
    sections = []
    for name in args.engine or listed_engines():
        engine = configured_engine(name)
        if engine.version() is None:
            print(f"timing: {name} is not installed: {engine.install_line}", file=sys.stderr)
            continue
        if not engine.voices(args.language):
            print(f"timing: {name} has no voice for {args.language}", file=sys.stderr)
            continue
        after = measure(engine, args.language, args.sentences, not args.no_aligner)
        before = None
        if "corrections" in engine.setting_names:
            plain = find_engine(name, {**engine.settings, "corrections": False})
            before = measure(plain, args.language, args.sentences, False)
        sections.append(engine_section(after, before))
    for folder in args.truth:
        sections.append(engine_section(measure_truth(Path(folder)), None))
    given = [f" --engine {' '.join(args.engine)}"] if args.engine else []
    given += [f" --language {args.language}"] if args.language != "en" else []
    given += [f" --sentences {args.sentences}"] if args.sentences != 200 else []
    given += [f" --truth {' '.join(Path(f).name for f in args.truth)}"] if args.truth else []
    text = _HEADER.format(arguments="".join(given), near=NEAR) + "\n" + "\n".join(sections)
    if args.output:
        args.output.write_text(text, "utf-8")
        print(f"timing: wrote {args.output}", file=sys.stderr)
    else:
        print(text)
    return 0


def measure(engine: Engine, language: str, count: int, with_aligner: bool) -> Measured:
    """Speaks `count` sentences, each speaker in turn, and compares claims with the sound."""
    measured = Measured(engine.name)
    aligner = find_aligner("pocketsphinx") if with_aligner and language == "en" else None
    for voice, clip in tqdm(
        speak_all(engine, language, count),
        total=count,
        desc=f"timing {engine.name}",
        mininterval=1.0,
    ):
        measured.add(clip, voice.speaker)
        if aligner is None or aligner.version() is None:
            continue
        try:
            guess = aligner.align(clip.with_(phones=(), words=(), ipa=()))
        except VisemillError:
            continue
        measured.aligned += 1
        errors = compare(clip.phones, guess.phones).errors
        measured.aligner += [-error * 1000 / RATE for error in errors]
    return measured


def measure_truth(folder: Path) -> Measured:
    """The same measure over labels made by hand."""
    measured = Measured(folder.name)
    for truth in read_truth(folder, load_inventory("cherry12")):
        measured.add(truth.clip, truth.clip.speaker)
    return measured


def speak_all(engine: Engine, language: str, count: int) -> Iterator[tuple[Voice, Clip]]:
    """`count` clips; every speaker speaks once before any speaks twice, accents in turn."""
    by_speaker: dict[str, list[Voice]] = defaultdict(list)
    for voice in engine.voices(language):
        by_speaker[voice.speaker].append(voice)
    speakers = list(by_speaker.values())
    texts = sentences(language)
    for number in range(count):
        voices = speakers[number % len(speakers)]
        voice = voices[number % len(voices)]
        prompt = Prompt(f"t{number}", texts[number % len(texts)], language)
        rng = draw_stream(0, "timing", f"{voice.name}-{number}")
        yield voice, engine.speak(prompt, voice, engine.draw(rng, prompt, voice), prompt.prompt_id)


def sentences(language: str) -> Sequence[str]:
    """Sentences to speak: the generator's in English, else those of datasets/prompts."""
    if language == "en":
        return generate(400, 5)
    lines = (SENTENCES / f"{language}.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def engine_section(after: Measured, before: Measured | None) -> str:
    """The tables of one engine: classes of boundaries, then voices."""
    lines = [f"## {after.name}", ""]
    lines += ["| boundary | what is looked for | n | before: lag, near | lag, near |"]
    lines += ["|---|---|--:|--:|--:|"]
    for kind, cue in (*CLASSES.items(), ("all", "")):
        lags = after.all() if kind == "all" else after.by_class.get(kind, [])
        if not lags:
            continue
        then = []
        if before is not None:
            then = before.all() if kind == "all" else before.by_class[kind]
        lines.append(f"| {kind} | {cue} | {len(lags)} | {_cell(then)} | {_cell(lags)} |")
    if after.aligner:
        lines += ["", f"pocketsphinx aligned {after.aligned} of {after.clips} clips; against its"
                  f" boundaries the labels come {np.median(after.aligner):+.1f} ms late (median),"
                  f" {_near(after.aligner):.0%} within {NEAR:.0f} ms."]  # fmt: skip
    voices = sorted(after.by_voice.items())
    if len(voices) > 1:
        lines += ["", "|" + " voice | n | lag, near |" * 3, "|" + "---|--:|--:|" * 3]
        rows = [f" {name.partition(':')[2]} | {len(x)} | {_cell(x)} |" for name, x in voices]
        for at in range(0, len(rows), 3):
            row = rows[at : at + 3] + ["  |  |  |"] * (3 - len(rows[at : at + 3]))
            lines.append("|" + "".join(row))
    return "\n".join(lines) + "\n"


def _cell(lags: Iterable[float]) -> str:
    lags = list(lags)
    return f"{np.median(lags):+.1f} ms, {_near(lags):.0%}" if lags else ""


def _near(lags: Iterable[float]) -> float:
    return float(np.mean(np.abs(list(lags)) <= NEAR))
