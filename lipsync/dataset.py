"""The feature table: what training reads. Parquet, one row a clip, frames as plain bytes.

Columns: clip_id, speaker, source, split (strings); frames (int32); mel (frames × 13 float32,
little endian, dB); visemes (one byte per frame: the class at the frame's time, k · 10 ms).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lipsync.errors import BadFeatures
from lipsync.features import BANDS
from lipsync.frame_file import FrameFile
from visemes.classes import CLASSES

SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("speaker", pa.string()),
        ("source", pa.string()),
        ("split", pa.string()),
        ("frames", pa.int32()),
        ("mel", pa.binary()),
        ("visemes", pa.binary()),
    ],
    metadata={"visemill": "features-1", "rate": "16000", "hop": "160", "bands": str(BANDS)},
)
_ROWS = 512  # clips in a row group
_READ = 64  # clips that are read at once
_BLOCK = 100_000  # frames that are hashed at once
_AGAIN = "make the feature table again"


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One clip: mel (frames, 13) float32 in dB, visemes (frames,) class numbers 0..11."""

    clip_id: str
    speaker: str
    source: str
    split: str
    mel: np.ndarray
    visemes: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """The frames of many clips, one after the other.

    mel: (frames, 13) float32, dB, in memory or in a file. visemes: (frames,) uint8. Clip n has
    frames offsets[n] .. offsets[n+1]. clip_ids and sources: one for each clip.
    """

    mel: np.ndarray | FrameFile
    visemes: np.ndarray
    offsets: np.ndarray
    clip_ids: tuple[str, ...]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clip_ids)

    @property
    def frames(self) -> int:
        """Number of frames of all clips."""
        return len(self.visemes)

    def digest(self) -> str:
        """A short hash of all frames and labels; tells whether training data changed."""
        state = blake2b(digest_size=16)
        for first in range(0, self.frames, _BLOCK):
            state.update(np.ascontiguousarray(self.mel[first : first + _BLOCK]))
        for array in (self.visemes, self.offsets):
            state.update(np.ascontiguousarray(array))
        return state.hexdigest()

    @classmethod
    def of(cls, rows: Sequence[FeatureRow]) -> Corpus:
        """The corpus of these clips, as if they had been written and loaded."""
        return _gathered((row, *_check(row, "")) for row in rows)


def _gathered(
    rows: Iterable[tuple[FeatureRow, np.ndarray, np.ndarray]], file: FrameFile | None = None
) -> Corpus:
    """The corpus of checked rows, whose mel bands go into `file` if there is one."""
    bands = [np.zeros((0, BANDS), np.float32)]
    labels, offsets = [np.zeros(0, np.uint8)], [0]
    names, sources = [], []
    for row, mel, visemes in rows:
        (bands if file is None else file).append(mel)
        labels.append(visemes)
        offsets.append(offsets[-1] + len(visemes))
        names.append(row.clip_id)
        sources.append(sys.intern(row.source))
    return Corpus(
        np.concatenate(bands) if file is None else file,
        np.concatenate(labels),
        np.array(offsets, np.int64),
        tuple(names),
        tuple(sources),
    )


