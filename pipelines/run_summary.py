"""What a run took in and what came out, as numbers, and how they differ from the run before.

Summaries lie in .runs/, which git and DVC ignore; the report compares the newest two that differ.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from clips import replacing
from clips.files import read_json
from clips.segment import RATE
from clips.store import REJECTS, read_rows
from pipelines.params import FILE
from pipelines.prompts import CHOSEN, read_prompts
from pipelines.stage import DATA
from pipelines.times import RUNS

EXPORT = DATA / "export"
REJECTING = ("synthesize/*", "ingest/*", "transfer", "align/*", "augment", "visemes/*")
"""Folders in datasets/ that hold rejects."""

KEPT = 50
"""Summaries of earlier runs that are kept."""


def summarise() -> dict[str, Any]:
    """The run that datasets/, metrics/ and params.yaml hold: nested dictionaries of plain values.

    taken: sentences by language; clips, minutes, speakers, languages and licences by source.
    made: clips and minutes by split, source, language, licence, timing, basis and speaker.
    phones, mouths: seconds by label. left_out: clips by "stage: reason". params, metrics: flat.
    """
    return {
        "taken": {"sentences": _sentences(), "clips": _clips_taken()},
        "made": _made(),
        "shards": len(set(_column("shard"))),
        "phones": _seconds_of("phones"),
        "mouths": _seconds_of("visemes"),
        "left_out": dict(sorted(left_out().items())),
        "params": flat(yaml.safe_load(FILE.read_text("utf-8"))),
        "metrics": _metrics(),
    }


def left_out() -> Counter[str]:
    """Clips by "stage: reason": rejects, and what triage holds back or a person turned down."""
    counts: Counter[str] = Counter()
    for stage, folder in rejecting_folders():
        rows = read_rows(folder / REJECTS, ["reason"])
        counts.update(f"{stage}: {row['reason']}" for row in rows)
    for path in sorted(DATA.glob("triage/*/part-*.parquet")):
        for row in read_rows(path, ["status", "reason"]):
            if row["status"] != "approved":
                counts[f"triage, {row['status']}: {row['reason']}"] += 1
    return counts


def rejecting_folders() -> Iterator[tuple[str, Path]]:
    """(stage, folder) of every table of rejects."""
    for pattern in REJECTING:
        for path in sorted(DATA.glob(f"{pattern}/{REJECTS}")):
            yield str(path.parent.relative_to(DATA)), path.parent


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dots between the keys; other values as they are.

    >>> flat({"a": {"b": 1, "c": [2]}})
    {'a.b': 1, 'a.c': [2]}
    """
    if not isinstance(value, Mapping):
        return {prefix: value}
    found = {}
    for key, entry in value.items():
        found.update(flat(entry, f"{prefix}.{key}" if prefix else str(key)))
    return found


def remember(summary: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Keeps a summary, unless it says what the newest one says.

    Returns when the run was, and what is kept of the run before it (None for the first run).
    """
    kept = sorted(RUNS.glob("run-*.json"))
    known = [(path, read_json(path, dict, remedy="delete it")) for path in kept[-2:]]
    same = bool(known) and known[-1][1]["summary"] == json.loads(json.dumps(summary))
    if same:
        made = known[-1][1]["made"]
        before = known[-2][1] if len(known) > 1 else None
    else:
        made = datetime.now(UTC).isoformat(timespec="seconds")
        before = known[-1][1] if known else None
        number = int(kept[-1].stem.split("-")[1]) + 1 if kept else 1
        with replacing(RUNS / f"run-{number:06d}.json") as path:
            path.write_text(json.dumps({"made": made, "summary": summary}), encoding="utf-8")
        for old in kept[: -KEPT + 1]:
            old.unlink()
    return made, before


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(key, before, now) of everything that differs, None where it was not there; speakers only as
    their number."""
    old, new = (flat(_counted(summary)) for summary in (before, now))
    keys = [*new, *(key for key in old if key not in new)]
    return [(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def _counted(summary: dict[str, Any]) -> dict[str, Any]:
    made = dict(summary["made"])
    return {**summary, "made": {**made, "speaker": len(made["speaker"])}}


def _sentences() -> dict[str, int]:
    if not CHOSEN.exists():
        return {}
    return dict(sorted(Counter(prompt.language for prompt in read_prompts(CHOSEN)).items()))


def _clips_taken() -> dict[str, dict[str, Any]]:
    """Clips, minutes, speakers, languages and licences by source, of all that was synthesized and
    ingested."""
    found: dict[str, dict[str, Any]] = {}
    columns = ["source", "samples", "speaker", "language", "licence"]
    for pattern in ("synthesize/*/part-*.parquet", "ingest/*/part-*.parquet"):
        for path in sorted(DATA.glob(pattern)):
            for row in read_rows(path, columns):
                entry = found.setdefault(
                    row["source"],
                    {"clips": 0, "minutes": 0.0, "speakers": set(), "languages": set(),
                     "licences": set()},
                )  # fmt: skip
                entry["clips"] += 1
                entry["minutes"] += row["samples"] / RATE / 60
                for key in ("speaker", "language", "licence"):
                    entry[f"{key}s"].add(row[key])
    return {
        name: {
            "clips": entry["clips"],
            "minutes": round(entry["minutes"], 2),
            "speakers": len(entry["speakers"]),
            "languages": ", ".join(sorted(entry["languages"])),
            "licences": ", ".join(sorted(entry["licences"])),
        }
        for name, entry in sorted(found.items())
    }


def _made() -> dict[str, dict[str, dict[str, Any]]]:
    """Clips and minutes of the export, by each value of some columns of its manifest."""
    columns = ("split", "source", "language", "licence", "timing", "basis", "speaker")
    table = pq.read_table(EXPORT / "manifest.parquet", columns=[*columns, "seconds"])
    made = {}
    for column in columns:
        groups = table.group_by(column).aggregate([("seconds", "sum"), ("seconds", "count")])
        made[column] = {
            row[column]: _rounded(
                {"clips": row["seconds_count"], "minutes": row["seconds_sum"] / 60}
            )
            for row in sorted(groups.to_pylist(), key=lambda row: row[column])
        }
    return made


def _column(name: str) -> list:
    return pq.read_table(EXPORT / "manifest.parquet", columns=[name])[name].to_pylist()


def _seconds_of(tier: str) -> dict[str, float]:
    """Seconds of each label of a tier in the training clips, the longest first."""
    totals: Counter[str] = Counter()
    for path in sorted((EXPORT / "parquet").glob("train-*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=[tier]):
                segments = pc.list_flatten(batch.column(0))
                start, end = (pc.struct_field(segments, name) for name in ("start", "end"))
                table = pa.table(
                    {
                        "label": pc.struct_field(segments, "label"),
                        "samples": pc.subtract(end, start),
                    }
                )
                groups = table.group_by("label").aggregate([("samples", "sum")])
                totals.update({row["label"]: row["samples_sum"] for row in groups.to_pylist()})
    return {label: round(count / RATE, 1) for label, count in totals.most_common()}


def _metrics() -> dict[str, Any]:
    path = Path("metrics", "evaluate.json")
    return flat(read_json(path, dict)) if path.exists() else {}


def _rounded(entry: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in entry.items()}
