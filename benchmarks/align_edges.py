"""What the trained part of boundary refinement is worth, and its training.

    python benchmarks/align_edges.py [FOLDER …] [--fit]

Labels made by hand (default: ../shared/speech/emodb and emu_ae), and flite's of the test split if
this run has them, are thrown off at random (Laplace, 16 ms: 80 % stay within 25 ms) and refined.
--fit: first trains align/edges.npz on the clips of the training split whose timing is exact
(`make repro` makes them; with flite, or the network knows espeak-ng's voices alone).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.signal import lfilter
from torch.nn import functional
from tqdm import trange

from align.edges import DILATIONS, FILE, KINDS, pairs_of, scaled
from align.measure import compare, total
from align.refine import HOP, change_features, refine, relabelled
from clips import RATE, Clip, draw_stream, partitions_in, read_clips
from pipelines.acoustic import training_clips
from pipelines.stage import DATA
from pipelines.truth import read_truth
from visemes.inventory import load_inventory

THROWN = 16.0
"""Scale of the Laplace distribution by which labels are thrown off (ms)."""

BATCHES, BATCH, LENGTH, TOP_RATE = 2500, 12, 800, 3e-3
"""How many, the clips in each, the steps cut from a clip, the top of the one-cycle schedule."""

TAPS, CHANNELS = (9, 9, 5), 24

REACH = 24
"""The network learns to find a boundary up to this many steps from a claim (60 ms)."""


def main() -> None:
    """Prints a line for each kind of refinement and folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    folders = ["../shared/speech/emodb", "../shared/speech/emu_ae"]
    parser.add_argument("folders", nargs="*", default=folders)
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()
    if args.fit:
        torch.set_num_threads(1)
        np.savez_compressed(FILE, **fit())
    for folder in args.folders:
        if Path(folder).is_dir():
            truths = read_truth(Path(folder), load_inventory("cherry12"))
            measure(Path(folder).name, [truth.clip for truth in truths])
        else:
            print(f"{folder}: not there, left out")
    flite = [c for p in partitions_in(DATA / "synthesize" / "flite") for c in read_clips(p)]
    if held := [clip for clip in flite if clip.split == "test"]:
        measure("flite, test split", held)


def measure(name: str, truths: Sequence[Clip]) -> None:
    """Prints how far labels that were thrown off are from the truth, then refined ones."""
    ways: dict[str, Callable[[Clip, list[int]], list[int]]] = {
        "thrown off": lambda clip, bounds: bounds,
        "least variance": lambda clip, bounds: refine(change_features(clip.audio), bounds),
        "and the network": lambda clip, bounds: refine(
            change_features(clip.audio), bounds, [phone.label for phone in clip.phones]
        ),
    }
    for way, found in ways.items():
        whole = total(
            [compare(c.phones, relabelled(c.phones, found(c, thrown(c)))) for c in truths]
        )
        print(f"{name}, {way}: mean {whole.mean_ms:.1f} ms, F1 at 20 ms {whole.f1:.3f}")


def thrown(clip: Clip) -> list[int]:
    """The boundaries of a clip (samples; the ends stay) thrown off, in order."""
    rng = draw_stream(7, "align_edges", clip.clip_id)
    bounds = np.array([0, *(phone.end for phone in clip.phones)], float)
    bounds[1:-1] += rng.laplace(0, THROWN * RATE / 1000, len(bounds) - 2)
    for n in range(1, len(bounds) - 1):
        bounds[n] = max(bounds[n], bounds[n - 1] + 160)
    for n in range(len(bounds) - 2, 0, -1):
        bounds[n] = min(bounds[n], bounds[n + 1] - 80)
    return [round(bound) for bound in bounds]


# ---------------------------------------------------------------- training


