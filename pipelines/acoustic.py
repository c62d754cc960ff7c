"""Stage `acoustic`: the aligner's acoustic model, trained on all speech whose timing is exact."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from clips import RATE, Clip, partitions_in, unit_hash
from clips.store import from_row, read_rows
from pipelines.aligners import MODEL
from pipelines.engines import listed_engines
from pipelines.params import load_params
from pipelines.runner import WORK
from pipelines.stage import DATA, exit_with, seed
from pipelines.threads import THREADS

# Threads that wait must not spin: beside other work that made training 100 times slower. torch
# reads this when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def run() -> None:
    """Writes datasets/acoustic/model.npz."""
    from align.training import AcousticParams

    hours = load_params("acoustic", AcousticParams).hours
    learn("acoustic", training_clips(share_of(hours)), MODEL)


def learn(stage: str, clips: Iterable[Clip], path: Path) -> None:
    """Trains a model on clips with phones, as the block `acoustic` says, and writes it to `path`.

    stage: whose name it shows, and in whose folder of .work it keeps frames and checkpoints: a run
    that was stopped goes on after its last whole epoch.
    """
    import numpy as np
    import torch
    from tqdm import tqdm

    from align.acoustic import BANDS
    from align.training import AcousticParams, collect, train
    from lipsync.frame_file import FrameFile

    torch.set_num_threads(THREADS)
    params = load_params("acoustic", AcousticParams)
    folder = WORK / stage
    speech = collect(clips, FrameFile(BANDS, np.float16, folder))
    print(f"{stage}: {speech.minutes:.1f} min to train on")
    with tqdm(total=params.epochs, desc=stage, unit="epoch", mininterval=1.0) as bar:

        def on_epoch(epoch: int, loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.3f}")
            bar.update()

        train(speech, params, seed(), on_epoch, folder).save(path)
    shutil.rmtree(folder, ignore_errors=True)  # the checkpoints of this run and of stopped ones


def training_clips(share: float = 1.0) -> Iterator[Clip]:
    """The clips of the training split whose timing is exact, of every engine, in order.

    share: how many of them, drawn by their ids.
    """
    for path in _partitions():
        for row in read_rows(path):
            if _is_training(row) and unit_hash(f"acoustic {row['clip_id']}") < share:
                yield from_row(row)


def share_of(hours: float) -> float:
    """The share of the training clips that is about `hours` long; 1 if they are no longer."""
    columns = ["split", "timing", "samples"]
    rows = (row for path in _partitions() for row in read_rows(path, columns))
    samples = sum(row["samples"] for row in rows if _is_training(row))
    return min(1.0, hours * 3600 * RATE / max(1, samples))


def _partitions() -> Iterator[Path]:
    return (p for e in listed_engines() for p in partitions_in(DATA / "synthesize" / e))


def _is_training(row: dict) -> bool:
    return row["split"] == "train" and row["timing"] == "exact"


def main() -> None:
    """Command line: `python -m pipelines.acoustic`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
