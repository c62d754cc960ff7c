"""How much each moment sounds like the boundary between two kinds of phones: a small network.

It was trained on synthetic speech whose timing is exact, in noise and rooms, by
`python benchmarks/align_edges.py --fit`, which writes edges.npz and also measures what it is worth.
Three convolutions over the mel bands of align.refine see 50 ms to each side in steps of 2.5 ms
and give a log likelihood, up to a constant, for each pair of kinds. Plain numpy computes it
2,000 times faster than real time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from clips import SILENCE
from clips.arpabet import VOWELS

FILE = Path(__file__).with_name("edges.npz")

KINDS: tuple[frozenset[str], ...] = (
    frozenset({SILENCE}),
    frozenset({"P", "T", "K", "CH"}),
    frozenset({"B", "D", "G", "JH"}),
    frozenset({"F", "TH", "S", "SH", "HH"}),
    frozenset({"V", "DH", "Z", "ZH"}),
    frozenset({"M", "N", "NG"}),
    frozenset({"L", "R", "W", "Y"}),
    frozenset(VOWELS),
)
"""Phones (ARPAbet, SIL) whose boundaries look alike."""

_KIND = {phone: number for number, kind in enumerate(KINDS) for phone in kind}

DILATIONS = (1, 2, 4)
"""Steps between the taps of each convolution."""

Layers = Sequence[tuple[np.ndarray, np.ndarray]]
"""Weights (taps, in, out) and biases (out,) of each layer; the last one has a single tap."""


def pairs_of(phones: Sequence[str]) -> np.ndarray:
    """The column of `edge_scores` for each boundary between phones: int, shape (phones − 1,).

    >>> pairs_of(["SIL", "P", "AA"]).tolist()
    [1, 15]
    """
    kinds = np.array([_KIND[phone] for phone in phones])
    return kinds[:-1] * len(KINDS) + kinds[1:]


def edge_scores(features: np.ndarray, layers: Layers | None = None) -> np.ndarray:
    """The log likelihood of a boundary at the start of each step, for each pair of kinds.

    features: of align.refine.change_features. layers: weights other than those of edges.npz.
    Returns float32, shape (steps, len(KINDS)²); only differences within a column mean something.
    """
    *hidden, last = layers or load_layers()
    signal = scaled(np.asarray(features, np.float32))
    for number, ((weights, bias), dilation) in enumerate(zip(hidden, DILATIONS, strict=True)):
        found = np.maximum(_convolved(signal, weights, dilation) + bias, 0)
        signal = signal + found if number == len(hidden) - 1 else found
    return signal @ last[0][0] + last[1]


def scaled(features: np.ndarray) -> np.ndarray:
    """What the network sees, about −2..2: bands without their mean, and the level, shape (…, 21).

    features: dB, shape (…, steps, 20). The same sound at any loudness looks the same.
    """
    level = features.max(axis=-1, keepdims=True)
    loud = np.quantile(level, 0.9, axis=-2, keepdims=True)
    bands = features - features.mean(axis=-2, keepdims=True)
    return np.concatenate([bands / 15, (level - loud + 20) / 20], axis=-1).astype(np.float32)


@cache
def load_layers() -> Layers:
    """The weights of edges.npz, as float32."""
    with np.load(FILE, allow_pickle=False) as stored:
        return unpack(stored)


def unpack(stored: Mapping[str, np.ndarray]) -> Layers:
    """Layers from arrays weights0, bias0, weights1, ..."""
    count = len(DILATIONS) + 1
    return [
        (stored[f"weights{n}"].astype(np.float32), stored[f"bias{n}"].astype(np.float32))
        for n in range(count)
    ]


def _convolved(signal: np.ndarray, weights: np.ndarray, dilation: int) -> np.ndarray:
    """Outside the signal is zero; the result is as long as it."""
    reach = dilation * (len(weights) // 2)
    padded = np.pad(signal, ((reach, reach), (0, 0)))
    count = len(signal)
    taps = (padded[tap * dilation : tap * dilation + count] for tap in range(len(weights)))
    return sum(part @ weight for part, weight in zip(taps, weights))
