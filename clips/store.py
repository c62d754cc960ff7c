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

_ROWS = 256  # clips in a row group
_READ = 32  # clips that a reader holds in memory at once
_MOST_BYTES = 512 << 20  # that a row group may claim: 256 clips of 30 s have less than half


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
    """The clip of a row of a partition. Raises BadInput for a row with a hole."""
    try:
        values = {name: row[name] for name in CLIP_SCHEMA.names if name != "samples"}
        values["audio"] = from_flac(row["audio"]["bytes"])
        for tier in ("words", "phones", "visemes"):
            values[tier] = tuple(Segment(**segment) for segment in row[tier])
        values["ipa"] = tuple(row["ipa"])
        values["ops"] = tuple(Op(**op) for op in row["ops"])
        values["scores"] = tuple((score["name"], score["value"]) for score in row["scores"])
        pairs = [(op.name, op.params) for op in values["ops"]] + list(values["scores"])
        if holes := [name for name, value in (*values.items(), *pairs) if value is None]:
            raise TypeError(f"no {', '.join(map(str, holes))}")
    except (KeyError, TypeError) as error:
        raise BadInput(
            f"a row is no clip ({error})",
            where=str(row.get("clip_id")),
            remedy="delete its partition and run the stage again",
        ) from error
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


def read_rows(
    path: str | Path, columns: list[str] | None = None, schema: pa.Schema | None = None
) -> Iterator[dict]:
    """The rows of a Parquet file as dictionaries, a few at a time.

    schema: columns that it must have, with their types. Raises BadInput that names the file.
    """
    with opened_table(path, schema) as file:
        # Arrow's threads keep what they once took: memory would grow with the files that are read.
        for batch in file.iter_batches(_READ, columns=columns, use_threads=False):
            yield from batch.to_pylist()


@contextmanager
def opened_table(path: str | Path, schema: pa.Schema | None = None) -> Iterator[pq.ParquetFile]:
    """An open Parquet file whose faults, until the end of the block, become BadInput.

    schema: columns that it must have, with their types.
    """
    try:
        with pq.ParquetFile(path) as file:
            groups = range(file.num_row_groups)
            claimed = max((file.metadata.row_group(n).total_byte_size for n in groups), default=0)
            if claimed > _MOST_BYTES:
                raise pa.ArrowInvalid(f"a row group claims {claimed} bytes")
            found = file.schema_arrow
            for wanted in schema or ():
                at = found.get_all_field_indices(wanted.name)
                if len(at) != 1 or found.field(at[0]).type != wanted.type:
                    raise pa.ArrowInvalid(f"the column {wanted.name} is not a {wanted.type}")
            yield file
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise BadInput(
            f"cannot be read as a partition ({(str(error).splitlines() or ['?'])[0]})",
            where=str(path),
            remedy="delete it and run the stage again",
        ) from error


def write_clips(path: str | Path, clips: Iterable[Clip]) -> int:
    """Clips as one partition; each is validated first. Returns their number."""
    return write_table(path, (to_row(clip.validate()) for clip in clips), CLIP_SCHEMA)


def read_clips(path: str | Path) -> Iterator[Clip]:
    """The clips of one partition, one after the other."""
    return (from_row(row) for row in read_rows(path, schema=CLIP_SCHEMA))


def write_rejects(path: str | Path, rejects: Iterable[Reject]) -> int:
    """Rejected clips with their reasons, sorted by clip. Returns their number."""
    ordered = sorted(rejects, key=lambda reject: (reject.clip_id, reject.reason))
    return write_table(path, (asdict(reject) for reject in ordered), REJECT_SCHEMA)


def read_rejects(directory: str | Path) -> list[Reject]:
    """The rejects that a stage left in its directory."""
    path = Path(directory) / REJECTS
    if not path.exists():
        return []
    return [Reject(**row) for row in read_rows(path, REJECT_SCHEMA.names, REJECT_SCHEMA)]
