"""Joined files have the bytes that pyarrow would give them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clips import BadInput
from pipelines.export import CHERRY_SCHEMA, MANIFEST_SCHEMA
from pipelines.parquet_join import join

RNG = np.random.default_rng(0)


def cherry(rows: int) -> list[dict]:
    """Clips of some hundred samples."""
    return [
        {"audio": RNG.normal(0, 0.1, n).astype(np.float32), "visemes": RNG.integers(0, 12, 30)}
        for n in RNG.integers(200, 900, rows)
    ]


def manifest(rows: int) -> list[dict]:
    """Rows with texts, holes and a long text, which statistics leave out."""
    plain = dict.fromkeys(MANIFEST_SCHEMA.names)
    return [
        plain | {"clip_id": f"ü{n}", "seconds": n / 3, "text": "a" * (5000 if n == 3 else n)}
        for n in range(rows)
    ]


def write(path: Path, rows: list[dict], schema: pa.Schema) -> Path:
    """A part in groups of four rows; one empty group if there are none."""
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, max(1, len(rows)), 4):
            writer.write_table(pa.Table.from_pylist(rows[first : first + 4], schema=schema))
    return path


def rewritten(parts: list[Path], path: Path, schema: pa.Schema) -> bytes:
    """The parts read and written again by pyarrow."""
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in parts:
            with pq.ParquetFile(part) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
    return path.read_bytes()


@pytest.mark.parametrize("sizes", [[], [0], [1], [9, 0, 2, 70], [1] * 40])
@pytest.mark.parametrize(("schema", "rows"), [(CHERRY_SCHEMA, cherry), (MANIFEST_SCHEMA, manifest)])
def test_joined_files_have_the_bytes_of_files_written_again(tmp_path, schema, rows, sizes):
    parts = [write(tmp_path / f"{n}.parquet", rows(size), schema) for n, size in enumerate(sizes)]
    join(parts, tmp_path / "all.parquet", schema)
    expected = rewritten(parts, tmp_path / "again.parquet", schema)
    assert (tmp_path / "all.parquet").read_bytes() == expected
    assert pq.read_table(tmp_path / "all.parquet").num_rows == sum(sizes)


def test_a_part_that_is_damaged_or_another_table_is_named(tmp_path):
    good = write(tmp_path / "good.parquet", cherry(2), CHERRY_SCHEMA)
    other = write(tmp_path / "other.parquet", manifest(2), MANIFEST_SCHEMA)
    half = tmp_path / "half.parquet"
    for data in (b"", good.read_bytes()[:-9], b"\xff\xff\xff\x7fPAR1"):
        half.write_bytes(data)
        with pytest.raises(BadInput, match=r"half\.parquet: is no Parquet file"):
            join([good, half], tmp_path / "all.parquet", CHERRY_SCHEMA)
    with pytest.raises(BadInput, match=r"other\.parquet: has other columns"):
        join([good, other], tmp_path / "all.parquet", CHERRY_SCHEMA)
    assert not (tmp_path / "all.parquet").exists()
