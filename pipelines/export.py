"""Stage `export`: the approved clips in the forms that others read.

datasets/export/
    webdataset/<split>-<source>-NNNN.tar   <clip>.flac, .json, .npy (a class every 10 ms)
    parquet/<split>-<source>-NNNN.parquet  for Hugging Face datasets and pandas
    features/<source>-NNNN.parquet         mel bands and classes, what the trainer reads
    cherry/lipsync.parquet                 the training table of Cherry Lip Sync
    curves/<split>-<source>-NNNN.parquet   soft labels and blend shapes
    manifest.parquet                       one row a sample, with SHA-256 sums
    dataset.json, README.md                what it is, for machines and for people

The same clips give the same bytes: fixed times and owners in the tars, fixed order everywhere.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clips import BadInput, BadParams, Clip
from clips.audio import to_flac
from clips.segment import RATE
from clips.splits import plain_words
from clips.store import CLIP_SCHEMA, read_rows, replacing, to_row
from lipsync.dataset import FeatureRow, write_feature_table
from lipsync.features import mel
from pipelines.card import write_card
from pipelines.curves import curves_table
from pipelines.executors import add_share_arguments
from pipelines.params import load_params
from pipelines.reviews import as_decided
from pipelines.runner import SideFile, Task, run_partitions
from pipelines.sources import all_partitions, labelled_clips, source_folder
from pipelines.stage import DATA, exit_with
from pipelines.triage import APPROVED, BASES, REVIEWS
from visemes.classes import CLASSES
from visemes.frames import classes_at_rate, frame_classes
from visemes.rates import frame_rate

EXPORT = DATA / "export"
CHERRY_FPS = 30
CHERRY_MIN_SECONDS = 2.2
"""Cherry's loader takes random 2 s pieces and raises on clips that are hardly longer."""

MANIFEST_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("split", pa.string()),
        ("source", pa.string()),
        ("speaker", pa.string()),
        ("language", pa.string()),
        ("timing", pa.string()),
        ("basis", pa.string()),
        ("licence", pa.string()),
        ("attribution", pa.string()),
        ("root_id", pa.string()),
        ("text", pa.string()),
        ("seconds", pa.float64()),
        ("shard", pa.string()),
        ("sample_sha256", pa.string()),
        ("shard_sha256", pa.string()),
    ]
)
CHERRY_SCHEMA = pa.schema([("audio", pa.list_(pa.float32())), ("visemes", pa.list_(pa.int64()))])
PARQUET_SCHEMA = CLIP_SCHEMA.append(pa.field("frames", pa.list_(pa.uint8())))


@dataclass(frozen=True)
class ExportParams:
    """The `export` block of params.yaml. Empty `licences` or `bases` take every one.

    curves_fps: the pictures a second of `curves/` (24, 29.97, 60 ...), or 0 for none. At 60 they
    take 14 KB a minute of speech, where its FLAC takes 1.2 MB (measured on Emo-DB).
    """

    licences: tuple[str, ...]
    bases: tuple[str, ...]
    curves_fps: float = 60.0

    def __post_init__(self) -> None:
        if self.curves_fps:
            try:
                frame_rate(self.curves_fps)
            except BadParams as error:
                raise ValueError(f"curves_fps {error.what}") from error
        for basis in self.bases:
            if basis not in BASES:
                raise ValueError(f"basis {basis!r} is none of {', '.join(BASES)}")


def run() -> None:
    """Writes datasets/export. Raises BadInput if reviews moved meanwhile or nothing is approved."""
    params = load_params("export", ExportParams)
    before = _digest_of_reviews()
    tasks = [
        Task(
            f"part-{number:04d}.parquet",
            tuple(
                folder / name
                for folder in (
                    source_folder(source),
                    DATA / "visemes" / source,
                    DATA / "triage" / source,
                )
            ),
            [source, name],
        )
        for number, (source, name) in enumerate(all_partitions())
    ]
    done = run_partitions(
        "export",
        export_partition,
        tasks,
        EXPORT,
        params,
        rooms=(
            "clips",
            "visemes",
            "lipsync",
            "review_ui/journal.py",
            "pipelines/sources.py",
            "pipelines/curves.py",
            "pipelines/reviews.py",
        ),
        schema=MANIFEST_SCHEMA,
    )
    if not done.complete:
        return
    if not done.rows:
        raise BadInput(
            "nothing to export: no clip is approved and passes `export.licences` and `bases`",
            where=str(DATA / "triage"),
            remedy="see the reasons there, loosen `triage:` or `export:` in params.yaml, or review"
            " the waiting clips",
        )
    _merge(sorted(EXPORT.glob("part-*.parquet")), EXPORT / "manifest.parquet", MANIFEST_SCHEMA)
    _merge(
        sorted((EXPORT / "cherry").glob("part-*.parquet")),
        EXPORT / "cherry" / "lipsync.parquet",
        CHERRY_SCHEMA,
    )
    _refuse_leaks(EXPORT / "manifest.parquet")
    write_card(EXPORT, CLASSES)
    if _digest_of_reviews() != before:
        raise BadInput(
            "reviews changed while the export ran", where=str(REVIEWS), remedy="run it again"
        )


