"""Stage `export`: the approved clips in the forms that others read.

datasets/export/
    webdataset/<shard>.tar         <clip>.flac, .json, .npy (a class every 10 ms)
    parquet/<shard>.parquet        for Hugging Face datasets and pandas
    curves/<shard>.parquet         soft labels and blend shapes
    features/<source>-NNNN.parquet mel bands and classes, what the trainer reads
    cherry/lipsync.parquet         the training table of Cherry Lip Sync
    manifest.parquet               one row a sample, with SHA-256 sums
    dataset.json, README.md        what it is, for machines and for people

The same clips give the same bytes: fixed times and owners in the tars, fixed order everywhere.
A shard is <split>-<source>-<partition>-<start of its SHA-256>, so a name never changes its
meaning. Shards that were frozen (pipelines.shards) stay as they are; what is new gets new ones.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clips import BadInput, BadParams, Clip
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
from pipelines.shards import frozen_shards, shard_name, short
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

SHARD_SECONDS = 600.0
"""A shard ends with the clip that reaches this, so a long partition takes no more memory."""

_GROUP = 64  # rows of a group in Parquet files
_CHERRY_GROUP = 16  # of Cherry's, whose samples are float32: what its merging holds in memory

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
    frozen = frozen_shards()
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
            [source, name, frozen.get((source, _number(name)), {})],
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
            "pipelines/shards.py",
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
    source, name, frozen = task.details
    number = _number(name)
    kept = _kept(source, name, frozen, params) if frozen else {}
    shards: dict[str, _Shard] = {}
    features: dict[str, list[FeatureRow]] = {"train": [], "valid": [], "test": []}
    cherry, rows = _Rows(CHERRY_SCHEMA, _CHERRY_GROUP), []
    for clip, basis in _approved(source, name, params):
        sample = _Sample.of(clip, basis)
        key = kept.get(short(sample.sha256), clip.split)
        shard = shards.setdefault(key, _Shard())
        shard.add(sample)
        features[clip.split].append(_feature_row(clip))
        if clip.split == "train" and clip.seconds > CHERRY_MIN_SECONDS:
            cherry.add(_cherry_row(clip))
        if key in frozen and len(shard.samples) == len(frozen[key]):
            order = {sample: at for at, sample in enumerate(frozen[key])}
            shard.samples.sort(key=lambda sample: order[short(sample.sha256)])
            yield from shards.pop(key).files(source, number, params, rows)
        elif key not in frozen and shard.is_full:
            yield from shards.pop(key).files(source, number, params, rows)
    for shard in shards.values():
        yield from shard.files(source, number, params, rows)
    yield from sorted(rows, key=lambda row: row["shard"])  # whichever was full first
    if frames := [row for of_split in features.values() for row in of_split]:
        yield SideFile(f"features/{source}-{number}.parquet", _feature_table(frames))
    if cherry.count:
        yield SideFile(f"cherry/{task.name}", cherry.close())


def _number(partition: str) -> str:
    return partition.removeprefix("part-").removesuffix(".parquet")


def _approved(source: str, name: str, params: ExportParams) -> Iterator[tuple[Clip, str]]:
    """The clips of a partition that are exported, as decided, each with its basis."""
    status = {row["clip_id"]: row for row in read_rows(DATA / "triage" / source / name)}
    for labelled in labelled_clips(source, name):
        row = status[labelled.clip_id]
        clip = as_decided(labelled, row["fix"])
        if (
            row["status"] == APPROVED
            and clip.split in ("train", "valid", "test")
            and (not params.licences or set(clip.licence.split(" AND ")) <= set(params.licences))
            and (not params.bases or row["basis"] in params.bases)
        ):
            yield clip, row["basis"]


def _kept(
    source: str, name: str, frozen: dict[str, list[str]], params: ExportParams
) -> dict[str, str]:
    """By sample: the frozen shard that it stays in. A shard that lost a sample is frozen no more;
    those that are left of it count as new."""
    present = {
        short(_Sample.of(clip, basis).sha256) for clip, basis in _approved(source, name, params)
    }
    return {
        sample: shard
        for shard, samples in frozen.items()
        if present.issuperset(samples)
        for sample in samples
    }


@dataclass(frozen=True)
class _Sample:
    """A clip as the files of a shard, by their suffix, and as a row of a table."""

    clip: Clip  # without its sound, which the row has
    seconds: float
    basis: str
    row: dict
    files: dict[str, bytes]
    sha256: str

    @classmethod
    def of(cls, clip: Clip, basis: str) -> _Sample:
        frames, labels = frame_labels(clip), io.BytesIO()
        np.save(labels, frames)
        row = {**to_row(clip), "frames": frames}
        text = json.dumps(describe(clip, row), ensure_ascii=False, sort_keys=True).encode()
        files = {"flac": row["audio"]["bytes"], "json": text, "npy": labels.getvalue()}
        digest = hashlib.sha256(b"".join(files.values())).hexdigest()
        return cls(clip.with_(audio=clip.audio[:0]), clip.seconds, basis, row, files, digest)


@dataclass
class _Shard:
    """Samples that lie in one tar."""

    samples: list[_Sample] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, sample: _Sample) -> None:
        self.samples.append(sample)
        self.seconds += sample.seconds

    @property
    def is_full(self) -> bool:
        return self.seconds >= SHARD_SECONDS

    def files(
        self, source: str, number: str, params: ExportParams, rows: list[dict]
    ) -> Iterator[SideFile]:
        """The finished files. Adds the manifest's rows to `rows`."""
        tar = _tar(self.samples)
        shard_sum = hashlib.sha256(tar).hexdigest()
        name = shard_name(self.samples[0].clip.split, source, number, shard_sum)
        yield SideFile(f"webdataset/{name}.tar", tar)
        del tar
        table = _Rows(PARQUET_SCHEMA)
        for sample in self.samples:
            table.add(sample.row)
        yield SideFile(f"parquet/{name}.parquet", table.close())
        del table
        if params.curves_fps:
            clips = [sample.clip for sample in self.samples]
            data = curves_table(clips, frame_rate(params.curves_fps))
            yield SideFile(f"curves/{name}.parquet", data)
        rows += (
            {
                **{key: getattr(sample.clip, key, None) for key in MANIFEST_SCHEMA.names},
                "seconds": sample.seconds,
                "basis": sample.basis,
                "shard": f"webdataset/{name}.tar",
                "sample_sha256": sample.sha256,
                "shard_sha256": shard_sum,
            }
            for sample in self.samples
        )


