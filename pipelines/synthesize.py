"""Stage `synthesize@engine`: the chosen sentences, spoken by an engine that knows its timing.

An engine that only predicts how long its phones last has their boundaries moved to the changes of
the sound (align.refine.fitted); the timing of such clips is "aligned", not "exact".
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial

from align.refine import fitted
from clips import (
    Clip,
    EngineMissing,
    Reject,
    VisemillError,
    draw_stream,
    partition_name,
    partition_of,
)
from clips.splits import speaker_split
from pipelines.engines import SynthesizeParams, configured_engine, is_used
from pipelines.executors import add_share_arguments
from pipelines.params import load_params
from pipelines.prompts import CHOSEN, read_prompts
from pipelines.runner import Done, Task, rejecting, run_partitions
from pipelines.splits import Splits
from pipelines.stage import DATA, exit_with, seed
from synth import Engine, Prompt, Voice, find_engine
from synth.guard import Guard

REFINING = ("align/refine.py", "align/edges.py", "align/edges.npz", "align/spectrum.py")
"""What the boundaries of an engine that predicts them depend on as well."""


@dataclass(frozen=True)
class Work:
    """What a worker of this stage needs."""

    engine: str
    settings: dict
    seed: int
    seconds_per_clip: float


def run(engine: str) -> Done:
    """Writes datasets/synthesize/<engine>; empty if the engine is not part of this run."""
    params = load_params("synthesize", SynthesizeParams)
    splits = load_params("splits", Splits)
    speaker = configured_engine(engine)
    used = is_used(engine)
    if not used:
        print(
            f"synthesize: {engine} is not part of this run (see visemill doctor)", file=sys.stderr
        )
    tasks = plan(speaker, params, splits) if used else []
    return run_partitions(
        f"synthesize-{engine}",
        synthesize_partition,
        tasks,
        DATA / "synthesize" / engine,
        Work(engine, params.settings.get(engine, {}), seed(), params.seconds_per_clip),
        rooms=("synth", "clips", *(REFINING if speaker.predicted else ())),
        max_rejects=params.max_rejects,
        versions=speaker.identity() if used else "",
    )


def plan(engine: Engine, params: SynthesizeParams, splits: Splits) -> list[Task]:
    """Who says what: each sentence by voices of its own split, drawn for it alone."""
    spoken: list[list[dict]] = [[] for _ in range(params.partitions)]
    silent: Counter = Counter()
    voices: dict[str, list[Voice]] = {}
    speakers: dict[
        tuple[str, str], dict
    ] = {}  # one for all that a voice says: plans are kept in memory
    for prompt in read_prompts(CHOSEN):
        language = prompt.language
        if language not in voices:
            voices[language] = list(engine.voices(language))
            speakers |= {(language, v.name): _fields(v) for v in voices[language]}
        fitting = [v for v in voices[language] if _split_of(v, splits) == prompt.split]
        if not fitting:
            silent[f"{language}, {prompt.split}"] += 1
        rng = draw_stream(seed(), f"synthesize {engine.name}", prompt.prompt_id)
        count = min(len(fitting), params.voices_per_prompt.get(language, 1))
        said = _fields(prompt)
        for at in rng.permutation(len(fitting))[:count]:
            voice = fitting[at]
            clip_id = f"{engine.name}-{voice.name}-{prompt.prompt_id}"
            row = {"clip_id": clip_id, "prompt": said, "voice": speakers[language, voice.name]}
            spoken[partition_of(clip_id, params.partitions)].append(row)
    for what, count in sorted(silent.items()):
        print(
            f"synthesize: {engine.name} has no voice for {count} sentences ({what})",
            file=sys.stderr,
        )
    return [
        Task(partition_name(number), (), sorted(rows, key=lambda row: row["clip_id"]))
        for number, rows in enumerate(spoken)
    ]


def synthesize_partition(task: Task, work: Work) -> Iterator[Clip | Reject]:
    """The clips of one partition."""
    engine = find_engine(work.engine, work.settings)
    guard = _guard(work.engine, json.dumps(work.settings, sort_keys=True), work.seconds_per_clip)
    for row in task.details:
        prompt, voice = Prompt(**row["prompt"]), Voice(**row["voice"])
        rng = draw_stream(work.seed, "synthesize", row["clip_id"])
        try:
            clip = guard.speak(prompt, voice, engine.draw(rng, prompt, voice), row["clip_id"])
            yield fitted(clip) if engine.predicted else clip
        except EngineMissing:
            raise
        except VisemillError as error:
            yield rejecting(row["clip_id"], "synthesize", error, text=prompt.text)


@cache
def _guard(engine: str, settings: str, seconds: float) -> Guard:
    """One process for each worker: starting it and loading a model takes longer than a clip."""
    return Guard(partial(find_engine, engine, json.loads(settings)), seconds)


def _split_of(voice: Voice, splits: Splits) -> str:
    return speaker_split(voice.speaker, splits.test_speakers, splits.valid_speakers)


def _fields(value: Prompt | Voice) -> dict:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def main() -> None:
    """Command line: `python -m pipelines.synthesize ENGINE`."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_share_arguments(parser)
    parser.add_argument("engine")
    run(parser.parse_args().engine)


if __name__ == "__main__":
    exit_with(main)
