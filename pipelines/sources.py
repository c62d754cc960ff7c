"""Where labelled clips come from, in the order in which they are exported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clips import Clip, Segment, partitions_in, read_clips
from clips.store import partition_name, read_rows
from pipelines.engines import listed_engines
from pipelines.stage import DATA

ALIGNED = DATA / "align" / "recordings"
"""People's recordings as the first model aligned them."""
RELEARNED = DATA / "relearn" / "model.npz"
"""The model that the stage `relearn` trains; no file if there is too little to learn from."""
REALIGNED = DATA / "realign" / "recordings"
"""People's recordings as that model aligns them."""

AUGMENTED = "augmented"
"""The source that has the others as parents."""

_FOLDERS = {
    "transferred": DATA / "transfer",
    "recordings": REALIGNED,
    "narrated": DATA / "align" / "narrated",
    AUGMENTED: DATA / "augment",
}


def all_sources() -> tuple[str, ...]:
    """Every folder of labelled clips: from engines, from other people's labels, from the aligner,
    from augmentation."""
    return (*listed_engines(), *_FOLDERS)


def source_folder(source: str) -> Path:
    """The folder of partitions of a source."""
    return _FOLDERS.get(source) or DATA / "synthesize" / source


def labelled_clips(source: str, name: str) -> Iterator[Clip]:
    """The clips of partition `name` of a source with their viseme tracks on them.

    Clips without a track (the visemes stage rejected them) are left out.
    """
    tracks = {
        row["clip_id"]: tuple(Segment(**segment) for segment in row["visemes"])
        for row in read_rows(DATA / "visemes" / source / name)
    }
    for clip in read_clips(source_folder(source) / name):
        if clip.clip_id in tracks:
            yield clip.with_(visemes=tracks[clip.clip_id])


def all_partitions() -> Iterator[tuple[str, str]]:
    """(source, partition name) of everything there is, in order."""
    for source in all_sources():
        for path in partitions_in(source_folder(source)):
            yield source, path.name


def augment_plan() -> list[tuple[str, str, str]]:
    """(name of the augmented partition, source, name of its parents' partition), in order."""
    parents = [(s, n) for s, n in all_partitions() if s != AUGMENTED]
    return [(partition_name(k), source, name) for k, (source, name) in enumerate(parents)]
