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
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from align import find_aligner
from align.landmarks import CLASSES, find_landmarks
from align.measure import compare
from align.refine import fitted
from clips import RATE, BadInput, Clip, Segment, VisemillError, draw_stream
from pipelines.engines import SynthesizeParams, configured_engine, listed_engines
from pipelines.prompts import FOLDER, read_lines
from pipelines.truth import read_truth
from synth import Engine, Prompt, Voice, find_engine
from synth.engine import base_language
from synth.grammar import generate
from synth.guard import Guard
from visemes.inventory import load_inventory

NEAR = 25.0
"""Boundaries up to this far (ms) from where the sound has them count as right."""

THROWN = 50.0
"""Labels that are thrown off at random by this much (ms, standard deviation) stand beside the true
ones: since a boundary is looked for near the claim, even they are often near it."""

_HEADER = """# Is the timing true?

Made by `visemill timing{arguments}`.
Each boundary between two phones is looked for in the sound itself, by the cue of its class; the
claim only says where to look (`align/landmarks.py`).
*Lag*: how much later the label comes (median) than labels that phoneticians made by hand come by
the same measure. *Near*: the share within {near:.0f} ms of that. Both before and after what
`synth/corrections.py` puts right, or for engines that only predict their lengths (piper, coqui)
`align/refine.py`; without a *before* nothing is. That refinement looks for changes of the sound as
this measure does, though by other means: for these engines the line about the aligner says more,
and `benchmarks/align_edges.py`, where labels made by hand are thrown off and refined. The last row
shows what the measure says of the same labels thrown off at random by {thrown:.0f} ms. Boundaries
that cannot be heard are left out: their share is given. Zero is set by the Germans of Emo-DB; EMU's
Australian is a check of it.
Voices that a user brings (piper, coqui) are measured once `params.yaml` names them.
"""


