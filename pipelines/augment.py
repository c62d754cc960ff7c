"""Stage `augment`: labelled clips get children whose labels moved with the sound.

Only training clips have children: valid and test stay as they were spoken.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from augment import QualityLimits, find_fault, find_transform
from clips import BadParams, Clip, Reject, VisemillError, draw_stream, read_clips
from pipelines.params import load_params
from pipelines.runner import Done, Task, rejecting, run_partitions
from pipelines.sources import augment_plan, source_folder
from pipelines.stage import DATA, exit_with, seed


@dataclass(frozen=True)
class TransformParams:
    """One transform of the mix: its name, how often it is drawn, and its settings."""

    name: str
    weight: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise BadParams(f"augment: the weight of {self.name} is below 0", remedy="mend it")


@dataclass(frozen=True)
class AugmentParams:
    """The `augment` block of params.yaml. share: of the parents that get children (0..1)."""

    variants: int
    share: float
    transforms: tuple[TransformParams, ...]
    max_rejects: float
    quality: QualityLimits = field(default_factory=QualityLimits)


@dataclass(frozen=True)
class Work:
    """What a worker of this stage needs."""

    seed: int
    augment: AugmentParams


def run() -> Done:
    """Writes datasets/augment, one partition for each partition of parents."""
    params = load_params("augment", AugmentParams)
    for entry in params.transforms:  # a mistake in the mix stops the stage before it starts
        find_transform(entry.name, entry.settings)
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
    )


def augment_partition(task: Task, work: Work) -> Iterator[Clip | Reject]:
    """The children of one partition's clips."""
    params = work.augment
    transforms = [find_transform(entry.name, entry.settings) for entry in params.transforms]
    weights = [entry.weight for entry in params.transforms]
    total = sum(weights)
    if not total:
        return
    source, name = task.details
    for parent in read_clips(source_folder(source) / name):
        rng = draw_stream(work.seed, "augment", parent.clip_id)
        if parent.split != "train" or rng.random() >= params.share:
            continue
        for _ in range(params.variants):
            transform = transforms[rng.choice(len(transforms), p=[w / total for w in weights])]
            try:
                child = transform.apply(parent, transform.draw(rng, parent))
            except VisemillError as error:
                yield rejecting(f"{parent.clip_id}+{transform.name}", "augment", error)
                continue
            if fault := find_fault(parent, child, params.quality):
                phrase, _, detail = fault.partition(": ")
                yield Reject(child.clip_id, "augment", phrase, detail, child.text, child.source)
            else:
                yield child


def main() -> None:
    """Command line: `python -m pipelines.augment`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
