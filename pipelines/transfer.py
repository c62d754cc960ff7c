"""Stage `transfer`: labels made by hand, and what they tell of other people's same sentences.

Folders of recordings may hold label files for some of their utterances. Those become clips with
manual timing; recordings without labels whose text a labelled one says get theirs by transfer. All
others, and those that transfer rejects, are left to the stage `align`.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from align.transfer import TransferLimits, transfer_from
from clips import (
    RATE,
    BadLabels,
    Clip,
    Reject,
    VisemillError,
    cut,
    partitions_in,
    read_clips,
)
from clips.splits import plain_words
from clips.store import read_rows
from pipelines.executors import add_share_arguments
from pipelines.ingest import CORPORA, clip_id_of
from pipelines.inputs import RECORDINGS, folders_in
from pipelines.params import load_params
from pipelines.recordings import read_folder
from pipelines.runner import Done, Task, rejecting, run_partitions
from pipelines.stage import DATA, exit_with
from visemes.phonesets import (
    UNKNOWN,
    guess_phoneset,
    load_phoneset,
    read_label_file,
    to_phones,
)

TRANSFERRED = DATA / "transfer"


@dataclass(frozen=True)
class TransferParams:
    """The `transfer` block of params.yaml.

    donors: the most labelled recordings that a clip's labels come from; those nearest in length are
    taken. max_rejects: the limit of the stage.
    """

    donors: int
    max_rejects: float
    limits: TransferLimits = field(default_factory=TransferLimits)

    def __post_init__(self) -> None:
        if self.donors < 0:
            raise ValueError(f"donors is {self.donors}, below 0")


@dataclass(frozen=True)
class LabelFile:
    """A recording's labels: the file, and the notation (visemes/phonesets/) that they are in."""

    path: Path
    phoneset: str


def run() -> Done:
    """Writes datasets/transfer from datasets/ingest/recordings."""
    params = load_params("transfer", TransferParams)
    labels = find_labels(folders_in(RECORDINGS))
    return run_partitions(
        "transfer",
        transfer_partition,
        plan(partitions_in(DATA / "ingest" / "recordings"), labels, params.donors),
        TRANSFERRED,
        params,
        rooms=("align", "clips", "visemes/phonesets.py", "visemes/phonesets"),
        max_rejects=params.max_rejects,
    )


def find_labels(folders: Iterable[Path]) -> dict[str, LabelFile]:
    """The label files of all folders by clip id; the notation is guessed folder by folder.

    A folder that cannot be read has none: the stage `ingest` says why. Labels that cannot be read,
    or in no notation that is known, are named on standard error and left out, folder by folder.
    """
    found: dict[str, LabelFile] = {}
    seen: set[str] = set()
    for folder in folders:
        try:
            recordings = list(read_folder(folder, CORPORA))
        except VisemillError:
            continue
        paths = {}
        for recording in recordings:
            clip_id = clip_id_of(recording)
            if recording.labels and not recording.fault and clip_id not in seen:
                paths[clip_id] = recording.labels
            seen.add(clip_id)  # as in ingest, the first recording of an id is the one that counts
        try:
            used = {label for path in paths.values() for _, _, label in read_label_file(path)}
            notation = guess_phoneset(used, str(folder)).name if used else ""
        except VisemillError as error:
            print(f"transfer: labels that are not used: {error}", file=sys.stderr)
        else:
            found |= {clip_id: LabelFile(path, notation) for clip_id, path in paths.items()}
    return found


def plan(partitions: Iterable[Path], labels: Mapping[str, LabelFile], donors: int) -> list[Task]:
    """One task for each partition of ingested clips: which clips have labels, whose others take."""
    columns = ["clip_id", "text", "language", "samples"]
    partitions = list(partitions)
    homes: dict[str, Path] = {}
    said: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for path in partitions:
        for row in read_rows(path, columns):
            if row["clip_id"] in labels:
                homes[row["clip_id"]] = path
                said[_sentence(row)].append(row)
    tasks = []
    for path in partitions:
        found = list(read_rows(path, columns))  # of one partition at a time
        chosen: dict[str, list[str]] = {}
        for row in found:
            if row["clip_id"] not in labels and (same := said.get(_sentence(row))):
                nearest = sorted(same, key=partial(_unlikeness, row))[:donors]
                chosen[row["clip_id"]] = [donor["clip_id"] for donor in nearest]
        own = [row["clip_id"] for row in found if row["clip_id"] in labels]
        needed = sorted({*own, *chain.from_iterable(chosen.values())})
        details = {
            "clips": str(path),
            "donors": chosen,
            "homes": {clip_id: str(homes[clip_id]) for clip_id in needed},
            "labels": {
                clip_id: [str(labels[clip_id].path), labels[clip_id].phoneset] for clip_id in needed
            },
        }
        inputs = {path, *(homes[i] for i in needed), *(labels[i].path for i in needed)}
        tasks.append(Task(path.name, tuple(sorted(inputs)), details))
    return tasks


def transfer_partition(task: Task, params: TransferParams) -> Iterator[Clip | Reject]:
    """The labelled clips of one partition: by hand first, then by transfer."""
    details = task.details
    donors: dict[str, Clip] = {}
    for home in sorted(set(details["homes"].values())):
        for clip in read_clips(home):
            if clip.clip_id not in details["labels"]:
                continue
            try:
                donors[clip.clip_id] = label_by_hand(clip, *details["labels"][clip.clip_id])
            except VisemillError as error:
                if home == details["clips"]:
                    yield _rejecting(clip, error)
    for clip in read_clips(details["clips"]):
        if clip.clip_id in donors:
            yield donors[clip.clip_id]
            continue
        chosen = details["donors"].get(clip.clip_id, ())
        if usable := [donors[name] for name in chosen if name in donors]:
            try:
                yield transfer_from(usable, clip, params.limits)
            except VisemillError as error:
                yield _rejecting(clip, error)


def label_by_hand(clip: Clip, path: str, phoneset: str) -> Clip:
    """An ingested clip with the phones of its recording's label file, moved as ingest cut it.

    Raises BadLabels if a label within the clip is not known to the notation.
    """
    (cropped,) = (op.read() for op in clip.ops if op.name == "ingest")
    start, end = cropped["start"], cropped["end"]
    entries = read_label_file(path)
    length = max(end, *(round(last * RATE) for _, last, _ in entries))
    phones, ipa = to_phones(entries, load_phoneset(phoneset), length)
    inside = [n for n, phone in enumerate(phones) if phone.start < end and phone.end > start]
    if any(phones[n].label == UNKNOWN for n in inside):
        raise BadLabels(
            "a label is not known",
            where=path,
            remedy=f"mend the label, or add it to visemes/phonesets/{phoneset}.yaml",
        )
    return clip.with_(
        phones=cut(phones, start, end),
        ipa=tuple(ipa[n] for n in inside),
        timing="manual",
    ).with_scores(confidence=1.0)


def _sentence(row: Mapping[str, Any]) -> tuple[str, str]:
    return plain_words(row["text"]), row["language"].lower().replace("_", "-").split("-")[0]


def _unlikeness(row: Mapping[str, Any], donor: Mapping[str, Any]) -> tuple[float, str]:
    longer, shorter = sorted((row["samples"], donor["samples"]), reverse=True)
    return longer / shorter, donor["clip_id"]


def _rejecting(clip: Clip, error: VisemillError) -> Reject:
    return rejecting(clip.clip_id, "transfer", error, text=clip.text, source=clip.source)


def main() -> None:
    """Command line: `python -m pipelines.transfer`."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_share_arguments(parser)
    parser.parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
