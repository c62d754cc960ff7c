"""Stage `acoustic`: the aligner's acoustic model, trained on all speech whose timing is exact."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from clips import Clip, partitions_in, read_clips
from pipelines.aligners import MODEL
from pipelines.engines import listed_engines
from pipelines.params import load_params
from pipelines.stage import DATA, exit_with, seed
from pipelines.train import THREADS


def run() -> None:
    """Writes datasets/acoustic/model.npz."""
    # Threads that wait must not spin: beside other work that made training 100 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch
    from tqdm import tqdm

    from align.training import AcousticParams, collect, train

    torch.set_num_threads(THREADS)
    params = load_params("acoustic", AcousticParams)
    speech = collect(training_clips())
    print(f"acoustic: {speech.minutes:.1f} min to train on")
    with tqdm(total=params.epochs, desc="acoustic", unit="epoch", mininterval=1.0) as bar:

        def on_epoch(epoch: int, loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.3f}")
            bar.update()

        train(speech, params, seed(), on_epoch).save(MODEL)


def training_clips() -> Iterator[Clip]:
    """The clips of the training split whose timing is exact, of every engine, in order."""
    for engine in listed_engines():
        for path in partitions_in(DATA / "synthesize" / engine):
            for clip in read_clips(path):
                if clip.split == "train" and clip.timing == "exact":
                    yield clip


def main() -> None:
    """Command line: `python -m pipelines.acoustic`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
