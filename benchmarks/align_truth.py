"""How far an aligner's boundaries are from hand labels, and how fast it is.

    python benchmarks/align_truth.py [FOLDER …]   (default ../shared/speech/emu_ae)

A folder has manifest.tsv with a column `label`, as datasets/truth/README.md says.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from align import find_aligner
from align.measure import compare, total
from clips import VisemillError
from pipelines.align import pronounce
from pipelines.truth import read_truth
from visemes.inventory import load_inventory


def main() -> None:
    """Prints one line for each folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", default=["../shared/speech/emu_ae"])
    parser.add_argument("--aligner", default="pocketsphinx")
    args = parser.parse_args()
    aligner = find_aligner(args.aligner, pronounce=pronounce)
    for folder in args.folders:
        if not Path(folder).is_dir():
            print(f"{folder}: not there, left out")
            continue
        errors, failed, seconds, began = [], 0, 0.0, time.perf_counter()
        for truth in read_truth(Path(folder), load_inventory("cherry12")):
            try:
                aligned = aligner.align(truth.clip)
            except VisemillError:
                failed += 1
                continue
            errors.append(compare(truth.clip.phones, aligned.phones))
            seconds += truth.clip.seconds
        whole, taken = total(errors), time.perf_counter() - began
        print(
            f"{folder}: {len(errors)} aligned, {failed} not; boundaries {whole.mean_ms:.1f} ms off"
            f" on average, median {whole.median_ms:.1f} ms, bias {whole.bias_ms:+.1f} ms,"
            f" F1 at 20 ms {whole.f1:.3f}; {seconds / taken:.0f} x real time"
        )


if __name__ == "__main__":
    main()
