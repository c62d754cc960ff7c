"""What people decided about clips: datasets/reviews/*.jsonl, one decision a line.

A line is {"clip_id", "labels", "verdict", "reviewer", "time", ...} (review_ui.journal.Decision).
`labels` is the digest of the labels that the reviewer saw (Clip.labels_digest), so a decision
expires when they change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clips import BadLabels, Clip
from review_ui.journal import Decision, fixed, read_decisions, settled


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What people made of a clip: `decision` counts, or is None where they contradict each other.

    clip: with the labels that the decision leaves it.
    """

    decision: Decision | None
    clip: Clip


def read_reviews(files: Iterable[Path]) -> dict[str, list[Decision]]:
    """Everybody's last decision about the same labels of each clip, by clip.

    Raises BadManifest that names the line.
    """
    last: dict[tuple[str, str, str, str], Decision] = {}
    for path in files:
        for decision in read_decisions(path):
            reviewer = decision.reviewer or path.stem
            key = (decision.clip_id, decision.labels, decision.basis, reviewer)
            last.pop(key, None)
            last[key] = decision
    found: dict[str, list[Decision]] = {}
    for decision in last.values():
        found.setdefault(decision.clip_id, []).append(decision)
    return found


def reviewed(clip: Clip, reviews: dict[str, list[Decision]]) -> Reviewed | None:
    """What people decided about the clip with the labels that it has; None if nothing.

    Raises BadLabels if somebody's new labels do not fit the clip.
    """
    about = reviews.get(clip.clip_id)
    if not about:
        return None
    labels = clip.labels_digest()
    current = [decision for decision in about if decision.labels == labels]
    if not current:
        return None
    decision = settled(current)
    if decision and decision.verdict == "fix":
        try:
            return Reviewed(decision, fixed(clip, decision))
        except BadLabels as error:
            raise BadLabels(
                f"the labels by {decision.reviewer} do not fit: {error.what}",
                where=clip.clip_id,
                remedy="mend or delete the line in datasets/reviews",
            ) from error
    return Reviewed(decision, clip)


def as_decided(clip: Clip, fix: str) -> Clip:
    """The clip with the labels of the decision `fix` (a line of the triage table), if there is one.

    Raises BadLabels if they do not fit.
    """
    return fixed(clip, Decision(**json.loads(fix))) if fix else clip
