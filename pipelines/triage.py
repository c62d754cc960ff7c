"""Stage `triage`: which clips are approved, which wait for a person, which are out.

Clips with exact timing and clean checks are approved by rule, and so are aligned clips of which
the aligner is sure. A child of augmentation follows its parent. What a person decided overrides
all of it, as long as the labels are those that the person saw.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from augment import CHANNEL, joined_with
from clips.store import read_rows
from pipelines.checks import CheckLimits, find_doubt
from pipelines.params import load_params
from pipelines.reviews import Decision, read_decisions
from pipelines.runner import Task, run_partitions
from pipelines.sources import all_sources, augment_plan, labelled_clips, source_folder
from pipelines.stage import DATA, exit_with

STATUS_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("status", pa.string()),
        ("basis", pa.string()),
        ("reason", pa.string()),
        ("doubt", pa.float64()),
        ("labels", pa.string()),
        ("split", pa.string()),
        ("timing", pa.string()),
        ("seconds", pa.float64()),
        ("reviewer", pa.string()),
    ]
)
APPROVED, WAITING, REJECTED = "approved", "waiting", "rejected"
BASES = ("rule", "listened")
"""Why a clip was approved: the rules here, or a person who listened."""

REVIEWS = DATA / "reviews"


@dataclass(frozen=True)
class TriageParams:
    """The `triage` block of params.yaml. sure: the confidence (0..1) from which an aligned clip is
    approved by rule."""

    sure: float
    checks: CheckLimits


def run() -> None:
    """Writes datasets/triage/<source>/ for every source."""
    params = load_params("triage", TriageParams)
    reviews = sorted(REVIEWS.glob("*.jsonl"))
    read_decisions(reviews)  # a broken line stops the stage before it starts
    parents = {name: (source, parent) for name, source, parent in augment_plan()}
    for source in all_sources():
        tasks = []
        for path in sorted(source_folder(source).glob("part-*.parquet")):
            inputs = [path, DATA / "visemes" / source / path.name, *reviews]
            of = parents.get(path.name) if source == "augmented" else None
            if of:
                inputs.append(DATA / "triage" / of[0] / of[1])
            tasks.append(Task(path.name, tuple(inputs), [source, of]))
        run_partitions(
            f"triage-{source}",
            triage_partition,
            tasks,
            DATA / "triage" / source,
            params,
            rooms=(
                "augment",
                "clips",
                "visemes",
                "pipelines/checks.py",
                "pipelines/reviews.py",
                "pipelines/sources.py",
            ),
            schema=STATUS_SCHEMA,
        )
        _say(source)


def _say(source: str) -> None:
    """How much of a source is approved, waits and is out."""
    seconds: Counter = Counter()
    for path in sorted((DATA / "triage" / source).glob("part-*.parquet")):
        for row in read_rows(path, ["status", "seconds"]):
            seconds[row["status"]] += row["seconds"]
    parts = ", ".join(f"{s} {seconds[s] / 60:.1f} min" for s in (APPROVED, WAITING, REJECTED))
    print(f"triage-{source}: {parts}", file=sys.stderr)


def triage_partition(task: Task, params: TriageParams) -> Iterator[dict]:
    """The status of each clip of one partition."""
    source, of = task.details
    decisions = read_decisions(p for p in task.inputs if Path(p).suffix == ".jsonl")
    parents = {}
    if of:
        rows = read_rows(DATA / "triage" / of[0] / of[1])
        parents = {row["clip_id"]: row for row in rows}
    for clip in labelled_clips(source, task.name):
        status, basis, reason, doubt, reviewer = _judge(clip, params, decisions, parents)
        yield {
            "clip_id": clip.clip_id,
            "status": status,
            "basis": basis,
            "reason": reason,
            "doubt": doubt,
            "labels": clip.labels_digest(),
            "split": clip.split,
            "timing": clip.timing,
            "seconds": clip.seconds,
            "reviewer": reviewer,
        }


def _judge(clip, params: TriageParams, decisions: dict[str, Decision], parents: dict) -> tuple:
    decision = decisions.get(clip.clip_id)
    if decision and decision.labels == clip.labels_digest():
        status = APPROVED if decision.verdict == "approve" else REJECTED
        return status, "listened", decision.note, 0.0, decision.reviewer
    parent = parents.get(clip.parent_id)
    for of in (clip.parent_id, *joined_with(clip)) if clip.parent_id else ():
        if (other := parents.get(of)) is None:
            return WAITING, "", "its parent has no labels", 1.0, ""
        if other["status"] != APPROVED:
            return other["status"], "parent", other["reason"], other["doubt"], other["reviewer"]
    reason, doubt = "", 0.0
    if not any(op.name in CHANNEL for op in clip.ops):  # which fill silences and closures
        reason, doubt = find_doubt(clip, params.checks)
    if not reason and not parent and clip.timing != "exact":
        confidence = clip.score.get("confidence", 0.0)
        if confidence < params.sure:
            reason, doubt = "the labels are not sure", 1.0 - confidence
    if reason:
        return WAITING, "", reason, doubt, ""
    return (APPROVED, parent["basis"] if parent else "rule", "", doubt, "")


def main() -> None:
    """Command line: `python -m pipelines.triage`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
