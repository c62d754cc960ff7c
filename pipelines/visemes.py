"""Stage `visemes`: the phones of every clip become mouths.

The audio is not copied: a track partition holds clip ids and viseme segments and lies at
datasets/visemes/<source>/<the name of the clips' partition>.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa

from clips import BadParams, Reject, Segment, VisemillError, partitions_in
from clips.store import CLIP_SCHEMA, read_rows
from pipelines.executors import add_share_arguments
from pipelines.params import load_params
from pipelines.runner import Task, rejecting, run_partitions
from pipelines.sources import all_sources, source_folder
from pipelines.stage import DATA, exit_with
from visemes.classes import CLASSES, LETTERS
from visemes.inventory import load_inventory
from visemes.rules import Rules, to_visemes

TRACK_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("seconds", pa.float64()),
        ("visemes", CLIP_SCHEMA.field("visemes").type),
    ]
)


@dataclass(frozen=True)
class VisemesParams:
    """The `visemes` block of params.yaml."""

    inventory: str
    max_rejects: float
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        if not self.inventory.isidentifier():
            raise ValueError(
                f"inventory is {self.inventory!r}, not the name of a table in visemes/inventories/"
            )


def run() -> None:
    """Writes the tracks of every source."""
    params = load_params("visemes", VisemesParams)
    inventory = load_inventory(params.inventory)  # a hole in the table stops the stage at once
    if inventory.classes != CLASSES or dict(inventory.letters) != LETTERS:
        raise BadParams(
            "its shapes or letters are not those of the network",
            where=inventory.file,
            remedy=f"the network knows {', '.join(CLASSES)}, in this order",
        )
    for source in all_sources():
        tasks = [
            Task(path.name, (path,), str(path)) for path in partitions_in(source_folder(source))
        ]
        run_partitions(
            f"visemes-{source}",
            track_partition,
            tasks,
            DATA / "visemes" / source,
            params,
            rooms=("visemes", "clips"),
            schema=TRACK_SCHEMA,
            max_rejects=params.max_rejects,
        )


def track_partition(task: Task, params: VisemesParams) -> Iterator[dict | Reject]:
    """The viseme track of each clip of one partition."""
    inventory = load_inventory(params.inventory)
    columns = ["clip_id", "samples", "phones", "ipa", "text", "source"]
    for row in read_rows(Path(task.details), columns):
        phones = [Segment(**segment) for segment in row["phones"]]
        try:
            track = to_visemes(phones, inventory, params.rules, row["ipa"])
        except VisemillError as error:
            yield rejecting(row["clip_id"], "visemes", error, text=row["text"])
            continue
        yield {
            "clip_id": row["clip_id"],
            "seconds": row["samples"] / 16_000,
            "visemes": [asdict(segment) for segment in track],
        }


def main() -> None:
    """Command line: `python -m pipelines.visemes`."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_share_arguments(parser)
    parser.parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
