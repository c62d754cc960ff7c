"""Stage `train`: the network is trained on the exported features; weights and curves come out."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.params import load_params, load_value
from pipelines.runner import WORK
from pipelines.stage import DATA, exit_with, seed
from pipelines.threads import THREADS

if TYPE_CHECKING:
    from lipsync.train import TrainParams

MODELS = Path("models")
CURVES = Path("plots/train")


def train_params() -> TrainParams:
    """The `train` block of params.yaml; its seed is that of all stages if it names none."""
    from lipsync.train import TrainParams

    params = load_params("train", TrainParams)
    return params if "seed" in load_value("train") else replace(params, seed=seed())


def run() -> None:
    """Writes models/cherry.pt, .ptx, models/visemill.onnx, and the curves by dvclive."""
    # Threads that wait must not spin: beside other work that made training 100 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch
    from dvclive import Live
    from tqdm import tqdm

    from lipsync.dataset import load_feature_tables
    from lipsync.errors import BadCheckpoint
    from lipsync.export import save_cherry, save_onnx, save_ptx
    from lipsync.train import train

    torch.set_num_threads(THREADS)
    params = train_params()
    tables = sorted((DATA / "export" / "features").glob("*.parquet"))
    folder = WORK / "train"
    corpus, valid = (load_feature_tables(tables, split, folder) for split in ("train", "valid"))
    print(
        f"train: {corpus.frames / 6000:.1f} min of {len(corpus)} clips,"
        f" {valid.frames / 6000:.1f} min of {len(valid)} to choose the best epoch by"
    )
    checkpoint = folder / "checkpoint.pt"
    epochs = params.epochs * (params.all_teachers + 1)
    shutil.rmtree(CURVES, ignore_errors=True)
    with (
        Live(str(CURVES), dvcyaml=False, save_dvc_exp=False, monitor_system=False) as live,
        tqdm(total=epochs, desc="train", unit="epoch", mininterval=1.0) as bar,
    ):

        def on_epoch(row: dict[str, float]) -> None:
            who = f"teacher {row['teacher']}, " if "teacher" in row else ""
            if not who:
                for name in ("loss", "valid_loss", "valid_accuracy", "learning_rate"):
                    if name in row:
                        live.log_metric(name, row[name])
                live.next_step()
            bar.set_postfix_str(
                f"{who}loss {row['loss']:.3f}, valid {row.get('valid_accuracy', 0):.3f},"
                f" {row['frames_per_second']:.0f} frames/s"
            )
            bar.update()

        trained = None
        while trained is None:
            try:
                trained = train(corpus, valid, params, checkpoint=checkpoint, on_epoch=on_epoch)
            except BadCheckpoint as error:  # of another run: data or parameters have changed since
                Path(error.where).unlink()
                bar.reset()
    MODELS.mkdir(exist_ok=True)
    save_cherry(trained.best, MODELS / "cherry.pt")
    save_ptx(trained.best, MODELS / "cherry.ptx")
    save_onnx(trained.best, MODELS / "visemill.onnx")
    history = [
        {key: value for key, value in row.items() if key not in ("seconds", "frames_per_second")}
        for row in trained.history
    ]
    (MODELS / "history.json").write_text(json.dumps(history, indent=1) + "\n")
    for file in folder.glob(f"{checkpoint.stem}*"):
        file.unlink()


def main() -> None:
    """Command line: `python -m pipelines.train`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    os.environ.setdefault("DVCLIVE_LOGLEVEL", "ERROR")
    run()


if __name__ == "__main__":
    exit_with(main)
