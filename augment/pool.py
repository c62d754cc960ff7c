"""Other clips for the transforms that need them: a small fixed choice, found again by id."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from clips import BadInput, Clip, unit_hash

SIZE = 64
"""Clips kept: enough for variety, and about 20 MB of speech."""


class Pool:
    """Some of the clips that a stage reads, chosen by hashes of their ids alone.

    The same clips give the same pool in any order; a chain's children depend on what the pool
    holds, so a stage that uses one must make them again when its clips change.
    """

    def __init__(self, clips: Iterable[Clip] = (), size: int = SIZE) -> None:
        chosen = heapq.nsmallest(size, clips, key=lambda clip: unit_hash(clip.clip_id))
        self._clips = {clip.clip_id: clip for clip in chosen}

    def others(self, clip: Clip) -> list[Clip]:
        """Clips of the same split that stem from another recording, in a fixed order."""
        return [
            other
            for other in self._clips.values()
            if other.split == clip.split and other.root_id != clip.root_id
        ]

    def find(self, clip_id: str) -> Clip:
        """The clip with this id. Raises BadInput if the pool does not hold it."""
        try:
            return self._clips[clip_id]
        except KeyError as error:
            raise BadInput(
                f"the clip {clip_id!r} is not in the pool",
                remedy="give a Pool of the clips that the child was made with",
            ) from error


def join_credits(clip: Clip, others: Iterable[tuple[str, str]]) -> dict[str, str]:
    """`licence` and `attribution` of a clip that also holds the sound of others.

    others: (licence, attribution) of each. Licences join to an SPDX expression with AND, since all
    of them must be kept; attributions join with semicolons; what repeats is said once.

    >>> join_credits(Clip("a", [0.0], "", "en", "s", "t", "CC0-1.0", "Ann"), [("MIT", "Bob")])
    {'licence': 'CC0-1.0 AND MIT', 'attribution': 'Ann; Bob'}
    """
    licences, attributions = zip((clip.licence, clip.attribution), *others)
    terms = [
        f"({term})" if " OR " in term and not term.startswith("(") else term
        for licence in licences
        for term in licence.split(" AND ")
    ]
    return {
        "licence": " AND ".join(sorted(set(terms))),
        "attribution": "; ".join(dict.fromkeys(a for a in attributions if a)),
    }