class Edges(torch.nn.Module):
    """The network of align.edges, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        wide = (21, *[CHANNELS] * len(TAPS))
        self.layers = torch.nn.ModuleList(
            torch.nn.Conv1d(wide[n], CHANNELS, taps, padding=taps // 2 * step, dilation=step)
            for n, (taps, step) in enumerate(zip(TAPS, DILATIONS, strict=True))
        )
        self.layers.append(torch.nn.Conv1d(CHANNELS, len(KINDS) ** 2, 1))

    def forward(self, features: np.ndarray) -> torch.Tensor:
        """features: dB, shape (batch, steps, 20). Returns (batch, steps, len(KINDS)²)."""
        signal = torch.from_numpy(scaled(features)).transpose(1, 2)
        *first, last, out = self.layers
        for layer in first:
            signal = functional.relu(layer(signal))
        return out(signal + functional.relu(last(signal))).transpose(1, 2)

    def arrays(self) -> dict[str, np.ndarray]:
        """What edges.npz holds: weights (taps, in, out) and biases, as float16."""
        arrays = {}
        for n, layer in enumerate(self.layers):
            arrays[f"weights{n}"] = layer.weight.detach().permute(2, 1, 0).numpy()
            arrays[f"bias{n}"] = layer.bias.detach().numpy()
        return {name: array.astype(np.float16) for name, array in arrays.items()}


def fit() -> dict[str, np.ndarray]:
    """The weights of a network trained on the exact clips of this run."""
    clips = [
        (
            change_features(clip.audio).astype(np.float16),
            np.array([0, *(round(phone.end / HOP) for phone in clip.phones)]),
            pairs_of([phone.label for phone in clip.phones]),
        )
        for clip in training_clips()
    ]
    torch.manual_seed(1)
    rng = draw_stream(1, "align_edges", "fit")
    network = Edges()
    optimizer = torch.optim.AdamW(network.parameters(), TOP_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, TOP_RATE, total_steps=BATCHES)
    with trange(BATCHES, desc="edges", mininterval=5.0) as bar:
        for _ in bar:
            features, claims = draw_batch(clips, rng)
            loss = loss_of(network(features), claims)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            bar.set_postfix_str(f"loss {loss.item():.3f}")
    return network.arrays()


def draw_batch(clips: Sequence, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple]]:
    """Features (BATCH, LENGTH, 20) of parts of clips in other rooms, and claims about them: the
    place in the batch, the pair of kinds, the first step that counts, how many count, and which
    of these the boundary is."""
    features, claims = [], []
    for place in range(BATCH):
        bands, bounds, pairs = clips[rng.integers(len(clips))]
        start = int(rng.integers(max(len(bands) - LENGTH, 0) + 1))
        part = bands[start : start + LENGTH].astype(np.float32)
        part = np.pad(part, ((0, LENGTH - len(part)), (0, 0)), mode="edge")
        features.append(elsewhere(part, rng))
        for n, pair in enumerate(pairs, start=1):
            true = int(bounds[n]) - start
            claim = true + int(np.clip(np.round(rng.laplace(0, 6)), -REACH + 2, REACH - 2))
            before, after = int(bounds[n - 1]) - start, int(bounds[n + 1]) - start
            first = max((before + true) // 2, true - REACH, claim - REACH)
            last = min((true + after + 1) // 2, claim + REACH)
            if first >= REACH and last < LENGTH - REACH and first <= true <= last:
                claims.append((place, int(pair), first, last - first + 1, true - first))
    return np.stack(features), claims


def elsewhere(bands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mel bands (LENGTH, 20) in dB as another person in another, noisy room would give them."""
    if rng.random() < 0.3:  # a vocal tract of another length
        below = np.clip(np.arange(20) + rng.uniform(-1.5, 1.5), 0, 18.99)
        share, low = below % 1, below.astype(int)
        bands = bands[:, low] * (1 - share) + bands[:, low + 1] * share
    mean = bands.mean(axis=1, keepdims=True)
    bands = mean + (bands - mean) * np.exp(0.2 * rng.standard_normal())
    slope = np.linspace(-0.5, 0.5, 20)
    bands = bands + 6 * rng.standard_normal() * slope
    bands = bands + 6 * np.convolve(rng.standard_normal(24), np.ones(5) / 5, "valid")
    loud = np.sort(bands.max(axis=1))[-LENGTH // 10 :].mean()
    if rng.random() < 0.6:  # a tail that falls 60 dB in 0.1 to 0.5 s
        keep = 10 ** (-6 * HOP / RATE / rng.uniform(0.1, 0.5))
        power = 10 ** (bands / 10)
        tail = lfilter([0, 1 - keep], [1, -keep], power, axis=0)
        bands = 10 * np.log10(power + 10 ** (rng.uniform(-20, -4) / 10) * tail + 1e-9)
    noise = loud - rng.uniform(0, 50) - 10 * rng.standard_normal() * slope
    noise = noise + 3 * rng.standard_normal(bands.shape)
    bands = 10 * np.log10(10 ** (bands / 10) + 10 ** (noise / 10))
    loud = np.sort(bands.max(axis=1))[-LENGTH // 10 :].mean()
    return np.maximum(bands, loud - 50)


def loss_of(scores: torch.Tensor, claims: list[tuple]) -> torch.Tensor:
    """Cross entropy between the scores of the steps that count and the true one, where a step
    beside it counts half as much as the one before."""
    place, pair, first, count, true = (
        torch.tensor(column)[:, None] for column in zip(*claims, strict=True)
    )
    steps = torch.arange(int(count.max()))
    inside = steps < count
    at = (first + steps).clamp_max(LENGTH - 1)
    found = scores[place, at, pair].masked_fill(~inside, -1e4)
    wanted = torch.exp(-(steps - true).abs() / 1.5) * inside
    wanted = wanted / wanted.sum(1, keepdim=True)
    return -(wanted * torch.log_softmax(found, 1)).sum(1).mean()


if __name__ == "__main__":
    main()
