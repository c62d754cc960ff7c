"""Draws the pictures of the README from the last run: `python docs/make_pictures.py`."""

from __future__ import annotations

from pathlib import Path

from lipsync.infer import Model
from pipelines.evaluate import example_of
from pipelines.pictures import draw_clip
from pipelines.train import MODELS

PICTURES = Path(__file__).parent / "pictures"


def main() -> None:
    """Writes docs/pictures/clip.png."""
    example = example_of(Model.load(MODELS / "visemill.onnx"))
    if example is None:
        raise SystemExit("no held-out clip of 3 to 5 s: run `make repro` first")
    tracks = {"labels": example.visemes, "model": example.predicted}
    draw_clip(PICTURES / "clip.png", example.audio, example.phones, tracks)
    print(f"drew {example.clip_id}: {example.text}")


if __name__ == "__main__":
    main()
