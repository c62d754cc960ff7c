"""Curves for a 3D face: the weights of ARKit's 52 blend shapes at every frame, and their files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np

from clips.errors import BadLabels, BadParams
from clips.files import read_yaml
from visemes.cues import read_table, read_text
from visemes.inventory import Inventory, load_inventory
from visemes.rates import frame_rate, rate_text


@dataclass(frozen=True)
class Poses:
    """`weights` (visemes, blend shapes), float64 in 0..1: a row for each class of `inventory`."""

    inventory: Inventory
    blendshapes: tuple[str, ...]
    weights: np.ndarray


@cache
def load_poses(name: str = "arkit52") -> Poses:
    """The poses of the inventory `name`, whose visemes have `weights`.

    Raises BadParams that names the entry: a blend shape that is not listed, a weight outside 0..1.
    """
    inventory = load_inventory(name)
    table = read_yaml(Path(inventory.file))
    blendshapes = tuple(table.get("blendshapes") or ())
    weights = np.zeros((len(inventory.classes), len(blendshapes)))
    for row, viseme in enumerate(inventory.classes):
        where = f"{inventory.file}: visemes.{viseme}.weights"
        entry = table["visemes"][viseme].get("weights")
        if not isinstance(entry, dict):
            raise BadParams("is missing", where=where, remedy="write {jawOpen: 0.2, …} or {}")
        for shape, weight in entry.items():
            sides = [s for s in (shape, f"{shape}Left", f"{shape}Right") if s in blendshapes]
            if not sides or not isinstance(weight, int | float) or not 0 <= weight <= 1:
                raise BadParams(
                    f"cannot read {shape}: {weight!r}",
                    where=where,
                    remedy="name one of `blendshapes`, with or without its side, from 0 to 1",
                )
            for side in sides:
                weights[row, blendshapes.index(side)] = weight
    return Poses(inventory, blendshapes, weights)


def blendshape_curves(soft: np.ndarray, inventory: Inventory, poses: Poses) -> np.ndarray:
    """The weights at each frame, shape (frames, 52), float32 in 0..1.

    soft: shares (frames, classes of `inventory`) from visemes.soft. The inventory is that of the
    poses or cherry12. Raises BadParams for any other.
    """
    if inventory.name == poses.inventory.name:
        rows = poses.weights
    elif inventory.name == "cherry12":
        index = poses.inventory.classes.index
        rows = poses.weights[[index(poses.inventory.from_cherry12[v]) for v in inventory.classes]]
    else:
        raise BadParams(
            f"{poses.inventory.name} has no poses for the shapes of {inventory.name}",
            where=poses.inventory.file,
            remedy=f"make the track with cherry12 or {poses.inventory.name}",
        )
    return np.clip(soft @ rows, 0, 1).astype(np.float32)


@dataclass(frozen=True)
class Curves:
    """`weights` (frames, blend shapes) at `rate`, and the hard track: the letter of each frame."""

    rate: Fraction
    letters: tuple[str, ...]
    blendshapes: tuple[str, ...]
    weights: np.ndarray


def curves_to_csv(curves: Curves) -> str:
    """One line for each frame: seconds (6 decimals), the letter, the weights (4 decimals)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["seconds", "letter", *curves.blendshapes])
    for number, (letter, row) in enumerate(zip(curves.letters, curves.weights, strict=True)):
        seconds = float(number / curves.rate)
        writer.writerow([f"{seconds:.6f}", letter, *(f"{weight:.4f}" for weight in row)])
    return text.getvalue()


def curves_to_json(curves: Curves) -> str:
    """{"fps", "blendshapes": [names], "letters": [one a frame], "weights": [[one a name] a frame]}.

    Weights have 4 decimals; fps is text, like "24" or "23.976" (which is 24000/1001).
    """
    table = {
        "fps": rate_text(curves.rate),
        "blendshapes": list(curves.blendshapes),
        "letters": list(curves.letters),
        "weights": [[round(float(weight), 4) for weight in row] for row in curves.weights],
    }
    return json.dumps(table, separators=(",", ":")) + "\n"


def read_curves(path: str | Path) -> Curves:
    """The curves of a file that `curves_to_csv` or `curves_to_json` wrote, by its suffix.

    A CSV does not name its rate, which is found from its times. Raises BadLabels that names the
    file and the line.
    """
    if Path(path).suffix.lower() == ".json":
        return _from_json(read_table(path), str(path))
    rows = csv.reader(io.StringIO(read_text(path)), strict=True)
    try:
        lines = [line for line in rows if line]
    except csv.Error as error:
        raise BadLabels(
            f"is no CSV ({error})", where=f"{path}:{rows.line_num}", remedy="mend that line"
        ) from error
    if len(lines) < 3 or lines[0][:2] != ["seconds", "letter"]:
        raise BadLabels(
            "is no table of curves of two frames or more",
            where=f"{path}:1",
            remedy="it should begin with seconds,letter and the blend shapes",
        )
    numbers = [_row(line, len(lines[0]), f"{path}:{n}") for n, line in enumerate(lines[1:], 2)]
    last = numbers[-1][0]
    try:
        rate = frame_rate(f"{(len(numbers) - 1) / last:.3f}" if last > 0 else 0)
    except BadParams as error:
        raise BadLabels(error.what, where=str(path), remedy="mend the seconds") from error
    letters = tuple(line[1] for line in lines[1:])
    weights = np.array([row[1:] for row in numbers], np.float32)
    return Curves(rate, letters, tuple(lines[0][2:]), weights)


def _row(cells: Sequence[str], width: int, where: str) -> list[float]:
    try:
        numbers = [float(cell) for cell in (cells[0], *cells[2:])]
    except (ValueError, IndexError):
        numbers = []
    if len(cells) != width or not numbers or not all(0 <= number <= 1 for number in numbers[1:]):
        raise BadLabels(
            "is no frame of curves",
            where=where,
            remedy=f"write {width} cells: seconds, a letter, and weights from 0 to 1",
        )
    return numbers


def _from_json(table: dict, where: str) -> Curves:
    try:
        curves = Curves(
            frame_rate(table["fps"]),
            tuple(map(str, table["letters"])),
            tuple(map(str, table["blendshapes"])),
            np.array(table["weights"], np.float32),
        )
        if curves.weights.shape != (len(curves.letters), len(curves.blendshapes)):
            raise ValueError(f"weights have the shape {curves.weights.shape}")
    except (ValueError, KeyError, TypeError, OverflowError, BadParams) as error:
        raise BadLabels(
            f"is no file of curves ({error})",
            where=where,
            remedy="give a file that visemes.blendshapes.curves_to_json wrote",
        ) from error
    return curves
