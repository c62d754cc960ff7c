"""Every random choice comes from hash(seed, stage, clip id), never from a shared generator.

So neither the number of workers nor the order of the work changes a byte of output.
"""

from __future__ import annotations

import hashlib

import numpy as np


def draw_stream(seed: int, stage: str, clip_id: str) -> np.random.Generator:
    """The random numbers that belong to one clip in one stage.

    >>> a, b = draw_stream(1, "augment", "x"), draw_stream(1, "augment", "x")
    >>> bool(a.random() == b.random())
    True
    """
    return np.random.Generator(np.random.PCG64(_digest(f"{seed}\x1f{stage}\x1f{clip_id}", 16)))


def unit_hash(text: str) -> float:
    """A number in 0..1 that depends on `text` alone: for decisions that must never change."""
    return _digest(text, 8) / 2**64


def partition_of(clip_id: str, partitions: int) -> int:
    """The partition (0 .. partitions-1) that a clip lives in, whatever other clips there are."""
    return _digest(clip_id, 8) % partitions


def _digest(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "little")
