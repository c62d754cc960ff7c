"""Does augmentation help on real people's speech, and which of the transforms do?

    python benchmarks/augment_helps.py WORK --clips datasets/synthesize/espeak --truth FOLDER …

Parents are the training clips of a folder of partitions. Each transform gives every parent one
child, once; their features stay in WORK, so that an interrupted run goes on. Trained with the
recipe of params.yaml and as many frames (within 2 %) every time:

* `none`: parents alone;
* `with T`: half of the frames are parents', half children by T;
* `all`: half are children, each by one transform of ALL, drawn by its parent's id;
* `without T`: the same, T's children made by the others;
* `chain`: half are children that the chain of params.yaml made.

Measured on hand-labelled recordings as they are, and softer and louder by 12 dB. Each row is the
mean over its seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle, product
from pathlib import Path

import numpy as np
import torch

from augment import Chain, Choice, Pool, Step
from clips import Clip, VisemillError, draw_stream, partitions_in, read_clips, unit_hash
from lipsync.dataset import Corpus, FeatureRow, load_feature_tables, write_feature_table
from lipsync.features import features, mel
from lipsync.infer import Model, frame_classes
from lipsync.measure import tally, total
from lipsync.train import Frames, Sampler, TrainParams, train
from pipelines.augment import AugmentParams
from pipelines.params import load_params
from pipelines.truth import TruthClip, read_truth
from visemes.classes import CLASSES
from visemes.frames import HOP
from visemes.frames import frame_classes as label_classes
from visemes.inventory import load_inventory
from visemes.rules import to_visemes

FLAT = {"tempo": [1, 1], "semitones": [0, 0], "formants": [1, 1]}
"""Settings of the voice transforms under which they change nothing."""

VARIANTS = {
    "excerpt": ("excerpt", {}),
    "join": ("join", {}),
    "room": ("room", {}),
    "noise": ("noise", {}),
    "babble": ("babble", {}),
    "equaliser": ("equaliser", {}),
    "band": ("band", {}),
    "clipping": ("clipping", {}),
    "codec": ("codec", {}),
    "gain": ("gain", {}),
    "praat": ("praat", {}),
    "world": ("world", {}),
    "world: tempo": ("world", FLAT | {"tempo": [0.75, 1.33]}),
    "world: uneven tempo": ("world", FLAT | {"tempo": [0.75, 1.33], "uneven": [0.5, 2]}),
    "world: formants": ("world", FLAT | {"formants": [0.85, 1.2]}),
    "world: pitch": (
        "world",
        FLAT | {"semitones": [-4, 4], "pitch_range": [0, 1.8], "pitch_median": [85, 260]},
    ),
    "world: breath": ("world", FLAT | {"breath": [0.2, 0.8]}),
}
"""What is measured: a name, a transform and its settings."""

SLOW = {"world": 0.35}
"""The share of the parents that get children by a slow transform; theirs come round more often."""

ALL = [name for name in VARIANTS if ":" not in name]
"""What `all` holds: each transform with its defaults."""

PASSES = 3
"""Times that the parents' frames are seen beside the children's; twice that alone."""

SEEDS = 2
"""Trainings of `none`, `all` and `chain`, from which the spread between seeds is known."""

GAINS = (-12.0, 0.0, 12.0)

INVENTORY = load_inventory("cherry12")


def main() -> None:
    """Makes what is missing in WORK, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--truth", type=Path, nargs="+", required=True)
    parser.add_argument("--only", nargs="*", help="rows to train (default: all)")
    parser.add_argument("--seeds", type=int, help="trainings of each row")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    truth = [read_truth(folder, INVENTORY) for folder in args.truth]
    for row in args.only or rows():
        for seed in range(1, (args.seeds or (SEEDS if row in ("none", "all", "chain") else 1)) + 1):
            measure(args, row, seed, truth)
    print_table(args.work)


def rows() -> list[str]:
    """The rows of the table, the most telling first."""
    return [
        "none", "all", *(f"with {name}" for name in VARIANTS),
        *(f"without {name}" for name in ALL), "chain",
    ]  # fmt: skip


# ---------------------------------------------------------------- clips and their features


def make_features(args: argparse.Namespace, name: str) -> Path:
    """The feature table of the parents ("parents"), of a variant's children or of the chain's.

    All variants of one transform are made at once: WORLD then analyses a clip once.
    """
    path = _table(args.work, name)
    if path.exists():
        return path
    began = time.perf_counter()
    if name == "parents":
        made = {name: [_row(clip, clip.clip_id) for clip in _parents(args.clips)]}
    elif name == "chain":
        made = _children(args.clips, {name: load_params("augment", AugmentParams).chain})
    else:
        kind = VARIANTS[name][0]
        made = _children(
            args.clips,
            {
                other: [Step(1.0, (Choice(kind, settings=settings),))]
                for other, (transform, settings) in VARIANTS.items()
                if transform == kind
            },
        )
    for one, rows in made.items():
        write_feature_table(_table(args.work, one), rows)
    seconds = time.perf_counter() - began
    print(f"{', '.join(made)}: {len(made[name])} clips each in {seconds:.0f} s", flush=True)
    return path


def _table(work: Path, name: str) -> Path:
    return work / f"{name.replace(': ', '-').replace(' ', '_')}.parquet"


