"""What closes the gap to people's speech: the network with and without each part of its recipe.

    python benchmarks/train_mix.py WORK --features 'datasets/export/features/*.parquet' \
        --truth FOLDER … [--base epochs=16 weight_decay=0.03] \
        --row 'no recordings' without=recordings --row 'soft targets' soften=2 …

Every row is the base recipe (the `train` block of params.yaml, changed by --base) with its own
changes: `name=value` for a parameter of training (seeds are 1, 2, … but for `seed=value`),
`without=text` to leave out the clips whose source or name holds that text, `share=0.5` for so much
of each source, or of those that `of=espeak,flite` lists. The figures of a row stay in
WORK, so that an interrupted run goes on, and every row is printed that lies there. Measured on
hand-labelled recordings as they are, 18 dB softer, 12 dB louder, and with noise at 10 dB.

The hand-labelled folders are for development: who chooses a recipe by them must be measured on
others.
"""

from __future__ import annotations

import argparse
import glob
import json
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch

from clips import unit_hash
from lipsync.dataset import Corpus, FeatureRow, load_feature_tables
from lipsync.export import save_cherry
from lipsync.infer import Model
from lipsync.measure import total
from lipsync.train import TrainParams, train
from pipelines.conditions import AS_RECORDED, conditions
from pipelines.evaluate import measure_clip
from pipelines.params import load_params
from pipelines.truth import read_truth
from visemes.inventory import load_inventory

FIGURES = ("frame_accuracy", "lip_score", "lips_closed", "lips_teeth", "lips_rounded")
"""What a row tells of each folder; `false_closed_share` comes last."""

INVENTORY = load_inventory("cherry12")


def main() -> None:
    """Trains the rows that WORK lacks, and prints all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--features", nargs="+", required=True, metavar="GLOB")
    parser.add_argument("--truth", type=Path, nargs="+", required=True)
    parser.add_argument("--base", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--row", nargs="+", action="append", default=[], metavar="NAME CHANGE")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    base = settings(args.base)
    for name, *changes in [["base"], *args.row]:
        for seed in range(1, args.seeds + 1):
            measure(args, name, seed, {**base, **settings(changes)})
    print_table(args.work)


def settings(words: list[str]) -> dict[str, str]:
    """`name=value` words as a table."""
    return dict(word.split("=", 1) for word in words)


def measure(args: argparse.Namespace, name: str, seed: int, changes: Mapping[str, str]) -> None:
    """Trains one row with one seed; its figures and weights go into WORK."""
    path = args.work / f"{name.replace(' ', '_')}.{seed}.json"
    if path.exists():
        return
    kinds = {field.name: type(field.default) for field in fields(TrainParams)}
    known = {key: kinds[key](value) for key, value in changes.items() if key in kinds}
    params = replace(load_params("train", TrainParams), **{"seed": seed, "device": "cpu", **known})
    tables = sorted({table for pattern in args.features for table in glob.glob(pattern)})
    corpus = chosen(load_feature_tables(tables, "train"), changes)
    valid = load_feature_tables(tables, "valid")
    began = time.perf_counter()
    trained = train(corpus, valid, params, on_epoch=lambda row: print(name, row, flush=True))
    save_cherry(trained.best, path.with_suffix(".pt"))
    figures = {"row": name, "minutes": corpus.frames / 6000}
    figures["seconds"] = time.perf_counter() - began
    model = Model.of(trained.best)
    for folder in args.truth:
        clips = read_truth(folder, INVENTORY)
        for way, condition in conditions((-18.0, 12.0), (10.0,), ()).items():
            found = total([measure_clip(model, one, condition(one.clip)) for one in clips])
            told = found.figures()
            if way == AS_RECORDED:
                for key in (*FIGURES, "false_closed_share"):
                    figures[f"{folder.name} {key}"] = told[key]
            else:
                figures[f"{folder.name} {way} lip_score"] = told["lip_score"]
    path.write_text(json.dumps(figures))
    print(json.dumps(figures), flush=True)


def chosen(corpus: Corpus, changes: Mapping[str, str]) -> Corpus:
    """The clips that a row trains on."""
    without, share = changes.get("without", ""), float(changes.get("share", 1.0))
    of = changes["of"].split(",") if "of" in changes else set(corpus.sources)
    rows = []
    bounds = zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True)
    for clip_id, source, (a, b) in zip(corpus.clip_ids, corpus.sources, bounds, strict=True):
        if without and (without in source or without in clip_id):
            continue
        if source not in of or unit_hash(f"share {clip_id}") < share:
            mel, visemes = corpus.mel[a:b], corpus.visemes[a:b]
            rows.append(FeatureRow(clip_id, "", source, "train", mel, visemes))
    return Corpus.of(rows)


def print_table(work: Path) -> None:
    """Means over seeds, and the standard deviation where there are several."""
    found = [json.loads(path.read_text()) for path in sorted(work.glob("*.json"))]
    keys = [key for key in found[0] if key != "row"]
    print(f"| row | seeds | {' | '.join(keys)} |\n|---|{'---|' * (len(keys) + 1)}")
    for row in dict.fromkeys(["base", *(one["row"] for one in found)]):
        runs = [one for one in found if one["row"] == row]
        cells = []
        for key in keys if runs else ():
            values = [run.get(key, float("nan")) for run in runs]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            digits = 0 if key in ("minutes", "seconds") else 3
            cells.append(f"{np.mean(values):.{digits}f}{spread}")
        if runs:
            print(f"| {row} | {len(runs)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
