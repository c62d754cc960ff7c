"""A few of the clips that a run left out, with their sound where a stage still has it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from clips import BadAudio, BadManifest, BadParams, from_flac, partitions_in, read_audio
from clips.segment import RATE
from clips.store import REJECTS, read_rows
from pipelines.ingest import CORPORA, clip_id_of
from pipelines.inputs import RECORDINGS, folders_in
from pipelines.recordings import read_folder
from pipelines.run_summary import rejecting_folders
from pipelines.sources import AUGMENTED, all_sources, source_folder
from pipelines.stage import DATA

EACH = 3
"""Examples of a reason."""

SECONDS = 6.0
"""What is kept of a longer clip."""


@dataclass(frozen=True)
class Example:
    """A clip that was left out. audio: mono, 16 kHz, its first seconds; None if nobody kept it."""

    stage: str
    clip_id: str
    text: str
    detail: str
    audio: np.ndarray | None


def examples_of(wanted: Iterable[str]) -> dict[str, list[Example]]:
    """Up to EACH examples of each "stage: reason" (pipelines.run_summary.left_out)."""
    found: dict[str, list[Example]] = {reason: [] for reason in wanted}
    places: dict[str, list[Path]] = {}

    def take(reason: str, row: dict, stage: str, where: list[Path]) -> None:
        if reason in found and len(found[reason]) < EACH:
            about = (row["clip_id"], row.get("text") or "", row.get("detail") or "")
            found[reason].append(Example(stage, *about, None))
            places.setdefault(row["clip_id"], []).extend(where)

    for stage, folder in rejecting_folders():
        for row in read_rows(folder / REJECTS):
            take(f"{stage}: {row['reason']}", row, stage, _holding(stage))
    for path in sorted(DATA.glob("triage/*/part-*.parquet")):
        partition = source_folder(path.parent.name) / path.name
        for row in read_rows(path, ["clip_id", "status", "reason"]):
            take(f"triage, {row['status']}: {row['reason']}", row, "triage", [partition])
    sounds = _sounds(places)
    recorded = {e.clip_id for es in found.values() for e in es if e.stage.startswith("ingest/")}
    sounds |= _recorded(recorded - set(sounds))
    return {
        reason: [_with_sound(example, sounds.get(example.clip_id)) for example in examples]
        for reason, examples in found.items()
    }


def _with_sound(example: Example, sound: tuple[str, np.ndarray] | None) -> Example:
    return replace(example, text=example.text or sound[0], audio=sound[1]) if sound else example


def _holding(stage: str) -> list[Path]:
    """The partitions in which the sound of what `stage` rejected may lie."""
    name = stage.split("/")[-1]
    folders = {
        "align": [DATA / "ingest" / name],
        "transfer": [DATA / "ingest" / "recordings"],
        "augment": [source_folder(source) for source in all_sources() if source != AUGMENTED],
        "visemes": [source_folder(name)],
    }.get(stage.split("/")[0], [])
    return [path for folder in folders for path in partitions_in(folder)]


def _sounds(places: dict[str, list[Path]]) -> dict[str, tuple[str, np.ndarray]]:
    """Text and sound of clips, by their ids, from the partitions that may hold each.

    A child that was never made sounds as its parent.
    """
    by_partition: dict[Path, set[str]] = {}
    for clip_id, paths in places.items():
        for path in paths:
            by_partition.setdefault(path, set()).add(clip_id)
    columns = ["clip_id", "text", "audio"]
    sounds: dict[str, tuple[str, np.ndarray]] = {}
    for path, clip_ids in by_partition.items():
        wanted = {name: c for c in clip_ids - set(sounds) for name in (c, c.rsplit("+", 1)[0])}
        if wanted:
            held = [("clip_id", "in", list(wanted))]
            for row in pq.read_table(path, columns=columns, filters=held).to_pylist():
                audio = from_flac(row["audio"]["bytes"])[: int(SECONDS * RATE)]
                sounds.setdefault(wanted[row["clip_id"]], (row["text"], audio))
    return sounds


def _recorded(clip_ids: set[str]) -> dict[str, tuple[str, np.ndarray]]:
    """Text and sound of recordings that were not ingested, where their files can be read at all."""
    sounds: dict[str, tuple[str, np.ndarray]] = {}
    for folder in [*folders_in(RECORDINGS), DATA / "narrated"] if clip_ids else ():
        try:
            for recording in read_folder(folder, CORPORA):
                clip_id = clip_id_of(recording)
                if clip_id in clip_ids and clip_id not in sounds and not recording.fault:
                    with suppress(BadAudio):  # this is why it was rejected
                        audio = read_audio(recording.audio)[: int(SECONDS * RATE)]
                        sounds[clip_id] = (recording.text, audio)
        except (BadManifest, BadParams):
            continue  # the folder as a whole was rejected
    return sounds
