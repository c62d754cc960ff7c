"""Do the voice transforms move sound and labels to the same place?

    python benchmarks/augment_voice.py [--truth FOLDER] [--clips N]

Clips that espeak speaks, or the hand-labelled ones of FOLDER; every combination of stretch (0.7,
0.84, 1, 1.19, 1.4) and pitch (−6, 0, 6 semitones), once with even tempo and formants as they are,
once with tempo by classes of phones and formants that move. Two measures of each child, both
against the parent with its time undone: *delay*: of the loudness in windows of 150 ms, all along;
*edge*: of the change of the spectrum around each boundary.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product
from pathlib import Path

import numpy as np

from augment import find_transform
from augment.voice import voice_map
from clips import VisemillError

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.augment_channel import read_people, speak
from tests.augment.measure import boundary_shifts, delays

STRETCHES, SEMITONES = (0.7, 0.84, 1.0, 1.19, 1.4), (-6.0, 0.0, 6.0)
MORE = ({}, {"uneven": 1.0, "formants": 1.1, "pitch_range": 0.5})


def main() -> None:
    """Prints a line for each transform and stretch, and one for all together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, help="folder of hand-labelled recordings")
    parser.add_argument("--clips", type=int, default=20)
    args = parser.parse_args()
    clips = (read_people(args.truth) if args.truth else speak())[: args.clips]
    print("| transform | stretch | delay: median, within 10 ms | edge: median, within 10 ms |")
    print("|---|---|---|---|")
    for name in ("world", "praat"):
        every: tuple[list[float], list[float]] = ([], [])
        for stretch in STRETCHES:
            found: tuple[list[float], list[float]] = ([], [])
            for clip, semitones, more in product(clips, SEMITONES, MORE):
                transform = find_transform(name)
                values = {"tempo": round(1 / stretch, 3), "semitones": semitones, **more}
                params = transform.Params(**values)
                moved = voice_map(clip, params)
                try:
                    child = transform.apply(clip, params)
                except VisemillError as error:
                    print(f"{name} {values}: {error}")
                    continue
                found[0].extend(delays(clip, child, moved))
                found[1].extend(boundary_shifts(clip, child, moved))
            print(_line(name, f"{stretch:g}", found), flush=True)
            for all_of, part in zip(every, found, strict=True):
                all_of += part
        print(_line(name, "all", every), flush=True)


def _line(name: str, stretch: str, found: tuple[list[float], list[float]]) -> str:
    cells = [
        f"{np.median(x):+.1f} ms, {np.mean(np.abs(x) <= 10):.1%} of {len(x)}"
        for x in map(np.array, found)
    ]
    return f"| `{name}` | {stretch} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
