"""Stage `augment`: labelled clips get children whose labels moved with the sound.

Only training clips have children: valid and test stay as they were spoken.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from augment import Chain, Pool, QualityLimits, Step
from clips import BadParams, Clip, Reject, VisemillError, draw_stream, read_clips
from pipelines.executors import add_share_arguments
from pipelines.params import load_params
from pipelines.runner import Done, Task, rejecting, run_partitions
from pipelines.sources import AUGMENTED, all_sources, augment_plan, source_folder
from pipelines.stage import DATA, exit_with, seed


@dataclass(frozen=True)
class AugmentParams:
    """The `augment` block of params.yaml. share: of the parents that get children (0..1). chain:
    what happens to a child, see docs/augmentation.md. shares: of sources that have another share
    than that, by name (espeak, recordings, …). pool: clips of a partition that transforms may use
    as others."""

    variants: int
    share: float
    chain: tuple[Step, ...]
    max_rejects: float
    shares: Mapping[str, float] = field(default_factory=dict)
    pool: int = 64
    quality: QualityLimits = field(default_factory=QualityLimits)

    def __post_init__(self) -> None:
        for name, share in {"share": self.share, **self.shares}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"the share {name} is {share}, not in 0..1")


@dataclass(frozen=True)
class Work:
    """What a worker of this stage needs."""

    seed: int
    augment: AugmentParams


def run() -> Done:
    """Writes datasets/augment, one partition for each partition of parents."""
    params = load_params("augment", AugmentParams)
    parents = [source for source in all_sources() if source != AUGMENTED]
    if unknown := sorted({*params.shares} - {*parents}):
        raise BadParams(
            f"no source of parents is called {', '.join(unknown)}",
            where="params.yaml: augment.shares",
            remedy=f"this run has {', '.join(parents)}",
        )
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
    share = params.shares.get(source, params.share)
    for parent in read_clips(path):
        rng = draw_stream(work.seed, "augment", parent.clip_id)
        if parent.split != "train" or rng.random() >= share:
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
