"""Draws the mouths of visemes/inventories/arkit52.yaml: `python docs/make_mouth_pictures.py`."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt

from visemes.blendshapes import Poses, load_poses

PICTURES = Path(__file__).parent / "pictures"
COLUMNS = 5


def main() -> None:
    """Writes docs/pictures/mouths.png: one schematic mouth for each pose."""
    poses = load_poses()
    rows = -(-len(poses.inventory.classes) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(1.9 * COLUMNS, 1.55 * rows))
    for axis in axes.flat:
        axis.set(xlim=(-1.5, 1.5), ylim=(-1.6, 1.0), aspect="equal")
        axis.axis("off")
    for axis, viseme in zip(axes.flat, poses.inventory.classes):
        draw_mouth(axis, poses, viseme)
        axis.set_title(f"{viseme} ({poses.inventory.lips[viseme]})", fontsize=9, pad=1)
    figure.tight_layout()
    figure.savefig(PICTURES / "mouths.png", dpi=80, metadata={"Software": None})


def draw_mouth(axis, poses: Poses, viseme: str) -> None:
    """A mouth from the front: lips, teeth and tongue as far as the pose's weights move them."""
    row = poses.weights[poses.inventory.classes.index(viseme)]
    w = dict(zip(poses.blendshapes, row, strict=True))
    width = 1.0 + 0.35 * (w["mouthStretchLeft"] + w["mouthSmileLeft"])
    width *= 1 - 0.55 * w["mouthPucker"] - 0.25 * w["mouthFunnel"]
    closed = w["mouthClose"] + w["mouthPressLeft"]
    parted = max(0.0, 0.25 * w["mouthFunnel"] - closed)
    top = 0.35 * w["mouthUpperUpLeft"] + 0.4 * parted
    bottom = 1.3 * w["jawOpen"] + 0.35 * w["mouthLowerDownLeft"] + 0.6 * parted
    bottom *= 1 - w["mouthRollLower"]
    thick = 0.2 * (1 + 0.8 * (w["mouthPucker"] + w["mouthFunnel"]))
    upper = thick * (1 - w["mouthRollUpper"])
    lower = 1.2 * thick * (1 - w["mouthRollLower"])
    x = np.linspace(-1, 1, 101)
    bow = np.sqrt(1 - x**2)
    corners = 0.25 * w["mouthSmileLeft"] * x**2
    inner_top, inner_bottom = top * bow + corners, -bottom * bow + corners
    axis.fill_between(width * x, inner_bottom, inner_top, color="#3a0f12")
    teeth = np.maximum(inner_bottom, inner_top - 0.18 * (1 - w["mouthPucker"]))
    axis.fill_between(width * x, teeth, inner_top, color="#fbfaf5")
    if viseme == "L" or w["tongueOut"]:
        tip = np.maximum(inner_bottom, inner_top - (0.1 if w["tongueOut"] else 0.25))
        middle = np.abs(x) < 0.5
        axis.fill_between(width * x, inner_bottom, tip, where=middle, color="#c9727c")
    axis.fill_between(width * x, inner_top, inner_top + upper * bow, color="#b4525c")
    axis.fill_between(width * x, inner_bottom - lower * bow, inner_bottom, color="#c2606a")
    axis.plot(width * x, inner_top, color="#5d1f26", linewidth=0.8)


if __name__ == "__main__":
    main()
