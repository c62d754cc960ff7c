"""What a network taught by aligned speech can reach on hand-labelled speech.

    python benchmarks/ceiling.py --truth FOLDER … [--model FILE …] [--every 4] \
        [--acoustic MODEL.npz] [--own WEIGHTS.pt]

For each folder: how far the mouths that follow from the aligner's phones, given the words, are
those that follow from the hand labels. That is how true the labels are that a network learns from.
Then each network's figures, and those of the mean of all: what a teacher made of them could teach
at best; and how many of the first network's wrong frames lie within 20 ms of a boundary. With
`--own`, those weights go on to learn from the hand labels themselves: of the folder's other
speakers, once with all of their sentences and once only with those that are not asked for.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from clips import BadInput
from lipsync.dataset import Corpus, FeatureRow
from lipsync.export import load_cherry
from lipsync.features import BANDS, features
from lipsync.infer import Model
from lipsync.measure import Tally, total
from lipsync.model import LOOKAHEAD, CherryNet
from lipsync.train import (
    Frames,
    Sampler,
    TrainParams,
    heard,
    learning_rate,
    mean_loss,
)
from pipelines.aligners import MODEL, ready_aligner
from pipelines.evaluate import measure_clip, tally_of
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
    parser.add_argument("--acoustic", type=Path, default=MODEL, help="the aligner's model")
    parser.add_argument("--own", type=Path, help="a .pt file to go on from")
    args = parser.parse_args()
    inventory = load_inventory("cherry12")
    models = [Model.load(path) for path in args.model]
    for folder in args.truth:
        clips = read_truth(folder, inventory)
        print(
            f"{folder.name}: aligned labels {agreement(clips[:: args.every], args.acoustic)}",
            flush=True,
        )
        heard = [features(truth.clip.audio) for truth in clips]
        outputs = [[model.predict_features(x)[LOOKAHEAD:] for x in heard] for model in models]
        for path, output in zip(args.model, outputs, strict=True):
            print(f"{folder.name}: {path.name} {figures(clips, output)}")
        if models:
            means = [np.mean(several, axis=0) for several in zip(*outputs, strict=True)]
            print(f"{folder.name}: mean of {len(models)} {figures(clips, means)}")
            share = near_boundaries(clips, outputs[0])
            print(f"{folder.name}: wrong frames near a boundary {share:.2f}", flush=True)
        if args.own:
            if len({truth.clip.speaker for truth in clips}) < 2:
                print(f"{folder.name}: nobody else to learn from")
                continue
            for name, halves in (("known", [set()]), ("new", halves_of(clips))):
                learnt = own(clips, args.own, halves)
                print(f"{folder.name}: own labels, {name} sentences {learnt}", flush=True)


def agreement(clips: list[TruthClip], acoustic: Path) -> str:
    """The figures of the mouths from the aligner's phones."""
    aligner, inventory = ready_aligner("neural", acoustic), load_inventory("cherry12")
    tallies = []
    for truth in clips:
        try:
            aligned = aligner.align(replace(truth.clip, phones=(), ipa=(), visemes=()))
        except BadInput as error:
            print(f"left out: {error}")
            continue
        mouths = to_visemes(aligned.phones, inventory, Rules(), aligned.ipa)
        tallies.append(tally_of(truth, frame_classes(mouths, len(truth.clip.audio), CLASSES)))
    return told(tallies)


def figures(clips: list[TruthClip], outputs: list[np.ndarray]) -> str:
    """The figures of what is likeliest."""
    return told([tally_of(one, p.argmax(1)) for one, p in zip(clips, outputs, strict=True)])


def told(tallies: list[Tally]) -> str:
    """Share of right frames, lip score, and P B M that are closed."""
    text = "frames {frame_accuracy:.3f}, lips {lip_score:.3f}, P B M closed {lips_closed:.2f}"
    return text.format(**total(tallies).figures())


def halves_of(clips: list[TruthClip]) -> list[set[str]]:
    """Every other sentence, and the others."""
    sentences = sorted({sentence(truth) for truth in clips})
    return [set(sentences[::2]), set(sentences[1::2])]


def sentence(truth: TruthClip) -> str:
    """The first two words: some clips end within their sentence."""
    return " ".join(truth.clip.text.split()[:2])


def own(clips: list[TruthClip], weights: Path, halves: list[set[str]]) -> str:
    """The figures of each speaker's clips (of each half) by a network that went on to learn from
    the other speakers' other sentences; of an empty half, from all of them."""
    params = TrainParams(
        epochs=16, batch=32, frames=200, learning_rate=1e-3, weight_decay=0.03, gain_db=11.0,
        band_db=4.0, tract=0.1, contrast=0.2, tempo=0.1, noise_high_db=0.0, device="cpu",
    )  # fmt: skip
    tallies = []
    for speaker in sorted({truth.clip.speaker for truth in clips}):
        others = [truth for truth in clips if truth.clip.speaker != speaker]
        for half in halves:
            known = [truth for truth in others if sentence(truth) not in half]
            asked = [
                truth
                for truth in clips
                if truth.clip.speaker == speaker and (sentence(truth) in half or not half)
            ]
            model = Model.of(gone_on(load_cherry(weights), known, params))
            tallies += [measure_clip(model, truth, truth.clip.audio) for truth in asked]
    return told(tallies)


def gone_on(network: CherryNet, clips: list[TruthClip], params: TrainParams) -> CherryNet:
    """The network after more training, on hand-labelled clips."""
    rows = []
    for truth in clips:
        mel = features(truth.clip.audio)[:, :BANDS]
        labels = frame_classes(truth.clip.visemes, len(truth.clip.audio), CLASSES)[: len(mel)]
        rows.append(FeatureRow(truth.clip.clip_id, "", "", "train", mel[: len(labels)], labels))
    torch.manual_seed(params.seed)
    sampler = Sampler(Frames(Corpus.of(rows), torch.device("cpu")), params)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=params.weight_decay)
    steps, step = params.epochs * sampler.batches, 0
    network.train()
    network.norm.eval()
    for epoch in range(params.epochs):
        rng = torch.Generator().manual_seed(epoch)
        for mel, inside, target, _ in sampler.sequences(rng, slice(None)):
            optimizer.param_groups[0]["lr"] = learning_rate(step, steps, params.learning_rate)
            logits, *_ = network(heard(mel, inside, target, params, rng))
            loss = mean_loss(logits.log_softmax(2), target, torch.ones(len(CLASSES)))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), params.clip_norm)
            optimizer.step()
            step += 1
    return network.eval()


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
