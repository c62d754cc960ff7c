"""How soon training is as good: our loop beside a plain PyTorch loop, on the same exported clips.

    python benchmarks/train_curve.py --features 'datasets/export/features/*.parquet' \
        [--seconds 60 120] [--device auto|cpu|cuda] [--picture curve.png]

The plain loop is that of train_speed.py with mel bands that are ready (so it is spared the reading
of sound): one random 2 s chunk of each clip an epoch, AdamW, no augmentation. Ours is the recipe of
params.yaml, once for each of `seconds` with as many epochs as fit, because its learning rate falls
to nothing at the end. Both are measured as they go on the valid split (speakers that are not in
training), and at the end on hand-labelled folders, if --truth names any.
"""

from __future__ import annotations

import argparse
import glob
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from train_speed import CHUNK, PlainNet

from lipsync import train as ours
from lipsync.dataset import Corpus, load_feature_tables
from lipsync.features import AFTER, BEFORE, inner_deltas
from lipsync.infer import Model
from lipsync.measure import total
from lipsync.model import LOOKAHEAD, CherryNet
from pipelines.evaluate import measure_clip
from pipelines.params import load_params
from pipelines.truth import read_truth
from visemes.inventory import load_inventory

Curve = list[tuple[float, float]]
"""Seconds of training, validation not counted, and the share of right frames after them."""


class Clips(Dataset):
    """Chunks of a corpus: features (200, 26) and labels (200,); shorter clips begin with zeros."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.corpus)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = self.corpus.offsets[place : place + 2]
        at = a + int(self.rng.integers(0, max(1, b - a - CHUNK + 1)))
        length = min(CHUNK, int(b - a))
        mel = np.zeros((CHUNK + BEFORE + AFTER, 13), np.float32)
        mel[-length - AFTER : -AFTER] = self.corpus.mel[at : at + length]
        labels = np.full(CHUNK, ours.IGNORED)
        labels[-length:] = self.corpus.visemes[at : at + length]
        x = torch.from_numpy(mel)[None]
        return torch.cat([x[:, BEFORE:-AFTER], inner_deltas(x)], 2)[0], torch.from_numpy(labels)


def plain_curve(
    corpus: Corpus, check: ours.Validation, seconds: float, device: torch.device
) -> tuple[Curve, CherryNet]:
    """Trains the plain network for `seconds`; its curve, and its weights as ours are kept."""
    net = PlainNet().to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    loader = DataLoader(Clips(corpus), batch_size=32, shuffle=True)
    spent, curve, kept = 0.0, [], CherryNet().to(device)
    while spent < seconds:
        net.train()
        began = time.perf_counter()
        for x, target in loader:
            logits = net(x.to(device))[:, LOOKAHEAD:]
            wanted = target.to(device)[:, :-LOOKAHEAD]
            loss = functional.cross_entropy(
                logits.flatten(0, 1), wanted.flatten(), ignore_index=ours.IGNORED
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss.item()  # the device is waited for
        spent += time.perf_counter() - began
        kept.load_state_dict(renamed(net))
        curve.append((spent, check.measure(kept)["valid_accuracy"]))
    return curve, kept


def renamed(net: PlainNet) -> dict[str, torch.Tensor]:
    """The plain network's weights under our names."""
    places = {"norm": 1, "gru1": 4, "gru2": 7, "out": 9}
    state = net.state_dict().items()
    return {f"net.{places[name.split('.')[0]]}.{name.split('.')[1]}": one for name, one in state}


def our_curve(
    corpus: Corpus, valid: Corpus, params: ours.TrainParams, seconds: float
) -> tuple[Curve, CherryNet]:
    """Trains with as many epochs as fit into `seconds`; the curve and the network."""
    first: list[float] = []
    ours.train(
        corpus, valid, replace(params, epochs=1), on_epoch=lambda r: first.append(r["seconds"])
    )
    epochs = max(1, round(seconds / first[0]))
    curve: Curve = []

    def on_epoch(row: dict[str, float]) -> None:
        before = curve[-1][0] if curve else 0.0
        curve.append((before + row["seconds"], row["valid_accuracy"]))

    return curve, ours.train(corpus, valid, replace(params, epochs=epochs), on_epoch=on_epoch).best


def on_truth(net: CherryNet, folders: list[Path]) -> dict[str, dict[str, float]]:
    """Share of right frames and lip score on each hand-labelled folder."""
    model, inventory, found = Model.of(net.cpu().eval()), load_inventory("cherry12"), {}
    for folder in folders:
        told = total(
            [measure_clip(model, one, one.clip.audio) for one in read_truth(folder, inventory)]
        )
        found[folder.name] = {
            key: round(told.figures()[key], 3) for key in ("frame_accuracy", "lip_score")
        }
    return found


def main() -> None:
    """Prints one JSON object for every curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", nargs="+", required=True, metavar="GLOB")
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0])
    parser.add_argument("--truth", type=Path, nargs="*", default=[])
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = ours._device(args.device)
    tables = sorted({table for pattern in args.features for table in glob.glob(pattern)})
    corpus, valid = (load_feature_tables(tables, split) for split in ("train", "valid"))
    params = replace(load_params("train", ours.TrainParams), device=args.device)
    curves: dict[str, Curve] = {}

    def tell(loop: str, curve: Curve, net: CherryNet) -> None:
        curves[f"{loop}, {curve[-1][0]:.0f} s"] = curve
        report = {"loop": loop, "epochs": len(curve), "seconds": round(curve[-1][0], 1)}
        report |= {"valid": round(curve[-1][1], 4), **on_truth(net, args.truth)}
        report["curve"] = [(round(x, 1), round(y, 4)) for x, y in curve]
        print(json.dumps(report), flush=True)

    for seconds in args.seconds:
        tell("ours", *our_curve(corpus, valid, params, seconds))
    check = ours.Validation(valid, device)
    tell("plain", *plain_curve(corpus, check, max(args.seconds), device))
    if args.picture:
        draw(curves, args.picture)


def draw(curves: dict[str, Curve], path: Path) -> None:
    """Share of right frames over seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        axes.plot(*zip(*curve), label=name, linestyle="--" if "plain" in name else "-")
    axes.set(xlabel="seconds of training", ylabel="frames right, other speakers")
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
