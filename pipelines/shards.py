"""What shards are called, and which of them stay as they are: datasets/frozen/shards.jsonl.

Frozen shards are an input of the export, kept by git, so that the export has no hidden state: the
same clips and the same file give the same shards. A line is {"shard": name, "samples": [...]},
the first 16 digits of each sample's SHA-256 in the order of the shard.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from clips import BadManifest, replacing
from clips.files import parse_json, read_lines
from clips.store import read_rows
from pipelines.sources import RELEARNED
from pipelines.stage import DATA

FROZEN = DATA / "frozen" / "shards.jsonl"
HELD = FROZEN.with_name("acoustic.npz")
"""The model of the stage `relearn` at that time: with another, recordings had other labels."""
_DIGITS = 8


def shard_name(split: str, source: str, number: str, shard_sha256: str) -> str:
    """The name of a shard: its bytes decide it, so that it never means anything else.

    >>> shard_name("train", "espeak", "0003", "9f86d081884c7d659a2feaa0c55ad015")
    'train-espeak-0003-9f86d081'
    """
    return f"{split}-{source}-{number}-{shard_sha256[:_DIGITS]}"


def short(sample_sha256: str) -> str:
    """What the file says of a sample."""
    return sample_sha256[:16]


def frozen_shards(path: Path = FROZEN) -> dict[tuple[str, str], dict[str, list[str]]]:
    """Frozen shards by (source, partition number): their samples, in order, by the shard's name.

    Raises BadManifest that names the line.
    """
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for number, line in read_lines(path) if path.exists() else ():
        if line == "":  # after the last
            continue
        try:
            row = parse_json(line)
            _, rest = row["shard"].split("-", 1)
            source, partition, _ = rest.rsplit("-", 2)
            samples = [str(sample) for sample in row["samples"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadManifest(
                "is not a frozen shard",
                where=f"{path}:{number}",
                remedy="take the file from git again, or delete it and run `visemill freeze`",
            ) from error
        found.setdefault((source, partition), {})[row["shard"]] = samples
    return found


def freeze(manifest: Path, path: Path = FROZEN) -> int:
    """Freezes every shard of an export's manifest; shards that it does not have are forgotten.

    Beside it, the model that aligned the recordings, if there is one. Returns the number of shards.
    The same export gives the same files.
    """
    model = manifest.parents[1] / RELEARNED.relative_to(DATA)
    if model.exists():
        with replacing(path.with_name(HELD.name)) as temporary:
            shutil.copyfile(model, temporary)
    shards: dict[str, list[str]] = {}
    for row in read_rows(manifest, ["shard", "sample_sha256"]):
        shards.setdefault(Path(row["shard"]).stem, []).append(short(row["sample_sha256"]))
    with replacing(path) as temporary:
        lines = [json.dumps({"shard": name, "samples": shards[name]}) for name in sorted(shards)]
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(shards)