class _Rows:
    """A Parquet file in memory that grows by groups of rows."""

    def __init__(self, schema: pa.Schema, rows_of_a_group: int = _GROUP):
        self.count = 0
        self._most = rows_of_a_group
        self._schema = schema
        self._buffer = io.BytesIO()
        self._writer = pq.ParquetWriter(self._buffer, schema, compression="zstd")
        self._group: list[dict] = []

    def add(self, row: dict) -> None:
        self.count += 1
        self._group.append(row)
        if len(self._group) == self._most:
            self._flush()

    def close(self) -> bytes:
        """The file's bytes."""
        if self._group:
            self._flush()
        self._writer.close()
        return self._buffer.getvalue()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._group, schema=self._schema))
        self._group = []


def frame_labels(clip: Clip) -> np.ndarray:
    """The class of each 10 ms frame of a clip, shape (frames,), uint8."""
    return frame_classes(clip.visemes, len(clip), CLASSES)


def describe(clip: Clip, row: dict) -> dict:
    """What the JSON beside a sample says: labels in seconds and samples, history, licence.

    row: the clip's row in a partition (clips.store.to_row).
    """
    kept = {key: row[key] for key in CLIP_SCHEMA.names if key not in ("audio", "scores", "ops")}
    return {
        **kept,
        "ops": [{"name": op.name, "params": op.read()} for op in clip.ops],
        "scores": clip.score,
        "rate": RATE,
        "frames_per_second": 100,
        "classes": list(CLASSES),
    }


def _tar(samples: Iterable[_Sample]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for sample in samples:
            for suffix, data in sample.files.items():
                entry = tarfile.TarInfo(f"{sample.clip.clip_id}.{suffix}")
                entry.size, entry.mode = len(data), 0o644
                tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


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


def _merge(parts: list[Path], path: Path, schema: pa.Schema) -> None:
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for part in parts:
            with pq.ParquetFile(part, memory_map=True) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group, use_threads=False))
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
