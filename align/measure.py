"""How far an alignment is from the truth: boundaries matched one to one, in order.

>>> truth = [Segment("SIL", 0, 1600), Segment("P", 1600, 3200), Segment("AA", 3200, 4800)]
>>> guess = [Segment("SIL", 0, 1760), Segment("P", 1760, 3200), Segment("AA", 3200, 4800)]
>>> compare(truth, guess).mean_ms
5.0
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from clips import RATE, BadLabels, Segment

LIMIT = 1600
"""Boundaries further apart than this (samples: 100 ms) are no pair."""

TOLERANCE = 320
"""Boundaries up to this far apart (samples: 20 ms) count as found in F1."""

CLOSURES = {"PCL": "P", "TCL": "T", "KCL": "K", "BCL": "B", "DCL": "D", "GCL": "G"}
"""Labels of a stop's closure (as in TIMIT) and the stop that they begin."""

RELEASES = frozenset({"H", "ASP"})
"""Labels of a stop's release or aspiration, which belong to the stop before them."""

_STOPS = frozenset(CLOSURES.values())


@dataclass(frozen=True)
class BoundaryErrors:
    """Distances (samples, signed: guess − truth) of matched boundaries, and how many there were."""

    errors: tuple[int, ...]
    truth: int
    guess: int

    @property
    def mean_ms(self) -> float:
        """Mean absolute error of matched boundaries in milliseconds; nan without any."""
        return float(np.mean(np.abs(self.errors))) * 1000 / RATE if self.errors else float("nan")

    @property
    def median_ms(self) -> float:
        """Median absolute error of matched boundaries in milliseconds; nan without any."""
        return median(map(abs, self.errors)) * 1000 / RATE if self.errors else float("nan")

    @property
    def bias_ms(self) -> float:
        """Mean signed error in milliseconds: positive where the guess comes late."""
        return float(np.mean(self.errors)) * 1000 / RATE if self.errors else float("nan")

    @property
    def f1(self) -> float:
        """F1 at TOLERANCE: 2 · found / (boundaries in the truth + in the guess)."""
        found = sum(abs(error) <= TOLERANCE for error in self.errors)
        return 2 * found / (self.truth + self.guess) if self.truth + self.guess else 1.0


def boundaries(segments: Sequence[Segment]) -> list[int]:
    """The samples at which one phone gives way to a different one, within the clip.

    Closure, release and aspiration of a stop are one phone with it; neighbours with the same
    label are one phone.
    """
    found: list[int] = []
    previous = ""
    for segment in segments:
        label = segment.label.upper()
        if label in RELEASES and previous in _STOPS:
            continue
        phone = CLOSURES.get(label, label)
        if previous and phone != previous:
            found.append(segment.start)
        previous = phone
    return found


def match(truth: Sequence[int], guess: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs (index in truth, index in guess), in order, with the smallest total distance.

    A boundary left alone costs half of LIMIT, so two are a pair rather than alone exactly if they
    are no further apart than LIMIT. Both lists hold sorted samples. Time: their lengths' product.
    """
    rows, columns = len(truth), len(guess)
    alone = LIMIT // 2
    cost = np.zeros((rows + 1, columns + 1), dtype=np.int64)
    cost[:, 0] = np.arange(rows + 1) * alone
    cost[0, :] = np.arange(columns + 1) * alone
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            cost[i, j] = min(
                cost[i - 1, j - 1] + abs(truth[i - 1] - guess[j - 1]),
                cost[i - 1, j] + alone,
                cost[i, j - 1] + alone,
            )
    pairs = []
    i, j = rows, columns
    while i and j:
        distance = abs(truth[i - 1] - guess[j - 1])
        if cost[i, j] == cost[i - 1, j - 1] + distance and distance <= LIMIT:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif cost[i, j] == cost[i - 1, j] + alone:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def compare(truth: Sequence[Segment], guess: Sequence[Segment]) -> BoundaryErrors:
    """The boundary errors of `guess` (phones that tile a clip) against `truth`.

    Raises BadLabels if the two do not end at the same sample: they are not of one clip.
    """
    ends = [segments[-1].end if segments else 0 for segments in (truth, guess)]
    if ends[0] != ends[1]:
        raise BadLabels(
            f"the labels end at sample {ends[1]}, the truth at {ends[0]}",
            remedy="compare labels of the same clip; clips.tile fills the end with SIL",
        )
    a, b = boundaries(truth), boundaries(guess)
    errors = tuple(b[j] - a[i] for i, j in match(a, b))
    return BoundaryErrors(errors, len(a), len(b))


def total(results: Iterable[BoundaryErrors]) -> BoundaryErrors:
    """The errors of many clips as one."""
    results = list(results)
    return BoundaryErrors(
        tuple(error for result in results for error in result.errors),
        sum(result.truth for result in results),
        sum(result.guess for result in results),
    )
