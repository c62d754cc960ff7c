"""Stage `ingest@corpus`: folders of recordings become clips, one corpus at a time.

`recordings` is what lies in datasets/recordings/ (or was added to the run); `narrated` is the
speech of the stage `narrate`. Any format that libsndfile reads, any rate, any number of channels
becomes mono 16 kHz; silence at the ends is cut to a margin; loudness and clipping are measured.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clips import (
    SPLITS,
    BadManifest,
    Clip,
    Op,
    Reject,
    VisemillError,
    partition_of,
    read_audio,
    to_grid,
)
from clips.segment import RATE
from clips.splits import clip_split, sentence_split, speaker_split
from clips.store import partition_name
from pipelines.executors import add_share_arguments
from pipelines.inputs import RECORDINGS, folders_in
from pipelines.params import load_params
from pipelines.recordings import Recording, read_folder
from pipelines.runner import Done, Task, rejecting, run_partitions
from pipelines.splits import Splits
from pipelines.stage import DATA, exit_with

CORPORA = DATA / "corpora"

MANY = 200
"""Recordings of one speaker beyond which they are spread over all partitions."""


@dataclass(frozen=True)
class IngestParams:
    """The `ingest` block of params.yaml. Times in seconds, levels in dB relative to full scale."""

    partitions: int
    min_seconds: float
    max_seconds: float
    margin_seconds: float
    silence_db: float
    min_level_db: float
    max_clipped_share: float
    max_rejects: float

    def __post_init__(self) -> None:
        if self.partitions < 1:
            raise ValueError(f"partitions is {self.partitions}, below 1")


@dataclass(frozen=True)
class Work:
    """What a worker of this stage needs."""

    ingest: IngestParams
    splits: Splits


def run(corpus: str) -> Done:
    """Ingests the folders of `corpus` into datasets/ingest/<corpus>."""
    params = load_params("ingest", IngestParams)
    splits = load_params("splits", Splits)
    folders = folders_in(RECORDINGS) if corpus == "recordings" else [DATA / "narrated"]
    tasks = plan(folders, params.partitions)
    return run_partitions(
        f"ingest-{corpus}",
        ingest_partition,
        tasks,
        DATA / "ingest" / corpus,
        Work(params, splits),
        rooms=("clips", "pipelines/recordings.py", "pipelines/corpora.py"),
        max_rejects=params.max_rejects,
    )


def plan(folders: Iterable[Path], partitions: int) -> list[Task]:
    """One task for each partition.

    A speaker's recordings stay together (the aligner compares a clip with the speaker's others),
    unless there are more than MANY: those are spread by the hash of their clip ids.
    """
    rows: list[list[dict]] = [[] for _ in range(partitions)]
    inputs: list[list[Path]] = [[] for _ in range(partitions)]
    seen: dict[str, str] = {}
    for folder in folders:
        try:
            recordings = list(read_folder(folder, CORPORA))
            counts = Counter(recording.speaker for recording in recordings)
            for recording in recordings:
                clip_id = clip_id_of(recording)
                together = counts[recording.speaker] <= MANY
                key = f"{recording.corpus}:{recording.speaker}" if together else clip_id
                at = partition_of(key, partitions)
                row = {"clip_id": clip_id, **vars(recording)}
                row["audio"], row["labels"] = str(recording.audio), ""
                if recording.fault:
                    pass
                elif first := seen.get(clip_id):
                    row["fault"] = "the same id as another recording"
                    row["where"] = f"{recording.where}, {first}: give each an `utt` of its own"
                else:
                    inputs[at].append(recording.audio)
                seen.setdefault(clip_id, recording.where)
                rows[at].append(row)
        except VisemillError as error:
            rows[0].append({"clip_id": folder.name, "fault": error.what, "where": str(error)})
    return [
        Task(partition_name(n), tuple(inputs[n]), sorted(rows[n], key=lambda row: row["clip_id"]))
        for n in range(partitions)
    ]


def clip_id_of(recording: Recording) -> str:
    """`corpus-utt`, with anything but letters, digits and _=@- turned into `_`.

    A name that this changes gains eight digits of a hash, so that two never become one.
    """
    name = f"{recording.corpus}-{recording.utt}"
    plain = re.sub(r"[^A-Za-z0-9_=@-]", "_", unicodedata.normalize("NFKD", name))
    plain = plain[:160].lstrip("_=@-") or "x"
    if plain == name:
        return plain
    return f"{plain}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


def ingest_partition(task: Task, work: Work) -> Iterator[Clip | Reject]:
    """The clips of one partition's recordings."""
    for row in task.details:
        if row.get("fault"):
            yield Reject(row["clip_id"], "ingest", row["fault"], row["where"], row.get("text", ""))
            continue
        try:
            yield ingest_one(row, work).validate()
        except VisemillError as error:
            yield rejecting(row["clip_id"], "ingest", error, text=row["text"], source=row["corpus"])


