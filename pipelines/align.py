"""Stage `align@corpus`: the words and phones of recordings, by forced alignment.

What cannot be aligned, or looks wrong, is rejected with a reason; the rest carries a confidence
that triage reads.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from align import find_aligner
from align.confidence import (
    AlignmentLimits,
    confidence,
    doubt,
    match_confidence,
    usual_match,
)
from clips import Clip, EngineMissing, Reject, VisemillError, partitions_in, read_clips
from pipelines.params import load_params
from pipelines.runner import Done, Task, rejecting, run_partitions
from pipelines.stage import DATA, exit_with
from synth import find_engine


@dataclass(frozen=True)
class AlignParams:
    """The `align` block of params.yaml. max_rejects: the limit of each corpus."""

    aligner: str
    max_rejects: dict[str, float]
    limits: AlignmentLimits = field(default_factory=AlignmentLimits)


def run(corpus: str) -> Done:
    """Aligns datasets/ingest/<corpus> into datasets/align/<corpus>."""
    params = load_params("align", AlignParams)
    aligner = find_aligner(params.aligner)
    version = aligner.version()
    if version is None:
        raise EngineMissing(
            f"the aligner {params.aligner} is not installed", remedy=aligner.install_line
        )
    tasks = [Task(p.name, (p,), str(p)) for p in partitions_in(DATA / "ingest" / corpus)]
    return run_partitions(
        f"align-{corpus}",
        align_partition,
        tasks,
        DATA / "align" / corpus,
        params,
        rooms=("align", "clips", "synth"),
        max_rejects=params.max_rejects.get(corpus, 1.0),
        versions=[params.aligner, version],
    )


def align_partition(task: Task, params: AlignParams) -> Iterator[Clip | Reject]:
    """The aligned clips of one partition, which holds (nearly) all clips of its speakers."""
    aligner = find_aligner(params.aligner, pronounce=pronounce)
    aligned: list[Clip] = []
    for clip in read_clips(Path(task.details)):
        try:
            clip = aligner.align(clip)
        except VisemillError as error:
            more = {"text": clip.text, "source": clip.source}
            yield rejecting(clip.clip_id, "align", error, **more)
            continue
        aligned.append(clip.with_scores(**confidence(clip)))
    matches: dict[str, dict[str, float]] = {}
    for clip in aligned:
        matches.setdefault(clip.speaker, {})[clip.clip_id] = clip.score["align_match"]
    for clip in aligned:
        others = [m for name, m in matches[clip.speaker].items() if name != clip.clip_id]
        usual = usual_match(others) if others else None
        if reason := doubt(clip.score, params.limits, usual):
            phrase, _, detail = reason.partition(": ")
            yield Reject(clip.clip_id, "align", phrase, detail, clip.text, clip.source)
        else:
            match = clip.score["align_match"]
            sure = match_confidence(match) if usual is None else match_confidence(match, usual)
            yield clip.with_scores(confidence=sure)


@cache
def pronounce(word: str) -> list[str]:
    """The phones of a word that no dictionary has, by espeak's rules."""
    return find_engine("espeak").phones_of(word)


def main() -> None:
    """Command line: `python -m pipelines.align CORPUS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", choices=("recordings", "narrated"))
    run(parser.parse_args().corpus)


if __name__ == "__main__":
    exit_with(main)
