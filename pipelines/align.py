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
from align.confidence import AlignmentLimits, confidence, doubt
from clips import Clip, EngineMissing, Reject, VisemillError, partitions_in, read_clips
from pipelines.params import load_params
from pipelines.runner import Done, Task, rejecting, run_partitions
from pipelines.stage import DATA, exit_with
from synth import find_engine


@dataclass(frozen=True)
class AlignParams:
    """The `align` block of params.yaml."""

    aligner: str
    max_rejects: float
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
        max_rejects=params.max_rejects,
        versions=[params.aligner, version],
    )


def align_partition(task: Task, params: AlignParams) -> Iterator[Clip | Reject]:
    """The aligned clips of one partition."""
    aligner = find_aligner(params.aligner)
    for clip in read_clips(Path(task.details)):
        more = {"text": clip.text, "source": clip.source}
        try:
            aligned = aligner.align(clip)
        except VisemillError as error:
            yield rejecting(clip.clip_id, "align", error, **more)
            continue
        aligned = confidence(aligned)
        if reason := doubt(aligned, params.limits):
            yield Reject(clip.clip_id, "align", reason, **more)
        else:
            yield aligned


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
