"""Stage `augment`: labelled clips get children whose labels moved with the sound.

Only training clips have children: valid and test stay as they were spoken.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from augment import Chain, Pool, QualityLimits, Step
from clips import Clip, Reject, VisemillError, draw_stream, read_clips
from pipelines.executors import add_share_arguments
from pipelines.params import load_params
from pipelines.runner import Done, Task, rejecting, run_partitions
from pipelines.sources import augment_plan, source_folder
from pipelines.stage import DATA, exit_with, seed


@dataclass(frozen=True)
class AugmentParams:
    """The `augment` block of params.yaml. share: of the parents that get children (0..1). chain:
    what happens to a child, see docs/augmentation.md. pool: clips of a partition that transforms
    may use as others."""

    variants: int
    share: float
    chain: tuple[Step, ...]
    max_rejects: float
    pool: int = 64
    quality: QualityLimits = field(default_factory=QualityLimits)


@dataclass(frozen=True)
class Work:
    """What a worker of this stage needs."""

    seed: int
    augment: AugmentParams


def run() -> Done:
    """Writes datasets/augment, one partition for each partition of parents."""
    params = load_params("augment", AugmentParams)
    chain = Chain(params.chain)  # a mistake in it, or a missing tool, stops the stage at once
    used = [chain.versions(), [[str(path), _digest(path)] for path in chain.files()]]
    tasks = [
        Task(name, (source_folder(source) / parent,), [source, parent])
        for name, source, parent in augment_plan()
    ]
    return run_partitions(
        "augment",
        augment_partition,
        tasks,
        DATA / "augment",
        Work(seed(), params),
        rooms=("augment", "clips"),
        max_rejects=params.max_rejects,
        versions=used,
    )


def augment_partition(task: Task, work: Work) -> Iterator[Clip | Reject]:
    """The children of one partition's clips."""
    params = work.augment
    source, name = task.details
    path = source_folder(source) / name
    others = (clip for clip in read_clips(path) if clip.split == "train")
    chain = Chain(params.chain, Pool(others, params.pool), params.quality)
    for parent in read_clips(path):
        rng = draw_stream(work.seed, "augment", parent.clip_id)
        if parent.split != "train" or rng.random() >= params.share:
            continue
        made = set()  # two variants may draw the same
        for _ in range(params.variants):
            try:
                child = chain.make(rng, parent)
            except VisemillError as error:
                yield rejecting(f"{parent.clip_id}+chain", "augment", error)
                continue
            if child and child.clip_id not in made:
                made.add(child.clip_id)
                yield child


def _digest(path: Path) -> str:
    return blake2b(path.read_bytes(), digest_size=8).hexdigest()


def main() -> None:
    """Command line: `python -m pipelines.augment`."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_share_arguments(parser)
    parser.parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
