"""The twelve mouths and blends of them as one picture: `python -m pipelines.preview.chart FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from pipelines.preview.raster import Sheet
from pipelines.preview.tracks import INVENTORY
from visemes.classes import CLASSES

_BLENDS = (("M", "Ah"), ("F", "Ee"), ("Woo", "Ee"), ("L", "Oh"), ("S", "Woo"), ("Neutral", "Uh"))
_SIZE, _HEIGHT, _SMALL = 160, 140, 80


def draw_chart(path: Path) -> None:
    """Writes a PNG: every shape with its letter, the last rows blends in steps of a quarter."""
    rows = [CLASSES[:6], CLASSES[6:]]
    below = len(rows) * _HEIGHT
    sheet = Sheet(6 * _SIZE, below + 3 * (_SMALL + 4), "#ffffff")
    for row, names in enumerate(rows):
        for column, name in enumerate(names):
            x, y = (column + 0.5) * _SIZE, row * _HEIGHT
            sheet.mouth(x, y + 0.4 * _SIZE, _SIZE, {name: 1})
            sheet.text(x, y + _HEIGHT - 10, f"{INVENTORY.letters[name]}  {name}", "#202020", 12)
    sheet.box(0, below, sheet.width, 1, "#d8d8d0")
    for number, (one, other) in enumerate(_BLENDS):
        left, y = 3 * _SIZE * (number % 2), below + 6 + (number // 2) * (_SMALL + 2)
        for step in range(5):
            x = left + (step + 0.5) * _SMALL + 40
            sheet.mouth(x, y + 0.42 * _SMALL, _SMALL, {one: 4 - step, other: step})
        sheet.text(left + 20, y + 0.35 * _SMALL, one, "#202020", 10)
        sheet.text(left + 5 * _SMALL + 60, y + 0.35 * _SMALL, other, "#202020", 10)
    Image.fromarray(sheet.pixels()).quantize(64).save(path, optimize=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="a name that ends in .png")
    draw_chart(parser.parse_args().file)


if __name__ == "__main__":
    main()
