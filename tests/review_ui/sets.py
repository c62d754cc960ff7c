"""Folders with clips to review, as the triage stage leaves them, made of noise and short."""

from __future__ import annotations

from pathlib import Path

from pipelines.review_demo import make_set
from review_ui.clip_queue import Item
from review_ui.journal import Decision
from tests.conftest import make_clip

SURE = (("align_match", 1.0), ("confidence", 0.97))
DOUBTFUL = (("align_match", 0.0), ("confidence", 0.1))


def write_set(folder: Path, sure: int = 0, doubtful: int = 0, **settings) -> Path:
    """`sure` near-certain clips, which make a lot, and doubtful ones; returns the datasets.

    settings: of the `triage` block. The names are a000, a001, ... and d000, d001, ...
    """
    clips = [
        make_clip(f"{kind}{number:03d}", timing="aligned", scores=scores)
        for kind, count, scores in (("a", sure, SURE), ("d", doubtful, DOUBTFUL))
        for number in range(count)
    ]
    make_set(folder, clips, **settings)
    return folder / "datasets"


def decide(item: Item, reviewer: str = "ann", verdict: str = "approve", **changes) -> Decision:
    """A decision about an item; its key is made of reviewer, clip and verdict."""
    values = {
        "clip_id": item.clip_id,
        "labels": item.labels,
        "verdict": verdict,
        "reviewer": reviewer,
        "time": "2026-01-02T03:04:05",
        "seconds": 2.0,
        "key": f"{reviewer}-{item.clip_id}-{verdict}",
    }
    return Decision(**{**values, **changes})


LABELS = {
    "phones": (("SIL", 0, 5000), ("P", 5000, 9000), ("AA", 9000, 16000)),
    "visemes": (("Neutral", 0, 5000), ("M", 5000, 9000), ("Ah", 9000, 16000)),
}
"""Other labels for a clip of a second."""