@dataclass
class Measured:
    """What was found about one engine, or one folder of hand labels.

    by_class, by_voice: lags (ms). thrown: of labels thrown off by THROWN. boundaries: how many
    there are, heard or not. failed: texts that the engine could not speak. aligner: claimed minus
    aligned (ms). aligned, clips: how many clips the aligner could align, and how many there are.
    """

    name: str
    by_class: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    by_voice: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    thrown: list[float] = field(default_factory=list)
    boundaries: int = 0
    failed: int = 0
    aligner: list[float] = field(default_factory=list)
    aligned: int = 0
    clips: int = 0

    def add(self, clip: Clip, voice: str) -> None:
        """Compares the clip's phones with its sound."""
        self.clips += 1
        self.boundaries += len(clip.phones) - 1
        rng = draw_stream(0, "thrown", clip.clip_id)
        self.thrown += [found.lag for found in find_landmarks(clip.audio, _thrown(clip, rng))]
        for landmark in find_landmarks(clip.audio, clip.phones):
            self.by_class[landmark.kind].append(landmark.lag)
            self.by_voice[voice].append(landmark.lag)

    def all(self) -> list[float]:
        """The lags of every class."""
        return [lag for lags in self.by_class.values() for lag in lags]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill timing`."""
    parser.add_argument("--engine", nargs="*", help="engines to measure (default: params.yaml's)")
    parser.add_argument(
        "--language", nargs="+", default=["en"], help="languages spoken (default en)"
    )
    parser.add_argument("--sentences", type=int, default=200, help="clips per engine")
    parser.add_argument("--truth", nargs="*", default=[], help="folders labelled by hand, beside")
    parser.add_argument("--no-aligner", action="store_true", help="leave the aligner out")
    parser.add_argument("-o", "--output", type=Path, help="write the table to a Markdown file")


def run(args: argparse.Namespace) -> int:
    """Measures, prints the table or writes it; 1 if there was nothing to measure."""
    if args.sentences < 1:
        raise BadInput(f"is {args.sentences}", where="--sentences", remedy="ask for 1 or more")
    if args.output and not args.output.parent.is_dir():
        raise BadInput("is no folder", where=str(args.output.parent), remedy="make it first")
    sections = []
    for name in args.engine or listed_engines():
        engine = configured_engine(name)
        if engine.version() is None:
            print(f"timing: {name} is not installed: {engine.install_line}", file=sys.stderr)
            continue
        for language in args.language:
            if not engine.voices(language):
                print(f"timing: {name} has no voice for {language}", file=sys.stderr)
                continue
            after = measure(engine, language, args.sentences, not args.no_aligner)
            before = None
            if "corrections" in engine.setting_names:
                plain = find_engine(name, {**engine.settings, "corrections": False})
                before = measure(plain, language, args.sentences, False)
            elif engine.predicted:
                before = measure(engine, language, args.sentences, False, refined=False)
            sections.append(engine_section(after, before))
    sections += [engine_section(measure_truth(Path(folder)), None) for folder in args.truth]
    if not sections:
        print("timing: there was nothing to measure", file=sys.stderr)
        return 1
    text = _HEADER.format(arguments=_given(args), near=NEAR, thrown=THROWN)
    text += "\n" + "\n".join(sections)
    if args.output:
        args.output.write_text(text, "utf-8")
        print(f"timing: wrote {args.output}", file=sys.stderr)
    else:
        print(text)
    return 0


def _given(args: argparse.Namespace) -> str:
    """The arguments of the command, as they stand in the docs: folders by their names."""
    given = [f" --engine {' '.join(args.engine)}"] if args.engine else []
    given += [f" --language {' '.join(args.language)}"] if args.language != ["en"] else []
    given += [f" --sentences {args.sentences}"] if args.sentences != 200 else []
    given += [f" --truth {' '.join(Path(f).name for f in args.truth)}"] if args.truth else []
    given += [" --no-aligner"] if args.no_aligner else []
    return "".join(given)


def measure(
    engine: Engine, language: str, count: int, with_aligner: bool, refined: bool = True
) -> Measured:
    """Speaks `count` sentences, each speaker in turn, and compares claims with the sound.

    refined: with predicted boundaries moved, as the stage `synthesize` does.
    """
    measured = Measured(engine.name if language == "en" else f"{engine.name}, {language}")
    aligner = find_aligner("pocketsphinx") if with_aligner and language == "en" else None
    for voice, clip in tqdm(
        speak_all(engine, language, count, measured),
        total=count,
        desc=f"timing {engine.name}",
        mininterval=1.0,
    ):
        if refined and engine.predicted:
            clip = fitted(clip)
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


def speak_all(
    engine: Engine, language: str, count: int, measured: Measured | None = None
) -> Iterator[tuple[Voice, Clip]]:
    """Up to `count` clips; every speaker speaks once before any speaks twice, accents in turn.

    A text that cannot be spoken is left out and counted in `measured`.
    """
    by_speaker: dict[str, list[Voice]] = defaultdict(list)
    for voice in engine.voices(language):
        by_speaker[voice.speaker].append(voice)
    speakers = list(by_speaker.values())
    texts = sentences(language)
    make = partial(find_engine, engine.name, engine.settings)
    with Guard(make, SynthesizeParams.seconds_per_clip) as guard:
        for number in range(count):
            voices = speakers[number % len(speakers)]
            voice = voices[number % len(voices)]
            prompt = Prompt(f"t{number}", texts[number % len(texts)], language)
            rng = draw_stream(0, "timing", f"{voice.name}-{number}")
            params = engine.draw(rng, prompt, voice)
            try:
                clip = guard.speak(prompt, voice, params, prompt.prompt_id)
            except VisemillError as error:
                print(f"left out: {error}", file=sys.stderr)
                if measured is not None:
                    measured.failed += 1
                continue
            yield voice, clip


def sentences(language: str) -> Sequence[str]:
    """Sentences to speak: the generator's in English, else those of datasets/prompts.

    Raises BadText if there are none.
    """
    if language == "en":
        return generate(400, 5)
    found, _ = read_lines(FOLDER / "sentences" / f"{base_language(language)}.txt", language)
    return found


def _thrown(clip: Clip, rng: np.random.Generator) -> list[Segment]:
    """The clip's phones with every boundary thrown off at random, in order, some gone."""
    jitter = rng.normal(0, THROWN * RATE / 1000, len(clip.phones) - 1)
    inner = np.array([phone.end for phone in clip.phones[:-1]]) + np.round(jitter).astype(int)
    inner = np.clip(np.maximum.accumulate(inner), 1, len(clip) - 1) if len(inner) else inner
    edges = [0, *map(int, inner), len(clip)]
    pairs = zip(clip.phones, edges, edges[1:])
    return [Segment(phone.label, start, end) for phone, start, end in pairs if end > start]


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
    lines.append(
        f"| all, thrown off | by {THROWN:.0f} ms at random | {len(after.thrown)} | |"
        f" {_cell(after.thrown)} |"
    )
    unheard = 1 - len(after.all()) / max(1, after.boundaries)
    lines += ["", f"{unheard:.0%} of {after.boundaries} boundaries cannot be heard."]
    if after.failed:
        lines.append(f"{after.failed} texts could not be spoken.")
    if after.aligner:
        lines += ["", "pocketsphinx, which learned from people's voices, aligned"
                  f" {after.aligned} of {after.clips} clips; against its boundaries the labels come"
                  f" {np.median(after.aligner):+.1f} ms late (median), {_near(after.aligner):.0%}"
                  f" within {NEAR:.0f} ms."]  # fmt: skip
    voices = sorted(after.by_voice.items())
    if len(voices) > 1 and ("," not in after.name or len(voices) <= 4):  # espeak's are the same
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
