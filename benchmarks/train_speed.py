"""How many frames a second training sees: our loop beside a plain PyTorch loop.

The plain loop is made as Cherry Lip Sync's documentation describes its own: a data set of clips
with their audio, mel bands computed whenever a clip is asked for, one random 2 s chunk of each
clip an epoch, torch.nn.GRU. It has no augmentation; ours is the recipe of params.yaml. Both use
the same network on the same synthetic clips, for the same time, turn by turn.

    python benchmarks/train_speed.py [--minutes 10] [--seconds 8] [--device auto|cpu|cuda]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from lipsync import train as ours
from lipsync.dataset import Corpus, FeatureRow
from lipsync.features import HOP, RATE, features
from lipsync.model import FEATURES, HIDDEN, LOOKAHEAD, CherryNet
from pipelines.params import load_params

CHUNK = 200  # frames: 2 s


def synthetic(minutes: float, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray], Corpus]:
    """Audio and labels of clips of 3 to 10 s, noise in bursts, and their corpus."""
    rng = np.random.default_rng(seed)
    sounds, labels, rows = [], [], []
    left = minutes * 60
    while left > 0:
        seconds = rng.uniform(3, 10)
        left -= seconds
        loudness = np.repeat(rng.uniform(0, 0.5, int(seconds * 20) + 1), RATE // 20)
        sound = (loudness * rng.uniform(-1, 1, len(loudness)))[: int(seconds * RATE)]
        sound = sound.astype(np.float32)
        mel = features(sound)[:, :13]
        visemes = np.repeat(rng.integers(0, 12, len(mel) // 8 + 1), 8)[: len(mel)].astype(np.uint8)
        sounds.append(sound)
        labels.append(visemes)
        rows.append(FeatureRow(f"c{len(rows)}", "s", "synthetic", "train", mel, visemes))
    return sounds, labels, Corpus.of(rows)


class Clips(Dataset):
    """Clips of audio; an item is a random chunk's features (200, 26) and labels (200,)."""

    def __init__(self, sounds: list[np.ndarray], labels: list[np.ndarray]) -> None:
        self.sounds, self.labels = sounds, labels
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.sounds)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = features(self.sounds[place])
        at = int(self.rng.integers(0, len(x) - CHUNK + 1))
        labels = self.labels[place][at : at + CHUNK].astype(np.int64)
        return torch.from_numpy(x[at : at + CHUNK]), torch.from_numpy(labels)


class PlainNet(torch.nn.Module):
    """The same network out of PyTorch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(FEATURES)
        self.drop = torch.nn.Dropout(0.2)
        self.gru1 = torch.nn.GRU(FEATURES, HIDDEN, batch_first=True)
        self.gru2 = torch.nn.GRU(HIDDEN, HIDDEN, batch_first=True)
        self.out = torch.nn.Linear(HIDDEN, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        x, _ = self.gru1(self.drop(x))
        x, _ = self.gru2(self.drop(x))
        return self.out(x)


def plain_epochs(
    sounds: list[np.ndarray], labels: list[np.ndarray], batch: int, device: torch.device
) -> Iterator[int]:
    """Runs the plain loop; yields the frames of each epoch."""
    net = PlainNet().to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    loader = DataLoader(Clips(sounds, labels), batch_size=batch, shuffle=True)
    while True:
        seen = 0
        for x, target in loader:
            logits = net(x.to(device))[:, LOOKAHEAD:]
            target = target.to(device)[:, :-LOOKAHEAD]
            loss = functional.cross_entropy(logits.flatten(0, 1), target.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += x.shape[0] * x.shape[1]
        loss.item()  # the device is waited for
        yield seen


def our_epochs(corpus: Corpus, params: ours.TrainParams, device: torch.device) -> Iterator[int]:
    """Runs our loop; yields the frames of each epoch, padding not counted."""
    model = CherryNet(params.dropout, params.hidden).to(device)
    sampler = ours.Sampler(ours.Frames(corpus, device), params)
    ours.fit_normalization(model, sampler, params)
    optimizer = torch.optim.AdamW(model.parameters(), fused=device.type == "cuda")
    run = ours._Run(model, optimizer, params, "")
    for epoch in range(params.epochs):
        row = ours._one_epoch(run, sampler, epoch, ours.Team())
        yield round(row["frames_per_second"] * row["seconds"])


def main() -> None:
    """Prints one JSON object: the medians of frames per second, and every turn's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="of synthetic speech")
    parser.add_argument("--seconds", type=float, default=8, help="for each loop and turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--plain-batch", type=int, default=32, help="of 200 frames")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = ours._device(args.device)
    sounds, labels, corpus = synthetic(args.minutes)
    params = replace(load_params("train", ours.TrainParams), epochs=1_000_000)
    loops: dict[str, Iterator[int]] = {
        "ours": our_epochs(corpus, params, device),
        "plain": plain_epochs(sounds, labels, args.plain_batch, device),
    }
    for loop in loops.values():
        next(loop)  # warm
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(args.turns):
        for name, loop in loops.items():
            speeds[name].append(_frames_per_second(lambda loop=loop: next(loop), args.seconds))
    medians = {name: round(statistics.median(values)) for name, values in speeds.items()}
    report = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "clips": len(corpus),
        "frames": corpus.frames,
        "hours_of_sound": round(corpus.frames * HOP / RATE / 3600, 3),
        "frames_per_second": medians,
        "ratio": round(medians["ours"] / medians["plain"], 2),
        "turns": {name: [round(value) for value in values] for name, values in speeds.items()},
    }
    print(json.dumps(report, indent=1))


def _frames_per_second(epoch: Callable[[], int], seconds: float) -> float:
    began, seen = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        seen += epoch()
    return seen / spent


if __name__ == "__main__":
    main()
