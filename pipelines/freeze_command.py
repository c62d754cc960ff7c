"""`visemill freeze`: shards of the present export stay; clips that come later get new ones."""

from __future__ import annotations

import argparse
import sys

from clips import BadInput
from pipelines.shards import FROZEN, freeze
from pipelines.stage import DATA

MANIFEST = DATA / "export" / "manifest.parquet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`visemill freeze` takes no arguments."""


def run(args: argparse.Namespace) -> int:
    """Freezes and says how much. Raises BadInput where there is no export."""
    if not MANIFEST.exists():
        raise BadInput("there is no export to freeze", where=str(MANIFEST), remedy="`make repro`")
    print(
        f"visemill: {freeze(MANIFEST)} shards are frozen; commit {FROZEN.parent}", file=sys.stderr
    )
    return 0
