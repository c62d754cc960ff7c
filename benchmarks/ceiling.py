"""What a network taught by aligned speech can reach on hand-labelled speech.

    python benchmarks/ceiling.py --truth FOLDER … [--model FILE …] [--every 4]

For each folder: the share of 10 ms frames in which the mouths that follow from the aligner's
phones, given the words, are those that follow from the hand labels. That is how true the labels are
that a network learns from. Then each network's share and lip score, and those of the mean of all:
what a teacher made of them could teach at best; and how many of the first network's wrong frames
lie within 20 ms of a boundary.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from clips import BadInput
from lipsync.features import HOP, features
from lipsync.infer import Model
from lipsync.measure import total
from lipsync.model import LOOKAHEAD
from pipelines.aligners import ready_aligner
from pipelines.evaluate import tally_of
from pipelines.truth import TruthClip, read_truth
from visemes.classes import CLASSES
from visemes.frames import frame_classes
from visemes.inventory import load_inventory
from visemes.rules import Rules, to_visemes

NEAR = 2
"""Frames of 10 ms on either side of a boundary."""


def main() -> None:
    """Prints a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truth", type=Path, nargs="+", required=True)
    parser.add_argument("--model", type=Path, nargs="*", default=[])
    parser.add_argument("--every", type=int, default=1, help="align every so many-th recording")
    args = parser.parse_args()
    inventory = load_inventory("cherry12")
    models = [Model.load(path) for path in args.model]
    for folder in args.truth:
        clips = read_truth(folder, inventory)
        print(f"{folder.name}: aligned labels {agreement(clips[:: args.every]):.3f}", flush=True)
        heard = [features(truth.clip.audio) for truth in clips]
        outputs = [[model.predict_features(x)[LOOKAHEAD:] for x in heard] for model in models]
        for path, output in zip(args.model, outputs, strict=True):
            print(f"{folder.name}: {path.name} {figures(clips, output)}")
        if models:
            means = [np.mean(several, axis=0) for several in zip(*outputs, strict=True)]
            print(f"{folder.name}: mean of {len(models)} {figures(clips, means)}")
            share = near_boundaries(clips, outputs[0])
            print(f"{folder.name}: wrong frames near a boundary {share:.2f}", flush=True)


def agreement(clips: list[TruthClip]) -> float:
    """The share of frames with the same mouth from the aligner's phones as from the hand labels."""
    aligner, inventory = ready_aligner("neural"), load_inventory("cherry12")
    same = count = 0
    for truth in clips:
        try:
            aligned = aligner.align(replace(truth.clip, phones=(), ipa=(), visemes=()))
        except BadInput as error:
            print(f"left out: {error}")
            continue
        mouths = to_visemes(aligned.phones, inventory, Rules(), aligned.ipa)
        length = len(truth.clip.audio)
        true, ours = (frame_classes(one, length, CLASSES) for one in (truth.clip.visemes, mouths))
        known = truth.known_at(np.arange(len(true)) * HOP)
        same, count = same + (true == ours)[known].sum(), count + known.sum()
    return same / count


def figures(clips: list[TruthClip], outputs: list[np.ndarray]) -> str:
    """Share of right frames and lip score of what is likeliest."""
    told = total([tally_of(one, p.argmax(1)) for one, p in zip(clips, outputs, strict=True)])
    return "frames {frame_accuracy:.3f}, lips {lip_score:.3f}".format(**told.figures())


def near_boundaries(clips: list[TruthClip], outputs: list[np.ndarray]) -> float:
    """The share of wrong frames that lie at a boundary between two mouths."""
    near = wrong = 0
    for truth, output in zip(clips, outputs, strict=True):
        true = frame_classes(truth.clip.visemes, len(truth.clip.audio), CLASSES)[: len(output)]
        errors = true != output.argmax(1)[: len(true)]
        close = np.zeros(len(true), bool)
        for at in np.flatnonzero(np.diff(true)) + 1:
            close[max(0, at - NEAR) : at + NEAR] = True
        near, wrong = near + (errors & close).sum(), wrong + errors.sum()
    return near / wrong


if __name__ == "__main__":
    main()
