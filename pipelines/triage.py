"""Stage `triage`: which clips are approved, which wait for a person, which are out.

Clips with exact timing and clean checks are approved by rule, and so are aligned clips of which
the aligner is sure. A child of augmentation follows its parent. What a person decided overrides
all of it, as long as the labels are those that the person saw. Near-certain clips lie in lots,
which a person may approve by hearing a sample (docs/review.md).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from align.confidence import usual_match
from augment import CHANNEL, joined_with
from clips import Clip, partitions_in
from clips.store import read_rows
from lipsync.infer import Model
from lipsync.infer import frame_classes as shown_classes
from pipelines.checks import CheckLimits, chance_wrong, evidence, find_fault, worst_spot
from pipelines.executors import add_share_arguments
from pipelines.params import load_params
from pipelines.reviews import Reviewed, read_reviews, reviewed
from pipelines.runner import Task, run_partitions
from pipelines.sources import AUGMENTED, all_sources, augment_plan, labelled_clips, source_folder
from pipelines.stage import DATA, exit_with
from visemes.classes import CLASSES
from visemes.frames import frame_classes

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
        ("fix", pa.string()),  # the decision with a reviewer's own labels, as JSON; or ""
        ("folder", pa.string()),  # of the clips' partition, in datasets/
        ("row", pa.int64()),  # in that partition
        ("worst_start", pa.int64()),  # samples
        ("worst_end", pa.int64()),
        ("lot", pa.string()),
        ("lot_sample", pa.int64()),  # how many clips of the lot a person must hear
    ]
)
APPROVED, WAITING, REJECTED = "approved", "waiting", "rejected"
BASES = ("rule", "listened", "lot")
"""Why a clip was approved: the rules here, a person who listened, or one who heard others of its
lot."""

REVIEWS = DATA / "reviews"
MODEL = REVIEWS / "model.onnx"
"""A network whose disagreement with the labels counts as doubt, if somebody put one here.

