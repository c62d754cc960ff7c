"""What each stage costs an hour of audio: processor time, time, memory, bytes and objects.

    python benchmarks/stage_costs.py FOLDER [--scale 1] [-o benchmarks/stage_costs.json]

Runs every stage of dvc.yaml's default run in FOLDER, a new copy of the project with `SIZES` times
`--scale` of synthetic speech, one after the other, each in processes of its own. Memory is the most
that any one process held (ru_maxrss). Then every stage of partitions runs again with nothing left
to make, and `dvc commit` and a `dvc repro` that has nothing to do are timed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.kills import make_project
from clips import RATE
from clips.store import read_rows

STAGES = {
    "prompts": ("prompts", "datasets/prompts/chosen"),
    "synthesize": ("synthesize espeak", "datasets/synthesize/espeak"),
    "narrate": ("narrate", "datasets/narrated"),
    "ingest": ("ingest narrated", "datasets/ingest/narrated"),
    "ingest recordings": ("ingest recordings", "datasets/ingest/recordings"),
    "transfer": ("transfer", "datasets/transfer"),
    "acoustic": ("acoustic", "datasets/acoustic"),
    "align": ("align narrated", "datasets/align/narrated"),
    "align recordings": ("align recordings", "datasets/align/recordings"),
    "relearn": ("relearn", "datasets/relearn"),
    "realign": ("realign", "datasets/realign"),
    "augment": ("augment", "datasets/augment"),
    "visemes": ("visemes", "datasets/visemes"),
    "triage": ("triage", "datasets/triage"),
    "export": ("export", "datasets/export"),
    "train": ("train", "models"),
    "evaluate": ("evaluate", "reports"),
}
"""By stage: what is run, and the folder that comes out."""

PARTITIONED = (
    "synthesize", "ingest", "transfer", "align", "augment", "visemes", "triage", "export",
)  # fmt: skip

NARRATED, ENGLISH, GERMAN, PARTITIONS = 30, 1, 6, 4
"""At scale 1: recordings to align, voices of each of 300 English and 60 German sentences, and
partitions of each source of clips: about an hour of audio in the export."""


def main() -> None:
    """Runs all and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2, help="of train and acoustic")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    project = make_project(args.folder)
    set_sizes(project, args.scale, args.epochs)
    figures: dict = {"scale": args.scale, "stages": {}}
    for stage, (command, out) in STAGES.items():
        figures["stages"][stage] = row = measured(project, command.split())
        row |= size_of(project / out)
        print(f"{stage}: {row}", flush=True)
    finish(project, figures)
    text = json.dumps(figures, indent=1)
    print(text)
    if args.output:
        args.output.write_text(text + "\n")


def finish(project: Path, figures: dict) -> None:
    """Adds hours of audio, what each stage costs when all its partitions are made already (what one
    process does alone), and DVC's times."""
    figures["hours"] = {
        name: hours_of(project / "datasets" / folder)
        for name, folder in {
            "synthetic": "synthesize",
            "recorded": "ingest",
            "children": "augment",
            "out": "export/parquet",
        }.items()
    }
    for stage in PARTITIONED:
        again = measured(project, STAGES[stage][0].split())
        figures["stages"][stage]["again_seconds"] = again["processor_seconds"]
    figures["dvc_commit_seconds"] = timed(project, [".venv/bin/dvc", "commit", "-f"])
    figures["dvc_repro_of_nothing_seconds"] = min(
        timed(project, [".venv/bin/dvc", "repro"]) for _ in range(3)
    )


def set_sizes(project: Path, scale: int, epochs: int) -> None:
    """Writes the sizes of a run into params.yaml."""
    path = project / "params.yaml"
    params = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text())
    params["prompts"] |= {"count": 300, "candidates": 1500, "languages": ["de"]}
    voices = {"en": ENGLISH * scale, "de": GERMAN * scale}
    params["synthesize"] |= {
        "engines": ["espeak"],
        "partitions": PARTITIONS * scale,
        "voices_per_prompt": voices,
    }
    params["narrate"]["count"] = NARRATED * scale
    params["ingest"]["partitions"] = PARTITIONS * scale
    params["acoustic"]["epochs"] = params["train"]["epochs"] = epochs
    params["align"]["max_rejects"] = {"recordings": 1.0, "narrated": 1.0}
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def measured(project: Path, command: list[str]) -> dict[str, float]:
    """Seconds, processor seconds, and the MiB of the largest process of one stage."""
    environment = {**os.environ, "PYTHONPATH": str(project), "OMP_WAIT_POLICY": "passive"}
    began = time.perf_counter()
    process = subprocess.Popen(
        [".venv/bin/python", "-m", f"pipelines.{command[0]}", *command[1:]],
        cwd=project,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command}: {said[-2000:]}")
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "largest_mib": round(usage.ru_maxrss / 1024, 1),
    }


def timed(project: Path, command: list[str]) -> float:
    """Seconds that a command takes."""
    environment = {**os.environ, "PYTHONPATH": str(project)}
    began = time.perf_counter()
    subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
    return round(time.perf_counter() - began, 1)


def size_of(folder: Path) -> dict[str, int]:
    """Bytes and files in a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {"bytes": sum(path.stat().st_size for path in files), "objects": len(files)}


def hours_of(folder: Path) -> float:
    """Hours of audio in the clips of a folder."""
    tables = [p for p in folder.rglob("*.parquet") if p.name != "rejects.parquet"]
    samples = sum(row["samples"] for path in tables for row in read_rows(path, ["samples"]))
    return samples / RATE / 3600


if __name__ == "__main__":
    main()
