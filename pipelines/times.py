"""How long each stage took: .runs/times/<stage>.json, which git and DVC ignore.

Times differ between runs that make the same bytes, so no output of a stage may hold them; the
report reads them from here.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clips import replacing
from clips.files import read_json

RUNS = Path(".runs")
"""What the report knows of this run and of earlier ones; delete it at any time."""

TIMES = RUNS / "times"
_started = time.perf_counter()
_made = {"clips": 0, "seconds": 0.0, "partitions": 0, "reused": 0}


def note(clips: int, seconds: float, partitions: int, reused: int) -> None:
    """Adds what this process made: clips, their seconds of sound, and partitions, of which
    `reused` were done before."""
    for name, value in zip(_made, (clips, seconds, partitions, reused)):
        _made[name] += value


def write_times(stage: str) -> None:
    """Writes down what `stage`, which this process ran, made and took."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    times = {
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(time.perf_counter() - _started, 2),
        "processor_seconds": round(sum(u.ru_utime + u.ru_stime for u in used), 2),
        "peak_bytes": max(u.ru_maxrss for u in used) * unit,
        **_made,
    }
    with replacing(TIMES / f"{stage}.json") as path:
        path.write_text(json.dumps(times))


def read_times() -> dict[str, dict[str, Any]]:
    """The last times of each stage, in the order in which they ended."""
    found = {path.stem: read_json(path, dict) for path in TIMES.glob("*.json")}
    return dict(sorted(found.items(), key=lambda item: item[1]["ended"]))
