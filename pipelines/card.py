"""The data-set card: what an export holds, for people (README.md) and machines (dataset.json)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from clips import replacing
from clips.store import read_rows
from visemes.classes import LETTERS

SCHEMA_VERSION = 1
_COLUMNS = [
    "clip_id", "split", "source", "speaker", "language", "timing", "basis", "licence",
    "attribution", "seconds", "shard", "shard_sha256",
]  # fmt: skip


def write_card(folder: Path, classes: Sequence[str]) -> None:
    """Writes dataset.json and README.md of an export from its manifest.parquet."""
    counts: dict[str, Counter] = defaultdict(Counter)
    seconds: dict[str, Counter] = defaultdict(Counter)
    speakers: dict[str, set[str]] = defaultdict(set)
    attributions: dict[str, set[str]] = defaultdict(set)
    shards: dict[str, str] = {}
    for row in read_rows(folder / "manifest.parquet", _COLUMNS):
        for key in ("split", "source", "language", "timing", "basis", "licence"):
            counts[key][row[key]] += 1
            seconds[key][row[key]] += row["seconds"]
        seconds[f"sources of {row['split']}"][row["source"]] += row["seconds"]
        speakers[row["split"]].add(row["speaker"])
        speakers[f"source {row['source']}"].add(row["speaker"])
        attributions[row["licence"]].add(row["attribution"])
        shards[row["shard"]] = row["shard_sha256"]
    description = {
        "schema_version": SCHEMA_VERSION,
        "rate": 16_000,
        "frames_per_second": 100,
        "visemes": [{"class": n, "name": c, "letter": LETTERS[c]} for n, c in enumerate(classes)],
        "splits": {
            split: {
                "clips": counts["split"][split],
                "minutes": round(seconds["split"][split] / 60, 2),
                "speakers": len(speakers[split]),
                "minutes_by_source": {
                    source: round(found / 60, 2)
                    for source, found in sorted(seconds[f"sources of {split}"].items())
                },
            }
            for split in ("train", "valid", "test")
        },
        "licences": {name: counts["licence"][name] for name in sorted(counts["licence"])},
        "attributions": {name: sorted(attributions[name]) for name in sorted(attributions)},
        "shards": {name: shards[name] for name in sorted(shards)},
    }
    with replacing(folder / "dataset.json") as path:
        text = json.dumps(description, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    with replacing(folder / "README.md") as path:
        path.write_text(_card(description, counts, seconds, speakers), encoding="utf-8")


def _card(description: dict, counts: dict, seconds: dict, speakers: dict) -> str:
    licences = sorted(counts["licence"])
    languages = sorted(counts["language"])
    total = sum(seconds["split"].values())
    lines = [
        "---",
        "pretty_name: visemill lip-sync clips",
        "task_categories: [audio-classification]",
        f"language: [{', '.join(languages)}]",
        "license: other",
        "configs:",
        "- config_name: default",
        "  data_files:",
    ]
    for split, name in (("train", "train"), ("valid", "validation"), ("test", "test")):
        if counts["split"][split]:
            lines += [f"  - split: {name}", f"    path: parquet/{split}-*.parquet"]
    lines += [
        "---",
        "",
        "# Lip-sync clips",
        "",
        f"{sum(counts['split'].values())} clips, {total / 60:.1f} minutes of speech, every 10 ms"
        " labelled with one of twelve mouth shapes, and the phones and words they come from.",
        "",
        _table("Split", ("train", "valid", "test"), counts["split"], seconds["split"], speakers),
        _table(
            "Source", sorted(counts["source"]), counts["source"], seconds["source"],
            {name: speakers[f"source {name}"] for name in counts["source"]},
        ),
        _table("Timing", sorted(counts["timing"]), counts["timing"], seconds["timing"]),
        _table("Approved by", sorted(counts["basis"]), counts["basis"], seconds["basis"]),
        "No speaker and no sentence of the test split is in the train split.",
        "",
        "## Mouth shapes",
        "",
        "| class | name | letter |",
        "|---|---|---|",
        *(f"| {v['class']} | {v['name']} | {v['letter']} |" for v in description["visemes"]),
        "",
        "## Licences and attributions",
        "",
        "Every clip carries its own in the columns `licence` and `attribution`.",
        "",
    ]  # fmt: skip
    for licence in licences:
        lines.append(f"- **{licence}**: {counts['licence'][licence]} clips")
        lines += [f"  - {who}" for who in description["attributions"][licence]]
    lines += [
        "",
        "## How to read it",
        "",
        "```python",
        "import glob, webdataset, datasets, pandas",
        'clips = webdataset.WebDataset(sorted(glob.glob("webdataset/train-*.tar")))  # .flac .json'
        " .npy",
        'table = datasets.load_dataset("parquet", data_files="parquet/train-*.parquet")',
        'curves = pandas.read_parquet(glob.glob("curves/*.parquet")[0])  # hard, soft (12),'
        " curves (52) for each picture",
        'sums = pandas.read_parquet("manifest.parquet")  # SHA-256 of each sample and shard',
        "```",
        "",
        "In the Parquet files `audio` is `{bytes, path}` with FLAC bytes: cast the column with"
        " `table.cast_column('audio', datasets.Audio())` to decode it. Times are samples at"
        " 16 kHz; `frames` holds the class of frame k at t = k · 10 ms.",
        "",
    ]
    return "\n".join(lines)


def _table(title: str, keys: Sequence[str], counts, seconds, speakers=None) -> str:
    head = f"| {title} | clips | minutes |" + (" speakers |" if speakers else "")
    rows = [head, "|---|---|---|" + ("---|" if speakers else "")]
    for key in keys:
        row = f"| {key} | {counts[key]} | {seconds[key] / 60:.1f} |"
        rows.append(row + (f" {len(speakers.get(key, ()))} |" if speakers else ""))
    return "\n".join([*rows, ""])
