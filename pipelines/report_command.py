"""`visemill report`: reports/index.html on the run that is here; `make repro` ends with it.

The page has times and a comparison with the run before, which differ where no data does: so no
stage of DVC makes it. What it shows, the stages made.
"""

from __future__ import annotations

import argparse
import sys

from clips import BadInput
from pipelines.report import write_report
from pipelines.run_summary import EXPORT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`visemill report` takes no arguments."""


def run(args: argparse.Namespace) -> int:
    """Writes the page and says where. Raises BadInput where there is no export."""
    if not (EXPORT / "manifest.parquet").exists():
        raise BadInput("there is no run to report on", where=str(EXPORT), remedy="`make repro`")
    print(f"visemill: see {write_report()}", file=sys.stderr)
    return 0