def ingest_one(row: dict, work: Work) -> Clip:
    """One recording as a clip. Raises BadInput that names the file or the manifest's line."""
    params, where = work.ingest, row["where"]
    if not row["licence"]:
        raise BadManifest(
            "no licence",
            where=where,
            remedy="add a column `licence` to the manifest, or a corpus.yaml with `licence:` and"
            " `attribution:` beside it",
        )
    text = unicodedata.normalize("NFC", row["text"]).strip()
    if not text:
        raise BadManifest("no text", where=where, remedy="write what is said in column `text`")
    if row["split"] not in SPLITS:
        raise BadManifest(
            "unknown split",
            where=where,
            remedy=f"{row['split']!r} is none of train, valid, test, or empty",
        )
    audio = read_audio(row["audio"], max_seconds=params.max_seconds)
    peak = float(np.abs(audio).max())
    clipped = float(np.mean(np.abs(audio) >= min(0.999, peak * 0.9999))) if peak >= 0.98 else 0.0
    start, end = speech_bounds(audio, params.silence_db, params.margin_seconds)
    kept = audio[start:end]
    if len(kept) < params.min_seconds * RATE:
        raise BadManifest(
            "too short",
            where=where,
            remedy=f"under {params.min_seconds:g} s of sound; leave it out",
        )
    level = decibels(float(np.sqrt(np.mean(kept.astype(np.float64) ** 2))))
    if level < params.min_level_db:
        raise BadManifest(
            "too quiet", where=where, remedy=f"its level is {level:.0f} dB; record it louder"
        )
    if clipped > params.max_clipped_share:
        raise BadManifest(
            "clipped", where=where, remedy=f"{clipped:.1%} of its samples are at the limit"
        )
    # Where nobody knows who speaks ("?"), every recording counts as a speaker of its own.
    speaker = row["utt"] if row["speaker"] in ("", "?") else row["speaker"]
    if ":" not in speaker:  # a speaker of ours, such as espeak:f1, keeps its name
        speaker = f"{row['corpus']}:{speaker}"
    split = row["split"] or clip_split(
        speaker_split(speaker, work.splits.test_speakers, work.splits.valid_speakers),
        sentence_split(text, work.splits.test_sentences, work.splits.valid_sentences),
    )
    return Clip(
        clip_id=row["clip_id"],
        audio=to_grid(kept),
        text=text,
        language=row["language"],
        speaker=speaker,
        source=row["corpus"],
        licence=row["licence"],
        attribution=row["attribution"],
        split=split,
        ops=(Op.of("ingest", start=int(start), end=int(end)),),
    ).with_scores(
        clipped_share=clipped, level_db=level, peak_db=decibels(float(np.abs(kept).max()))
    )


def speech_bounds(audio: np.ndarray, silence_db: float, margin_seconds: float) -> tuple[int, int]:
    """Samples (start, end) of the sound: 10 ms frames above `silence_db` under the loudest frame,
    with a margin kept on both sides."""
    hop = RATE // 100
    count = max(1, len(audio) // hop)
    frames = audio[: count * hop].reshape(count, -1).astype(np.float64)
    power = 10 * np.log10(np.maximum(np.mean(frames**2, axis=1), 1e-12))
    loud = np.flatnonzero(power > power.max() - silence_db)
    margin = round(margin_seconds * RATE)
    end = len(audio) if loud[-1] == count - 1 else (int(loud[-1]) + 1) * hop + margin
    return max(0, int(loud[0]) * hop - margin), min(len(audio), end)


def decibels(amplitude: float) -> float:
    """An amplitude (full scale is 1) in dB; −120 for silence."""
    return float(20 * np.log10(max(amplitude, 1e-6)))


def main() -> None:
    """Command line: `python -m pipelines.ingest CORPUS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_share_arguments(parser)
    parser.add_argument("corpus", choices=("recordings", "narrated"))
    run(parser.parse_args().corpus)


if __name__ == "__main__":
    exit_with(main)
