"""How differently classes of phones share in tempo: the numbers of augment.timemap.ELASTICITY.

    python benchmarks/augment_elasticity.py FOLDER

FOLDER holds hand-labelled recordings in which several people say the same sentences. Of every pair
of renditions with about the same phones: how much longer all phones together last in one than in
the other (log r), and those of each class; the slope through zero of the second on the first.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np

from augment.timemap import ELASTICITY, class_of
from clips import SILENCE, Clip
from pipelines.truth import read_truth
from visemes.inventory import load_inventory

KINDS = [kind for kind in ELASTICITY if kind != "other"]
LEAST = 0.05
"""Seconds of each class that a rendition must hold."""


def main() -> None:
    """Prints a line for each class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    spoken = defaultdict(list)
    for truth in read_truth(folder, load_inventory("cherry12")):
        count = sum(phone.label != SILENCE for phone in truth.clip.phones)
        if count >= 12 and min((seconds := seconds_of(truth.clip)).values()) > LEAST:
            spoken[truth.clip.text].append((count, seconds))
    pairs = [
        (one, other)
        for renditions in spoken.values()
        for (a, one), (b, other) in combinations(renditions, 2)
        if abs(a - b) <= 2
    ]
    total = np.array([np.log(sum(a.values()) / sum(b.values())) for a, b in pairs])
    print(f"{len(pairs)} pairs, log r spreads by {total.std():.2f}")
    for kind in KINDS:
        part = np.array([np.log(a[kind] / b[kind]) for a, b in pairs])
        print(f"{kind}: {total @ part / (total @ total):.2f}")


def seconds_of(clip: Clip) -> dict[str, float]:
    """Seconds of each class of phones in a clip."""
    return {
        kind: sum(phone.seconds for phone in clip.phones if class_of(phone.label) == kind)
        for kind in KINDS
    }


if __name__ == "__main__":
    main()