Triage runs before the network of the same run is trained, so it can only be an earlier one."""


@dataclass(frozen=True)
class LotParams:
    """What makes a lot of near-certain clips good enough.

    max_doubt: the most doubtful clip that a lot may hold. worst_share, risk: a sample without a
    defect must rule out, but for a chance of `risk`, that more than `worst_share` of the lot is
    bad.
    """

    max_doubt: float
    worst_share: float
    risk: float

    def __post_init__(self) -> None:
        if not (0 < self.worst_share < 1 and 0 < self.risk < 1):
            raise ValueError("worst_share and risk must lie between 0 and 1")


@dataclass(frozen=True)
class TriageParams:
    """The `triage` block of params.yaml. sure: the confidence (0..1) from which an aligned clip is
    approved by rule; null: none is."""

    sure: float | None
    checks: CheckLimits
    lots: LotParams


def run() -> None:
    """Writes datasets/triage/<source>/ for every source."""
    params = load_params("triage", TriageParams)
    reviews = sorted(REVIEWS.glob("*.jsonl"))
    read_reviews(reviews)  # a broken line stops the stage before it starts
    parents = {name: (source, parent) for name, source, parent in augment_plan()}
    complete = True
    for source in all_sources():
        if source == AUGMENTED and not complete:
            return  # a job of an array: children are judged when their parents are put together
        tasks = []
        for path in partitions_in(source_folder(source)):
            inputs = [path, DATA / "visemes" / source / path.name, MODEL, *reviews]
            of = parents.get(path.name) if source == AUGMENTED else None
            if of:
                inputs.append(DATA / "triage" / of[0] / of[1])
            tasks.append(Task(path.name, tuple(inputs), [source, of]))
        done = run_partitions(
            f"triage-{source}",
            triage_partition,
            tasks,
            DATA / "triage" / source,
            params,
            rooms=(
                "align/calibration.py",
                "align/calibration.yaml",
                "align/confidence.py",
                "augment",
                "clips",
                "lipsync/features.py",
                "lipsync/infer.py",
                "pipelines/checks.py",
                "pipelines/reviews.py",
                "pipelines/sources.py",
                "review_ui/journal.py",
                "visemes",
            ),
            schema=STATUS_SCHEMA,
        )
        complete = done.complete
        if complete:
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
    """The status of each clip of one partition, whose near-certain clips are one lot."""
    source, of = task.details
    reviews = read_reviews(p for p in task.inputs if p.suffix == ".jsonl")
    model = Model.load(MODEL) if MODEL in task.inputs and MODEL.is_file() else None
    parents = {}
    if of:
        rows = read_rows(DATA / "triage" / of[0] / of[1])
        parents = {row["clip_id"]: row for row in rows}
    folder = source_folder(source)
    places: dict[str, int] = {}
    matches: dict[str, list[float]] = defaultdict(list)
    columns = ["clip_id", "speaker", "scores"]
    for number, row in enumerate(read_rows(folder / task.name, columns)):
        places[row["clip_id"]] = number
        scores = {score["name"]: score["value"] for score in row["scores"]}
        matches[row["speaker"]] += [scores["align_match"]] if "align_match" in scores else []
    found = []
    for clip in labelled_clips(source, task.name):
        usual = usual_match(matches[clip.speaker])
        row = _judge(clip, params, reviewed(clip, reviews), parents, model, usual)
        found.append(
            {
                **row,
                "clip_id": clip.clip_id,
                "labels": clip.labels_digest(),
                "split": clip.split,
                "timing": clip.timing,
                "seconds": clip.seconds,
                "folder": folder.relative_to(DATA).as_posix(),
                "row": places[clip.clip_id],
            }
        )
    lot = f"{source}-{Path(task.name).stem}"
    sample = sample_size(sum(row["lot"] for row in found), params.lots)
    for row in found:
        yield {**row, "lot": lot if row["lot"] else "", "lot_sample": sample if row["lot"] else 0}


def sample_size(members: int, params: LotParams) -> int:
    """How many clips of a lot, drawn at random, must be without a defect.

    The fewest for which a lot with just more than `worst_share` bad ones would show none with a
    chance of at most `risk` (hypergeometric: drawn without putting back).

    >>> five, one = LotParams(0.1, 0.05, 0.05), LotParams(0.1, 0.01, 0.05)
    >>> [sample_size(members, five) for members in (10**9, 100, 0)], sample_size(10**9, one)
    ([59, 39, 0], 299)
    """
    bad = int(params.worst_share * members) + 1
    chance, drawn = 1.0, 0
    while drawn < members and chance > params.risk:
        chance *= max(0, members - bad - drawn) / (members - drawn)
        drawn += 1
    return drawn


def _judge(
    clip: Clip,
    params: TriageParams,
    decided: Reviewed | None,
    parents: dict[str, dict],
    model: Model | None,
    usual: float,
) -> dict:
    """What the table says of a clip but for what it is; `lot` tells whether it belongs to one.

    usual: the usual `align_match` of its speaker.
    """
    row = {"status": APPROVED, "basis": "rule", "reason": "", "doubt": 0.0, "reviewer": ""}
    row |= {"fix": "", "lot": False, "worst_start": 0, "worst_end": len(clip)}
    filled = any(op.name in CHANNEL for op in clip.ops)  # so silences and closures are
    fault = None if filled else find_fault(clip, params.checks)
    if fault or (not clip.parent_id and clip.timing != "exact"):
        labelled = frame_classes(clip.visemes, len(clip), CLASSES)
        shown = shown_by(model, clip, labelled) if model else None
        chance = 0.0
        if clip.timing != "exact":
            found = evidence(clip, usual, shown, labelled)
            chance = chance_wrong(found, model is not None)
        row["doubt"] = max(chance, fault.doubt if fault else 0.0)
        row["worst_start"], row["worst_end"] = worst_spot(clip, shown, labelled, fault)
        row["lot"] = not (fault or clip.parent_id) and row["doubt"] <= params.lots.max_doubt
    of = (clip.parent_id, *joined_with(clip)) if clip.parent_id else ()
    others = [parents.get(name) for name in of]
    for other in filter(None, others):  # what a person said of a child does not save its parent
        what = {"status": REJECTED, "basis": "parent", "doubt": 1.0}
        if other["fix"]:
            return row | what | {"reason": "its parent's labels were mended after it was made"}
        if other["status"] == REJECTED:
            return row | what | {"reason": other["reason"]}
    if decided and (decision := decided.decision):
        row["status"] = REJECTED if decision.verdict == "reject" else APPROVED
        row |= {"basis": decision.basis, "reason": decision.note, "reviewer": decision.reviewer}
        return row | {"fix": decision.to_json() if decision.verdict == "fix" else ""}
    if decided:
        return row | {"status": WAITING, "basis": "", "reason": "reviewers contradict each other"}
    for other in others:
        if other is None:
            what = {"status": WAITING, "basis": "", "reason": "its parent has no labels"}
            return row | what | {"doubt": 1.0}
        if other["status"] != APPROVED:
            return row | {"basis": "parent", **{k: other[k] for k in ("status", "reason", "doubt")}}
    if fault:
        return row | {"status": WAITING, "basis": "", "reason": fault.reason}
    if clip.parent_id:
        return row | {"basis": min((other["basis"] for other in others), key=_STRENGTH.index)}
    if clip.timing != "exact" and not _is_sure(clip, params.sure):
        reason = "nobody has heard it" if params.sure is None else "the labels are not sure"
        return row | {"status": WAITING, "basis": "", "reason": reason}
    return row


_STRENGTH = ("rule", "lot", "listened")
"""The bases from the weakest: what is joined from two clips is known no better than the worse."""


def _is_sure(clip: Clip, sure: float | None) -> bool:
    return sure is not None and clip.score.get("confidence", 0.0) >= sure


def shown_by(model: Model, clip: Clip, labelled: np.ndarray) -> np.ndarray:
    """The class that the network shows at each 10 ms; at the end, where it shows none, the label's.

    labelled: the labels' classes, shape (frames,), as what comes back.
    """
    shown = labelled.copy()
    heard = shown_classes(model.predict(clip.audio))[: len(shown)]
    shown[: len(heard)] = heard
    return shown


def main() -> None:
    """Command line: `python -m pipelines.triage`."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_share_arguments(parser)
    parser.parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
