"""How good a model is on recordings that it has not heard, with phones from an aligner.

    python benchmarks/aligned_speech.py OTHER/datasets/align/recordings … \
        --model lipsync/weights/visemill.onnx [--lean -1 0 0.5] [--share 0.15]

What is chosen after a network is trained (`lean`, the prices of `visemill lipsync --filter`) is
chosen on such speech, so that hand-labelled speech can tell how well. OTHER is another checkout
with recordings of people that the model did not hear, and `dvc repro align@recordings` run there:

    visemill inputs --recordings FOLDER …; dvc repro align@recordings

A row is a model with so many times LEAN added to its output (0: as it is), and the steady track of
`--filter` beside it. Labels are an aligner's: compare rows with each other.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from clips import Clip, read_clips, unit_hash
from clips.store import partitions_in
from lipsync.infer import LOOKAHEAD, Model, frame_classes
from lipsync.measure import Tally, tally
from lipsync.steady import steady_classes
from lipsync.train import LEAN
from visemes.classes import CLASSES
from visemes.frames import frame_classes as label_classes
from visemes.inventory import load_inventory
from visemes.rules import Rules, to_visemes

SHOWN = {
    "frames": "frame_accuracy", "lip score": "lip_score", "P B M": "lips_closed",
    "F V": "lips_teeth", "rounded": "lips_rounded", "spread": "lips_spread", "open": "lips_open",
    "open shown closed": "false_closed_share", "changes/s": "changes_per_second",
}  # fmt: skip


@dataclass
class Counts:
    """What a model shows of all clips: each frame's best, and the steady track."""

    raw: Tally
    steady: Tally


def main() -> None:
    """Prints a table for each folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="CLIPS")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--lean", type=float, nargs="+", default=[0.0], metavar="TIMES")
    parser.add_argument("--sure", type=float, default=0.3, help="least confidence (default 0.3)")
    parser.add_argument("--share", type=float, default=1.0, help="of the clips (default all)")
    args = parser.parse_args()
    model = Model.load(args.model)
    for folder in args.folders:
        counts = measure(model, chosen(folder, args.sure, args.share), args.lean)
        raw = counts[0].raw
        print(f"\n{folder}: {raw.clips} clips, {raw.seconds / 60:.1f} min\n")
        print(f"| lean | track | {' | '.join(SHOWN)} |\n|--:|---|{'--:|' * len(SHOWN)}")
        for lean, of in zip(args.lean, counts, strict=True):
            for track, one in (("raw", of.raw), ("steady", of.steady)):
                figures = one.figures()
                cells = [f"{figures.get(name, float('nan')):.3f}" for name in SHOWN.values()]
                print(f"| {lean:g} | {track} | {' | '.join(cells)} |")


def chosen(folder: Path, sure: float, share: float) -> Iterator[Clip]:
    """Aligned clips that are sure enough, and so large a share of them."""
    inventory = load_inventory("cherry12")
    for path in partitions_in(folder):
        for clip in read_clips(path):
            if clip.score.get("confidence", 0) < sure or unit_hash(f"dev {clip.clip_id}") >= share:
                continue
            visemes = to_visemes(clip.phones, inventory, Rules(), ipa=clip.ipa)
            yield clip.with_(visemes=visemes)


def measure(model: Model, clips: Iterable[Clip], leans: list[float]) -> list[Counts]:
    """What the model shows with each `lean`."""
    towards = np.array([LEAN.get(name, 0.0) for name in CLASSES])
    counts = [Counts(Tally(), Tally()) for _ in leans]
    for clip in tqdm(clips, unit="clip", mininterval=1.0):
        true = label_classes(clip.visemes, len(clip.audio), CLASSES).astype(int)
        likely = model.predict(clip.audio)
        for lean, of in zip(leans, counts, strict=True):
            changed = likely * np.exp(lean * towards)
            changed = changed / changed.sum(1, keepdims=True)
            told = {"phones": clip.phones, "ipa": clip.ipa}
            of.raw += tally(true, frame_classes(changed), **told)
            of.steady += tally(true, steady_classes(changed)[LOOKAHEAD:], **told)
    return counts


if __name__ == "__main__":
    main()
