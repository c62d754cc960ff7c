"""What people decided about clips: datasets/reviews/*.jsonl, one decision a line.

A line is {"clip_id", "labels", "verdict", "reviewer", "time", "note"}: `labels` is the digest of
the labels that the reviewer saw (Clip.labels_digest), so a decision expires when they change;
`verdict` is "approve" or "reject"; the last line about a clip counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clips import BadManifest

VERDICTS = ("approve", "reject")


@dataclass(frozen=True)
class Decision:
    """One decision of one person about one clip."""

    clip_id: str
    labels: str
    verdict: str
    reviewer: str = ""
    time: str = ""
    note: str = ""


def read_decisions(files: Iterable[Path]) -> dict[str, Decision]:
    """The last decision about each clip. Raises BadManifest that names the file and the line."""
    found: dict[str, Decision] = {}
    for path in files:
        for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                decision = Decision(**json.loads(line))
                if decision.verdict not in VERDICTS:
                    raise ValueError(f"verdict {decision.verdict!r} is none of {VERDICTS}")
            except (ValueError, TypeError) as error:
                raise BadManifest(
                    f"cannot read this decision ({error})",
                    where=f"{path}:{number}",
                    remedy="mend or delete the line",
                ) from error
            found[decision.clip_id] = decision
    return found