def export_partition(task: Task, params: ExportParams) -> Iterator[dict | SideFile]:
    """All exports of the approved clips of one partition."""
    source, name = task.details
    number = name.removeprefix("part-").removesuffix(".parquet")
    status = {row["clip_id"]: row for row in read_rows(DATA / "triage" / source / name)}
    chosen: dict[str, list[Clip]] = {"train": [], "valid": [], "test": []}
    for labelled in labelled_clips(source, name):
        row = status[labelled.clip_id]
        clip = as_decided(labelled, row["fix"])
        if (
            row["status"] == APPROVED
            and clip.split in chosen
            and (not params.licences or set(clip.licence.split(" AND ")) <= set(params.licences))
            and (not params.bases or row["basis"] in params.bases)
        ):
            chosen[clip.split].append(clip)
    features, cherry = [], []
    for split, clips in chosen.items():
        if not clips:
            continue
        stem = f"{split}-{source}-{number}"
        shard, sums = _tar(clips)
        yield SideFile(f"webdataset/{stem}.tar", shard)
        yield SideFile(f"parquet/{stem}.parquet", _parquet(clips))
        if params.curves_fps:
            table = curves_table(clips, frame_rate(params.curves_fps))
            yield SideFile(f"curves/{stem}.parquet", table)
        shard_sum = hashlib.sha256(shard).hexdigest()
        for clip, sample_sum in zip(clips, sums, strict=True):
            features.append(_feature_row(clip))
            if split == "train" and clip.seconds > CHERRY_MIN_SECONDS:
                cherry.append(_cherry_row(clip))
            yield {
                **{key: getattr(clip, key, None) for key in MANIFEST_SCHEMA.names},
                "basis": status[clip.clip_id]["basis"],
                "shard": f"webdataset/{stem}.tar",
                "sample_sha256": sample_sum,
                "shard_sha256": shard_sum,
            }
    if features:
        yield SideFile(f"features/{source}-{number}.parquet", _feature_table(features))
    if cherry:
        yield SideFile(f"cherry/{task.name}", _table(cherry, CHERRY_SCHEMA))


def frame_labels(clip: Clip) -> np.ndarray:
    """The class of each 10 ms frame of a clip, shape (frames,), uint8."""
    return frame_classes(clip.visemes, len(clip), CLASSES)


def describe(clip: Clip) -> dict:
    """What the JSON beside a sample says: labels in seconds and samples, history, licence."""
    row = to_row(clip)
    return {
        **{key: value for key, value in row.items() if key not in ("audio", "scores", "ops")},
        "ops": [{"name": op.name, "params": op.read()} for op in clip.ops],
        "scores": clip.score,
        "rate": RATE,
        "frames_per_second": 100,
        "classes": list(CLASSES),
    }


def _tar(clips: list[Clip]) -> tuple[bytes, list[str]]:
    buffer, sums = io.BytesIO(), []
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for clip in clips:
            labels = io.BytesIO()
            np.save(labels, frame_labels(clip))
            text = json.dumps(describe(clip), ensure_ascii=False, sort_keys=True).encode()
            files = {"flac": to_flac(clip.audio), "json": text, "npy": labels.getvalue()}
            state = hashlib.sha256()
            for suffix, data in files.items():
                entry = tarfile.TarInfo(f"{clip.clip_id}.{suffix}")
                entry.size, entry.mode = len(data), 0o644
                tar.addfile(entry, io.BytesIO(data))
                state.update(data)
            sums.append(state.hexdigest())
    return buffer.getvalue(), sums


def _parquet(clips: list[Clip]) -> bytes:
    rows = [{**to_row(clip), "frames": frame_labels(clip)} for clip in clips]
    return _table(rows, PARQUET_SCHEMA)


def _feature_row(clip: Clip) -> FeatureRow:
    return FeatureRow(
        clip.clip_id, clip.speaker, clip.source, clip.split, mel(clip.audio), frame_labels(clip)
    )


def _feature_table(rows: list[FeatureRow]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.parquet"
        write_feature_table(path, rows)
        return path.read_bytes()


def _cherry_row(clip: Clip) -> dict:
    frames = len(clip) * CHERRY_FPS // RATE
    samples = round(frames * RATE / CHERRY_FPS)
    audio = np.zeros(samples, np.float32)
    audio[: len(clip)] = clip.audio[:samples]
    return {"audio": audio, "visemes": classes_at_rate(clip.visemes, frames, CHERRY_FPS, CLASSES)}


def _table(rows: list[dict], schema: pa.Schema) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def _merge(parts: list[Path], path: Path, schema: pa.Schema) -> None:
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for part in parts:
            writer.write_table(pq.read_table(part, schema=schema))
    for part in parts:
        part.unlink()


def _refuse_leaks(manifest: Path) -> None:
    """Raises BadInput if a speaker or a sentence of the test split is also in train."""
    seen: dict[tuple[str, str], set[str]] = {}
    for row in read_rows(manifest, ["split", "speaker", "text"]):
        for kind, value in (("speaker", row["speaker"]), ("sentence", plain_words(row["text"]))):
            seen.setdefault((row["split"], kind), set()).add(value)
    for kind in ("speaker", "sentence"):
        leaked = seen.get(("train", kind), set()) & seen.get(("test", kind), set())
        if leaked:
            raise BadInput(
                f"{len(leaked)} of the test split's {kind}s are in train too,"
                f" such as {min(leaked)!r}",
                where=str(manifest),
                remedy="a corpus' own `split` column contradicts itself; mend or drop it",
            )


def _digest_of_reviews() -> str:
    files = sorted(REVIEWS.glob("*.jsonl"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def main() -> None:
    """Command line: `python -m pipelines.export`."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_share_arguments(parser)
    parser.parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