def _row(clip: Clip, clip_id: str) -> FeatureRow:
    visemes = to_visemes(clip.phones, INVENTORY, None, clip.ipa)
    classes = label_classes(visemes, len(clip), CLASSES)
    return FeatureRow(clip_id, clip.speaker, clip.source, clip.split, mel(clip.audio), classes)


def _parents(folder: Path) -> Iterator[Clip]:
    for path in partitions_in(folder):
        yield from (clip for clip in read_clips(path) if clip.split in ("train", "valid"))


def _children(folder: Path, wanted: Mapping[str, Sequence[Step]]) -> dict[str, list[FeatureRow]]:
    """By each of the wanted chains a child of every training clip, under its parent's id, so that
    one can stand for the other; a child that is refused is left out, and said."""
    made: dict[str, list[FeatureRow]] = {name: [] for name in wanted}
    for path in partitions_in(folder):
        clips = [clip for clip in read_clips(path) if clip.split == "train"]
        chains = {name: Chain(steps, Pool(clips)) for name, steps in wanted.items()}
        for clip, (name, chain) in product(clips, chains.items()):
            kind = VARIANTS[name][0] if name in VARIANTS else name
            if unit_hash(f"slow {clip.clip_id}") >= SLOW.get(kind, 1.0):
                continue
            try:
                child = chain.make(draw_stream(1, name, clip.clip_id), clip)
            except VisemillError as error:
                print(f"{name}: {error}", flush=True)
                continue
            if child:
                made[name].append(_row(child, clip.clip_id))
    return made


# ---------------------------------------------------------------- training and measuring


def measure(args, row: str, seed: int, truth: list[list[TruthClip]]) -> None:
    """Trains one row with one seed, and writes its figures into WORK."""
    path = args.work / f"{row.replace(': ', '-').replace(' ', '_')}.{seed}.json"
    if path.exists():
        return
    parents = make_features(args, "parents")
    corpus = mix(args, row, load_feature_tables([parents], "train"))
    valid = load_feature_tables([parents], "valid")
    params = replace(load_params("train", TrainParams), seed=seed, epochs=2 * PASSES, device="cpu")
    if row != "none":
        params = replace(params, epochs=PASSES)
    steps = params.epochs * Sampler(Frames(corpus, torch.device("cpu")), params).batches
    began = time.perf_counter()
    model = Model.of(train(corpus, valid, params).best)
    figures = {"row": row, "steps": steps, "seconds": time.perf_counter() - began}
    for folder, clips in zip(args.truth, truth, strict=True):
        for gain in GAINS:
            counts = []
            for one in clips:
                audio = np.clip(one.clip.audio * np.float32(10 ** (gain / 20)), -1, 1)
                shown = frame_classes(model.predict_features(features(audio)))
                true = label_classes(one.clip.visemes, len(audio), CLASSES).astype(int)
                known = one.known_at(np.arange(len(true)) * HOP)
                of = {"phones": one.clip.phones, "ipa": one.clip.ipa, "skip": one.unknown}
                counts.append(tally(true, shown, known, **of))
            found = total(counts).figures()
            figures[f"{folder.name} {gain:+g}"] = found["frame_accuracy"]
            if not gain:
                figures[f"{folder.name} lips"] = found["lip_score"]
    path.write_text(json.dumps(figures))
    print(json.dumps(figures), flush=True)


def mix(args, row: str, parents: Corpus) -> Corpus:
    """The clips of a row: parents, and as many frames of children (from the start again if they
    run out)."""
    if row == "none":
        return parents
    kind, _, name = row.partition(" ")
    if kind in ("with", "chain"):
        used = [name or "chain"]
    else:
        used = [one for one in ALL if one != name]
    found = [_by_id(load_feature_tables([make_features(args, one)], "train")) for one in used]
    children, frames = [], 0
    for clip_id in cycle(parents.clip_ids):
        if frames >= parents.frames:
            break
        table = found[int(unit_hash(f"{clip_id} {len(used)}") * len(used))]
        if clip_id in table:
            children.append(table[clip_id])
            frames += len(children[-1].visemes)
    return Corpus.of([*_by_id(parents).values(), *children])


def _by_id(corpus: Corpus) -> dict[str, FeatureRow]:
    bounds = zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True)
    return {
        clip_id: FeatureRow(clip_id, "", source, "train", corpus.mel[a:b], corpus.visemes[a:b])
        for clip_id, source, (a, b) in zip(corpus.clip_ids, corpus.sources, bounds, strict=True)
    }


def print_table(work: Path) -> None:
    """Means over seeds, and the standard deviation where there are several."""
    found = [json.loads(path.read_text()) for path in sorted(work.glob("*.json"))]
    keys = [key for key in found[0] if key not in ("row", "seconds")]
    print(f"| row | seeds | {' | '.join(keys)} |")
    for row in dict.fromkeys([*rows(), *(f["row"] for f in found)]):
        runs = [f for f in found if f["row"] == row]
        cells = []
        for key in keys if runs else ():
            values = [run[key] for run in runs]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            mean = np.mean(values)
            cells.append(f"{mean:.0f}" if key == "steps" else f"{mean:.3f}{spread}")
        if runs:
            print(f"| {row} | {len(runs)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
