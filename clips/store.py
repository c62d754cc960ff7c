"""Partitions on disk: Parquet files of clips, with the audio as FLAC bytes.

The audio column is the struct {bytes, path} that Hugging Face datasets decodes by itself.
Times are integer samples at 16 kHz. The same clips always give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clips.audio import from_flac, to_flac
from clips.clip import Clip, Op, Reject
from clips.errors import BadInput
from clips.segment import Segment

_SEGMENTS = pa.list_(
    pa.struct(
        [
            ("label", pa.string()),
            ("start", pa.int64()),
            ("end", pa.int64()),
            ("score", pa.float64()),
        ]
    )
)
CLIP_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("audio", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("samples", pa.int64()),
        ("text", pa.string()),
        ("language", pa.string()),
        ("speaker", pa.string()),
        ("source", pa.string()),
        ("licence", pa.string()),
        ("attribution", pa.string()),
        ("parent_id", pa.string()),
        ("root_id", pa.string()),
        ("timing", pa.string()),
        ("split", pa.string()),
        ("words", _SEGMENTS),
        ("phones", _SEGMENTS),
        ("ipa", pa.list_(pa.string())),
        ("visemes", _SEGMENTS),
        ("ops", pa.list_(pa.struct([("name", pa.string()), ("params", pa.string())]))),
        ("scores", pa.list_(pa.struct([("name", pa.string()), ("value", pa.float64())]))),
    ],
    metadata={"visemill": "1", "rate": "16000"},
)
REJECT_SCHEMA = pa.schema([(f.name, pa.string()) for f in fields(Reject)])

REJECTS = "rejects.parquet"
"""The name of the file of rejected clips in every directory of partitions."""

_ROWS = 256  # clips in a row group: what a reader holds in memory at once


def partition_name(number: int) -> str:
    """The file name of a partition."""
    return f"part-{number:04d}.parquet"


def partitions_in(directory: str | Path) -> list[Path]:
    """The partitions of a directory, in order; empty if it does not exist."""
    return sorted(Path(directory).glob("part-*.parquet"))


def to_row(clip: Clip) -> dict:
    """A clip as the row of a partition."""
    row = {name: getattr(clip, name) for name in CLIP_SCHEMA.names if hasattr(clip, name)}
    row["audio"] = {"bytes": to_flac(clip.audio), "path": f"{clip.clip_id}.flac"}
    row["samples"] = len(clip)
    for tier in ("words", "phones", "visemes"):
        row[tier] = [asdict(segment) for segment in getattr(clip, tier)]
    row["ops"] = [asdict(op) for op in clip.ops]
    row["scores"] = [{"name": name, "value": value} for name, value in clip.scores]
    return row


def from_row(row: dict) -> Clip:
    """The clip of a row of a partition."""
    values = {name: row[name] for name in CLIP_SCHEMA.names if name != "samples"}
    values["audio"] = from_flac(row["audio"]["bytes"])
    for tier in ("words", "phones", "visemes"):
        values[tier] = tuple(Segment(**segment) for segment in row[tier])
    values["ipa"] = tuple(row["ipa"])
    values["ops"] = tuple(Op(**op) for op in row["ops"])
    values["scores"] = tuple((score["name"], score["value"]) for score in row["scores"])
    return Clip(**values)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary name beside `path`, moved onto it at the end: nobody ever sees half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(path: str | Path, rows: Iterable[dict], schema: pa.Schema) -> int:
    """Rows as a Parquet file, written in groups so that memory stays flat. Returns their number."""
    count, group = 0, []
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for row in rows:
            group.append(row)
            count += 1
            if len(group) == _ROWS:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                group = []
        if group or not count:
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
    return count


def read_rows(path: str | Path, columns: list[str] | None = None) -> Iterator[dict]:
    """The rows of a Parquet file as dictionaries, a group at a time."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowInvalid, pa.ArrowIOError, OSError, KeyError) as error:
        raise BadInput(
            f"cannot be read as a partition ({str(error).splitlines()[0]})",
            where=str(path),
            remedy="delete it and run the stage again",
        ) from error


def write_clips(path: str | Path, clips: Iterable[Clip]) -> int:
    """Clips as one partition; each is validated first. Returns their number."""
    return write_table(path, (to_row(clip.validate()) for clip in clips), CLIP_SCHEMA)


def read_clips(path: str | Path) -> Iterator[Clip]:
    """The clips of one partition, one after the other."""
    return (from_row(row) for row in read_rows(path))


def write_rejects(path: str | Path, rejects: Iterable[Reject]) -> int:
    """Rejected clips with their reasons, sorted by clip. Returns their number."""
    ordered = sorted(rejects, key=lambda reject: (reject.clip_id, reject.reason))
    return write_table(path, (asdict(reject) for reject in ordered), REJECT_SCHEMA)


def read_rejects(directory: str | Path) -> list[Reject]:
    """The rejects that a stage left in its directory."""
    path = Path(directory) / REJECTS
    return [Reject(**row) for row in read_rows(path)] if path.exists() else []
