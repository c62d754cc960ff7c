"""How far people agree, beyond chance: Cohen's kappa."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence


def kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Cohen's kappa of pairs of verdicts, −1..1; None without pairs.

    (agreed − expected) / (1 − expected), where `expected` is the agreement of two people who draw
    verdicts with their own frequencies (Cohen 1960, A coefficient of agreement for nominal
    scales). 1 where both always say the same one thing.

    >>> kappa([("approve", "approve")] * 8 + [("reject", "reject")] * 2)
    1.0
    >>> kappa([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")])
    0.0
    """
    if not pairs:
        return None
    count = len(pairs)
    agreed = sum(a == b for a, b in pairs) / count
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(first[verdict] * second[verdict] for verdict in first) / count**2
    if expected == 1:
        return 1.0
    return (agreed - expected) / (1 - expected)
