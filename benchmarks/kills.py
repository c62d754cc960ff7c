"""Kills a whole run again and again, and looks whether anything is lost.

    python benchmarks/kills.py [--count 200] [--seed 1] [--keep FOLDER]

A copy of the project makes a few sentences into a model by what `make repro` calls, once
undisturbed. Then the same run, from nothing, is ended at random moments by SIGKILL of all its
processes, and each time started again by the same command, until it ends by itself: its outputs
must have the bytes of the undisturbed one's, by dvc.lock and by the files. That is repeated until
there were `count` kills. Exit status 1 if anything differed, or a run did not go on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]

COMMAND = ".venv/bin/visemill inputs --engines embedded && exec .venv/bin/dvc repro"
"""What `make repro` calls, once everything is installed."""

LONGEST = 0.1
"""The longest time to a kill, as a share of an undisturbed run, while stages follow each other."""

OUTPUTS = ("datasets", "models", "metrics", "plots/confusion.csv")

SMALL = {
    "prompts": {"count": 24, "candidates": 120, "languages": ["de"]},
    "splits": {
        "test_speakers": 0.2,
        "valid_speakers": 0.2,
        "test_sentences": 0.2,
        "valid_sentences": 0.2,
    },
    "synthesize": {"engines": ["espeak"], "partitions": 4, "voices_per_prompt": {"en": 2, "de": 1}},
    "narrate": {"count": 6},
    "ingest": {"partitions": 2},
    "align": {"max_rejects": {"recordings": 1.0, "narrated": 1.0}},
    "acoustic": {"epochs": 1},
    "train": {"epochs": 3},
}
"""What is changed in params.yaml, so that a run takes half a minute."""


def main() -> int:
    """Prints a line for each pass and the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="work in this new folder and leave it")
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="visemill-kills-"))
    project = make_project(folder / "project")
    log = folder / "log.txt"
    began = time.perf_counter()
    if run(project, log, None) != 0:
        print(f"the undisturbed run failed, see {log}")
        return 1
    whole = time.perf_counter() - began
    truth = artefacts(project)
    print(f"undisturbed: {whole:.0f} s, {len(truth)} files", flush=True)
    chance, killed, wrong, hit = random.Random(args.seed), 0, 0, Counter()
    while killed < args.count:
        clear(project)
        kills, last, longest = 0, "", LONGEST * whole
        while (status := run(project, log, chance.uniform(0, longest))) is None:
            kills += 1
            at = stage_at(log)
            hit[at] += 1
            # Some stages have nothing to go on from: in the end they must be left to finish.
            longest = 1.3 * longest if at in (last, "dvc itself") else LONGEST * whole
            last = at
        killed += kills
        found = artefacts(project)
        same = status == 0 and found == truth
        wrong += not same
        print(
            f"{kills:3d} kills, {killed} in all: {'the same' if same else 'DIFFERENT'}", flush=True
        )
        if not same:
            print(f"  exit status {status}, see {log}")
            for name in sorted({*truth, *found}):
                if truth.get(name) != found.get(name):
                    print(f"  {name}")
            args.keep = folder
            break
    print("killed while at work on: " + ", ".join(f"{n} {c}" for n, c in hit.most_common()))
    print(f"{killed} kills, {wrong} passes with other bytes or an error")
    if not args.keep:
        shutil.rmtree(folder)
    return 1 if wrong else 0


def make_project(folder: Path) -> Path:
    """A copy of the project's tracked files with small parameters, and no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if name.startswith(("docs/", "tests/")) or not (ROOT / name).is_file():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to((ROOT / ".venv").resolve())
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for block, changes in SMALL.items():
        params[block] |= changes
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    (folder / "dvc.lock").unlink(missing_ok=True)
    (folder / "datasets/recordings").mkdir(parents=True, exist_ok=True)
    (folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    return folder


def run(project: Path, log: Path, seconds: float | None) -> int | None:
    """The run; None if all its processes were killed after `seconds`, else its exit status."""
    with log.open("w") as file:
        process = subprocess.Popen(
            COMMAND,
            shell=True,
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(project), "OMP_WAIT_POLICY": "passive"},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None


def stage_at(log: Path) -> str:
    """The stage that a log ends in."""
    lines = [
        line for line in log.read_text(errors="replace").splitlines() if "Running stage" in line
    ]
    return lines[-1].split("'")[1].partition("@")[0] if lines else "dvc itself"


def artefacts(project: Path) -> dict[str, str]:
    """SHA-256 of every output file, and what dvc.lock says of all stages but their reports."""
    found = {}
    for top in OUTPUTS:
        path = project / top
        for file in sorted([path] if path.is_file() else path.rglob("*")):
            if file.is_file():
                found[str(file.relative_to(project))] = hashlib.sha256(
                    file.read_bytes()
                ).hexdigest()
    for stage, entry in locked(project).items():
        for out in entry.get("outs", ()):
            if out["path"] not in ("reports", "plots/train"):  # they tell times
                found[f"dvc.lock: {stage}: {out['path']}"] = out["md5"]
    return found


def locked(project: Path) -> dict:
    """The stages of dvc.lock."""
    path = project / "dvc.lock"
    return yaml.safe_load(path.read_text())["stages"] if path.exists() else {}


def clear(project: Path) -> None:
    """Takes away everything that a run left, its caches too."""
    for entry in locked(project).values():
        for out in entry.get("outs", ()):
            path = project / out["path"]
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for name in (".work", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(project / name, ignore_errors=True)
    (project / "dvc.lock").unlink()


if __name__ == "__main__":
    sys.exit(main())
