"""Pictures of clips and figures, as SVG or PNG by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from clips.segment import RATE, Segment
from visemes.classes import CLASSES

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "visemill"  # the same picture gives the same bytes
matplotlib.rcParams["svg.fonttype"] = "none"

import matplotlib.pyplot as plt  # noqa: E402

COLOURS = dict(
    zip(
        CLASSES,
        (
            "#d55e00", "#999999", "#56b4e9", "#009e73", "#8dd3c7", "#222222",
            "#eeeeee", "#cc79a7", "#b38f5f", "#f0e442", "#e69f00", "#6a3d9a",
        ),
    )
)  # fmt: skip
"""A colour for each viseme; after Okabe and Ito's colours for the colour-blind."""


def draw_clip(
    path: Path, audio: np.ndarray, phones: Sequence[Segment], tracks: dict[str, Sequence[Segment]]
) -> None:
    """Waveform, spectrogram, phones and one strip of mouths for each track, above each other.

    audio: mono samples at 16 kHz. The format follows the suffix of `path`.
    """
    rows = 3 + len(tracks)
    heights = [1.0, 1.6, 0.35] + [0.4] * len(tracks)
    figure, axes = plt.subplots(
        rows, 1, figsize=(11, 1.1 + sum(heights)), sharex=True, height_ratios=heights
    )
    times = np.arange(len(audio)) / RATE
    axes[0].plot(times, audio, color="#444444", linewidth=0.5)
    axes[0].set_ylabel("wave", rotation=0, ha="right", va="center")
    axes[1].specgram(audio + 1e-7, NFFT=400, Fs=RATE, noverlap=320, cmap="magma", vmin=-130)
    axes[1].set_ylabel("Hz", rotation=0, ha="right", va="center")
    for axis, (name, segments) in zip(axes[2:], {"phones": phones, **tracks}.items()):
        for segment in segments:
            start, width = segment.start / RATE, segment.samples / RATE
            colour = COLOURS.get(segment.label, "#ffffff")
            axis.axvspan(start, start + width, facecolor=colour, edgecolor="#666666", lw=0.4)
            if width > 0.006 * len(segment.label) * len(audio) / RATE:  # or the name will not fit
                dark = colour in ("#222222", "#6a3d9a", "#d55e00")
                axis.text(
                    start + width / 2, 0.5, segment.label, ha="center", va="center",
                    fontsize=7, color="white" if dark else "black", clip_on=True,
                )  # fmt: skip
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
        axis.set_ylim(0, 1)
    for axis in axes:
        axis.set_yticks([]) if axis is not axes[1] else axis.set_yticks([0, 4000, 8000])
        axis.margins(x=0)
    axes[-1].set_xlabel("seconds")
    _save(figure, path)


def draw_confusion(path: Path, confusion: np.ndarray, title: str) -> None:
    """A matrix of shares: which class (row) was shown as which (column)."""
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    figure, axis = plt.subplots(figsize=(6.4, 5.6))
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(CLASSES)), CLASSES, rotation=45, ha="right")
    axis.set_yticks(range(len(CLASSES)), CLASSES)
    for row in range(len(CLASSES)):
        for column in range(len(CLASSES)):
            if shares[row, column] >= 0.01:
                axis.text(
                    column, row, f"{shares[row, column] * 100:.0f}", ha="center", va="center",
                    fontsize=7, color="white" if shares[row, column] > 0.5 else "black",
                )  # fmt: skip
    axis.set_xlabel("shown by the model")
    axis.set_ylabel("labelled")
    axis.set_title(f"{title}: per cent of each row", fontsize=10)
    figure.colorbar(image, shrink=0.8)
    _save(figure, path)


def draw_curves(path: Path, history: Sequence[dict]) -> None:
    """Loss of the training and validation clips, and validation accuracy, over epochs."""
    figure, axis = plt.subplots(figsize=(6.4, 3.2))
    epochs = [row["epoch"] + 1 for row in history]
    axis.plot(epochs, [row["loss"] for row in history], label="training loss (augmented)")
    if "valid_loss" in history[0]:
        axis.plot(epochs, [row["valid_loss"] for row in history], label="validation loss")
        other = axis.twinx()
        accuracy = [row["valid_accuracy"] for row in history]
        other.plot(epochs, accuracy, color="#009e73", label="validation accuracy")
        other.set_ylabel("accuracy", color="#009e73")
    axis.set_xlabel("epoch")
    axis.set_ylabel("loss")
    axis.legend(loc="center right")
    _save(figure, path)


def _save(figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(path, bbox_inches="tight", dpi=110, metadata=metadata)
    plt.close(figure)


def draw_voices(path: Path, voices: Sequence[Any], labels: dict[str, str]) -> None:
    """Synthetic speakers and people: pitch against vocal tract, and a histogram of each measure.

    voices: pipelines.voices.Measured. labels: the name of each measure.
    """
    kinds = {"m": ("#0072b2", "men"), "f": ("#d55e00", "women"), "child": ("#009e73", "children"),
             "": ("#888888", "not known")}  # fmt: skip
    figure, axes = plt.subplots(2, 2, figsize=(11, 8))
    scatter, *rest = axes.flat
    for real in (False, True):
        for sex, (colour, name) in kinds.items():
            some = [v for v in voices if (v.group == "people") == real and v.sex == sex]
            if not some:
                continue
            who = "people" if real else "synthetic"
            scatter.scatter(
                [v.pitch for v in some], [v.tract for v in some], s=18 if real else 36,
                marker="o" if real else "^", facecolor="none" if real else colour,
                edgecolor=colour, linewidth=0.8, label=f"{who}: {name}",
            )  # fmt: skip
    scatter.set_xscale("log")
    scatter.set_xticks([100, 150, 200, 300, 400], ["100", "150", "200", "300", "400"])
    scatter.minorticks_off()
    scatter.set_xlabel(labels["pitch"])
    scatter.set_ylabel(labels["tract"])
    scatter.legend(fontsize=7)
    for axis, (name, label) in zip(rest, labels.items()):
        groups = {
            who: [getattr(v, name) for v in voices if (v.group == "people") == real]
            for who, real in (("synthetic", False), ("people", True))
        }
        edges = np.histogram_bin_edges([x for values in groups.values() for x in values], 24)
        for (who, values), colour in zip(groups.items(), ("#cc79a7", "#222222")):
            if values:
                axis.hist(
                    values, edges, density=True, histtype="step", color=colour, label=who, lw=1.6
                )
        axis.set_xlabel(label)
        axis.set_yticks([])
        axis.set_ylabel("share of speakers")
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)