def write_feature_table(path: str | Path, rows: Iterable[FeatureRow]) -> int:
    """Writes clips as one feature table; the same clips give the same bytes. Returns their number.

    Raises BadFeatures that names the clip whose arrays have the wrong shape or values.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    count, group = 0, []
    try:
        with pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
            for row in rows:
                bands, visemes = _check(row, str(path))
                group.append(
                    {
                        "clip_id": row.clip_id,
                        "speaker": row.speaker,
                        "source": row.source,
                        "split": row.split,
                        "frames": len(visemes),
                        "mel": bands.astype("<f4", copy=False).tobytes(),
                        "visemes": visemes.tobytes(),
                    }
                )
                count += 1
                if len(group) == _ROWS:
                    writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))
                    group = []
            if group or not count:
                writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def load_feature_tables(
    paths: Iterable[str | Path], split: str, folder: Path | None = None
) -> Corpus:
    """The clips of one split from some feature tables, in the order of the tables and their rows.

    folder: where a file keeps the mel bands, 19 MB an hour; if None they lie in memory.
    Raises BadFeatures that names the table, the clip and the fault; also if a clip comes twice.
    """
    file = None if folder is None else FrameFile(BANDS, "<f4", folder)
    return _gathered(_checked(map(str, paths), split), file)


def _checked(
    paths: Iterable[str], split: str
) -> Iterator[tuple[FeatureRow, np.ndarray, np.ndarray]]:
    seen: dict[str, str] = {}
    for path in paths:
        for table_row in _read(path, split):
            row = _from_row(table_row, path)
            if row.clip_id in seen:
                raise BadFeatures(
                    f"clip {row.clip_id!r} is in {seen[row.clip_id]} too",
                    where=path,
                    remedy="name each table once, and delete tables of earlier runs",
                )
            seen[row.clip_id] = path
            yield row, *_check(row, path)


def _read(path: str, split: str) -> Iterator[dict]:
    """The rows of one split. What Arrow reads with threads and into buffers of its own stays with
    the process: hundreds of tables took 50 MiB more than a few (benchmarks/evaluate_memory.py)."""
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            found = file.schema_arrow
            at = {name: found.get_all_field_indices(name) for name in SCHEMA.names}
            missing = [
                name
                for name, places in at.items()
                if len(places) != 1 or found.field(places[0]).type != SCHEMA.field(name).type
            ]
            if missing:
                raise BadFeatures(
                    f"lacks the columns {', '.join(sorted(missing))}", where=path, remedy=_AGAIN
                )
            for batch in file.iter_batches(_READ, columns=SCHEMA.names, use_threads=False):
                for number, of_row in enumerate(batch["split"].to_pylist()):
                    if of_row == split:
                        yield batch.slice(number, 1).to_pylist()[0]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or ["?"])[0]
        raise BadFeatures(
            f"cannot be read as a feature table ({reason})", where=path, remedy=_AGAIN
        ) from error


def _from_row(row: dict, path: str) -> FeatureRow:
    if holes := [name for name, value in row.items() if value is None]:
        raise BadFeatures(
            f"clip {row['clip_id']!r} has no {', '.join(holes)}", where=path, remedy=_AGAIN
        )
    frames, bands, visemes = row["frames"], row["mel"], row["visemes"]
    if len(bands) != frames * BANDS * 4 or len(visemes) != frames:
        raise BadFeatures(
            f"clip {row['clip_id']!r} says {frames} frames but has {len(bands)} bytes of mel and"
            f" {len(visemes)} of visemes",
            where=path,
            remedy=_AGAIN,
        )
    return FeatureRow(
        row["clip_id"],
        row["speaker"],
        row["source"],
        row["split"],
        np.frombuffer(bands, "<f4").reshape(frames, BANDS),
        np.frombuffer(visemes, np.uint8),
    )


def _check(row: FeatureRow, where: str) -> tuple[np.ndarray, np.ndarray]:
    bands, visemes = np.asarray(row.mel, np.float32), np.asarray(row.visemes)
    fault = ""
    if bands.ndim != 2 or bands.shape[1] != BANDS:
        fault = f"mel has shape {bands.shape}, not (frames, {BANDS})"
    elif visemes.shape != (len(bands),):
        fault = f"has {len(bands)} frames of mel but visemes of shape {visemes.shape}"
    elif not len(bands):
        fault = "has no frames"
    elif not np.isfinite(bands).all():
        fault = "has mel values that are not finite numbers"
    elif not np.issubdtype(visemes.dtype, np.integer):
        fault = f"has visemes of type {visemes.dtype}, not class numbers"
    elif visemes.min() < 0 or visemes.max() >= len(CLASSES):
        fault = f"has viseme classes {visemes.min()}..{visemes.max()}, not 0..{len(CLASSES) - 1}"
    if fault:
        raise BadFeatures(f"clip {row.clip_id!r} {fault}", where=where, remedy=_AGAIN)
    return bands, visemes.astype(np.uint8)
