"""What a killed DVC leaves behind, put right.

DVC removes its own locks of processes that are no more. But it writes its table of readers and
writers (`.dvc/tmp/rwlock`) in place: killed in that moment it leaves half a table, and then refuses
to start (once in 176 kills, benchmarks/kills.py).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

TABLE = Path(".dvc/tmp/rwlock")


def mend(table: Path = TABLE, patience: float = 1.0) -> bool:
    """Removes the table if it is broken and stays so for `patience` seconds: a DVC that is at work
    writes it in less. Returns whether it did."""
    broken = _broken(table)
    if broken is None:
        return False
    time.sleep(patience)
    if _broken(table) != broken:
        return False
    table.unlink()
    print(f"removed {table}: a DVC that was killed left half of it", file=sys.stderr)
    return True


def _broken(table: Path) -> bytes | None:
    """The content of a table that is no JSON; None if it is, or there is none."""
    try:
        content = table.read_bytes()
        json.loads(content)
    except FileNotFoundError:
        return None
    except ValueError:
        return content
    return None
