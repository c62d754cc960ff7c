"""Whether workers help, and whether they change a byte.

    python benchmarks/scaling.py [--count 1200] [--stages synthesize augment]

Makes the clips of `--count` sentences and their children with 1, 2 and 4 workers, in local
processes and on a Ray that is started here, each from nothing. Prints the seconds of the whole
command, how many times as fast that is as one local worker, and a hash of what came out. Exit
status 1 if two hashes differ. Beside other work the times mean nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.kills import make_project

STAGES = {
    "synthesize": (["pipelines.synthesize", "espeak"], "datasets/synthesize/espeak"),
    "augment": (["pipelines.augment"], "datasets/augment"),
}
WAYS = [("local", 1), ("local", 2), ("local", 4), ("ray", 1), ("ray", 2), ("ray", 4)]


def main() -> int:
    """Prints a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1200, help="English sentences")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    args = parser.parse_args()
    differ = False
    with tempfile.TemporaryDirectory(prefix="visemill-scaling-") as folder:
        project = make_project(Path(folder) / "project")
        path = project / "params.yaml"
        params = yaml.safe_load(path.read_text())
        params["prompts"] |= {"count": args.count, "candidates": args.count, "languages": []}
        params["synthesize"] |= {"partitions": 16, "voices_per_prompt": {"en": 1}}
        path.write_text(yaml.safe_dump(params))
        call(project, ["pipelines.prompts"], "local", 1)
        for stage in STAGES:
            command, out = STAGES[stage]
            if stage not in args.stages:
                call(project, command, "local", 2)
                continue
            found = {}
            for executor, count in WAYS:
                shutil.rmtree(project / ".work", ignore_errors=True)
                seconds = call(project, command, executor, count)
                found[executor, count] = seconds
                digest = digest_of(project / out)
                differ |= found.setdefault("digest", digest) != digest
                print(
                    f"{stage}, {executor}, {count} workers: {seconds:.1f} s,"
                    f" {found['local', 1] / seconds:.2f} x, {digest}",
                    flush=True,
                )
    return 1 if differ else 0


def call(project: Path, command: list[str], executor: str, count: int) -> float:
    """Runs a stage; its seconds, start included."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(project),
        "VISEMILL_EXECUTOR": executor,
        "VISEMILL_WORKERS": str(count),
    }
    began = time.perf_counter()
    subprocess.run(
        [".venv/bin/python", "-m", *command],
        cwd=project,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def digest_of(folder: Path) -> str:
    """A hash of every file of a folder."""
    state = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        state.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return state.hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(main())
