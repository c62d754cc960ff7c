"""How long the parts of Cherry's table take to become one file: copied, and read and written again.

    python benchmarks/join_speed.py FOLDER [--parts 24]

FOLDER: a project whose export is finished; its parts in `.work/export` are only read. Prints
seconds and processor seconds for an hour of audio, and whether both files have the same bytes.
"""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))
from clips import RATE
from pipelines.export import CHERRY_SCHEMA
from pipelines.parquet_join import join


def again(parts: list[Path], path: Path, schema) -> None:
    """Reads and writes every group."""
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in parts:
            with pq.ParquetFile(part) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", type=int, default=24)
    args = parser.parse_args()
    found = args.folder.glob(".work/export/*/cherry/part-*.parquet")
    parts = sorted(found, key=lambda path: path.name)[: args.parts]
    metadata = [pq.read_metadata(path) for path in parts]
    samples = sum(
        m.row_group(g).column(0).num_values for m in metadata for g in range(m.num_row_groups)
    )
    hours = samples / RATE / 3600
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, "copied"), Path(folder, "again")]
        for make, path in zip((join, again), paths, strict=True):
            began, used = time.perf_counter(), time.process_time()
            make(parts, path, CHERRY_SCHEMA)
            began, used = time.perf_counter() - began, time.process_time() - used
            print(f"{path.name}: {began / hours:.2f} s, {used / hours:.2f} processor s an hour")
        print(f"{hours:.1f} h, the same bytes: {filecmp.cmp(*paths, shallow=False)}")


if __name__ == "__main__":
    main()
