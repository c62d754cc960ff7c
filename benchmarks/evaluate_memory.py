"""The memory of stage `evaluate` by the amount of data.

    python benchmarks/evaluate_memory.py FOLDER [--copies 0 1 4]

FOLDER: a project whose run is finished; it is only read. The stage runs on copies of its feature
tables and aligned clips (under ids of their own) in a folder for a moment; 0 copies: of every
eighth table alone. Prints hours of features, tables, the most that the process held (ru_maxrss),
and the start of the SHA-256 of metrics/evaluate.json.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.stage_costs import measured
from lipsync.dataset import FeatureRow, load_feature_tables, write_feature_table

ROOT = Path(__file__).parents[1]
ROOMS = ("clips", "synth", "align", "augment", "visemes", "lipsync", "review_ui", "pipelines")
SPLITS = ("train", "valid", "test")


def main() -> None:
    """Prints a line for each number of copies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=int, nargs="+", default=[0, 1, 4])
    args = parser.parse_args()
    for copies in args.copies:
        with tempfile.TemporaryDirectory(prefix="visemill-evaluate-") as name:
            project = Path(name)
            seconds, tables = make_project(args.folder.resolve(), project, copies)
            row = measured(project, ["evaluate"])
            figures = (project / "metrics" / "evaluate.json").read_bytes()
        print(
            f"{seconds / 3600:6.1f} h {tables:5} tables {row['largest_mib']:6.0f} MiB"
            f" {row['processor_seconds']:6.1f} s  {hashlib.sha256(figures).hexdigest()[:16]}",
            flush=True,
        )


def make_project(source: Path, project: Path, copies: int) -> tuple[float, int]:
    """What the stage reads, with the data `copies` times. Returns seconds and feature tables."""
    for name in ("models", "params.yaml", "datasets/narrated", "datasets/corpora"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).symlink_to(source / name)
    for name in (".venv", *ROOMS):
        (project / name).symlink_to(ROOT / name)
    for name in ("export/dataset.json", "align/narrated/rejects.parquet"):
        (project / "datasets" / name).parent.mkdir(parents=True)
        shutil.copyfile(source / "datasets" / name, project / "datasets" / name)
    for name in ("align/narrated/part-*.parquet", "export/parquet/test-*.parquet"):
        for path in chosen(source / "datasets", name, copies):
            for copy in range(max(1, copies)):
                new = project / "datasets" / Path(name).parent / f"{path.stem}-{copy}.parquet"
                new.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, new)
    frames = tables = 0
    for path in chosen(source / "datasets", "export/features/*.parquet", copies):
        rows = rows_of(path)
        for copy in range(max(1, copies)):
            ours = [replace(row, clip_id=f"{row.clip_id}-{copy}") for row in rows]
            new = project / "datasets/export/features" / f"{path.stem}-{copy}.parquet"
            write_feature_table(new, ours)
            frames, tables = frames + sum(len(row.mel) for row in ours), tables + 1
    return frames / 100, tables


def chosen(folder: Path, pattern: str, copies: int) -> list[Path]:
    """The files that match; every eighth if no copies are wanted."""
    return sorted(folder.glob(pattern))[:: 1 if copies else 8]


def rows_of(path: Path) -> list[FeatureRow]:
    """The clips of a feature table; whose speaker they are is left out."""
    return [
        FeatureRow(clip_id, "", source, split, corpus.mel[first:last], corpus.visemes[first:last])
        for split in SPLITS
        for corpus in [load_feature_tables([path], split)]
        for clip_id, source, first, last in zip(
            corpus.clip_ids, corpus.sources, corpus.offsets[:-1], corpus.offsets[1:], strict=True
        )
    ]


if __name__ == "__main__":
    main()
