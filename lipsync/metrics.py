"""How good a track is: frame accuracy, F1 for each class, confusion, closed mouths, flicker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from visemes.classes import CLASSES

M = CLASSES.index("M")


@dataclass
class Tally:
    """Counts over clips: add frames as they come, then read the figures.

    confusion[true, predicted]: frames. changes, flickers: of the predicted track, over `seconds`.
    """

    confusion: np.ndarray = field(
        default_factory=lambda: np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    )
    clips: int = 0
    seconds: float = 0.0
    changes: int = 0
    flickers: int = 0
    closures: int = 0
    closures_shown: int = 0

    def add(self, true: np.ndarray, predicted: np.ndarray, known: np.ndarray | None = None) -> None:
        """One clip: classes per 10 ms frame, equal lengths; frames not `known` do not count."""
        known = np.ones(len(true), bool) if known is None else known
        np.add.at(self.confusion, (true[known], predicted[known]), 1)
        self.clips += 1
        self.seconds += len(true) / 100
        edges = np.flatnonzero(np.diff(predicted))
        self.changes += len(edges)
        self.flickers += int(np.sum(np.diff(edges) == 1))
        starts = np.flatnonzero((true == M) & (np.r_[-1, true[:-1]] != M))
        ends = np.flatnonzero((true == M) & (np.r_[true[1:], -1] != M)) + 1
        for start, end in zip(starts, ends):
            if known[start:end].all():
                self.closures += 1
                # Lips may meet up to 30 ms early and 10 ms late: people do, and nobody sees it.
                self.closures_shown += bool((predicted[max(0, start - 3) : end + 1] == M).any())

    def figures(self) -> dict[str, float]:
        """The measured figures by name; shares in 0..1, rates per second."""
        total = max(1, int(self.confusion.sum()))
        hits = np.diag(self.confusion).astype(float)
        true, predicted = self.confusion.sum(1), self.confusion.sum(0)
        f1 = 2 * hits / np.maximum(true + predicted, 1)
        return {
            "frame_accuracy": float(hits.sum() / total),
            "macro_f1": float(f1[true > 0].mean()) if (true > 0).any() else 0.0,
            "closures_shown": self.closures_shown / max(1, self.closures),
            "closed_frames_right": float(hits[M] / max(1, true[M])),
            "false_closed_share": float((predicted[M] - hits[M]) / max(1, total - true[M])),
            "changes_per_second": self.changes / max(self.seconds, 1e-9),
            "flickers_per_second": self.flickers / max(self.seconds, 1e-9),
            "clips": self.clips,
            "seconds": round(self.seconds, 2),
        }

    def recall(self) -> dict[str, float]:
        """The share of each class's frames that were predicted right."""
        true = self.confusion.sum(1)
        return {
            name: float(self.confusion[n, n] / true[n]) for n, name in enumerate(CLASSES) if true[n]
        }


def tally(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Tally:
    """The tally of (true, predicted) pairs of class arrays."""
    result = Tally()
    for true, predicted in pairs:
        result.add(true, predicted)
    return result
