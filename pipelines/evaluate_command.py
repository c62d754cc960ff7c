"""`visemill evaluate`: any model on hand-labelled speech, as a table; others beside it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from lipsync.command import save_text
from lipsync.infer import Model, usual_model
from pipelines.conditions import Condition, conditions
from pipelines.evaluate import (
    EvaluateParams,
    Measure,
    measure_clip,
    measure_labels,
    measure_steady,
    measure_truth,
    rounded,
    titles,
)
from pipelines.inputs import TRUTH, folders_in, rival_model
from pipelines.params import load_params
from pipelines.rhubarb import FOLDER, find_rhubarb
from pipelines.truth import read_truth
from pipelines.visemes import VisemesParams
from visemes.inventory import load_inventory

_COLUMNS = {
    "frame_accuracy": "frames right",
    "lip_score": "lip score",
    "lips_closed": "lips closed",
    "lips_teeth": "lips teeth",
    "changes_per_second": "changes/s",
    "flickers_per_second": "flickers/s",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill evaluate`."""
    parser.add_argument(
        "--truth",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="hand-labelled speech (datasets/truth/README.md); default: that of this project's run",
    )
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="models (.onnx, .pt) beside each other; default: the usual one, and the rival's of"
        " this project's run",
    )
    parser.add_argument(
        "--filter", action="store_true", help="each model's steady track too, that of lipsync"
    )
    parser.add_argument(
        "--rhubarb",
        type=Path,
        metavar="FOLDER",
        help="where `npm install rhubarb-lip-sync-wasm` was run: Rhubarb beside them, on the"
        f" recordings as they are (default: ${FOLDER}, if that is set)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here too")


def run(args: argparse.Namespace) -> int:
    """Prints a table for each folder: every model, as recorded, in each condition and group; and
    the mouths of the hand labels themselves."""
    params = load_params("evaluate", EvaluateParams)
    mouths = load_params("visemes", VisemesParams)
    folders = args.truth or [*map(Path, params.truth), *folders_in(TRUTH)]
    if not folders:
        print("visemill: there is no hand-labelled speech: give --truth FOLDER", file=sys.stderr)
        return 1
    files = args.model or [usual_model(), *filter(None, [rival_model()])]
    under = conditions(params.gains, params.noises, params.rooms, params.bands)
    measures: dict[str, tuple[Measure, Mapping[str, Condition]]] = {}
    for title, path in zip(titles(files), files, strict=True):
        model = Model.load(path)
        measures[title] = partial(measure_clip, model), under
        if args.filter:
            measures[f"{title} --filter"] = partial(measure_steady, model), under
    if rhubarb := find_rhubarb(args.rhubarb):
        measures["rhubarb"] = rhubarb.measure, conditions()
    measures["the labels"] = measure_labels, conditions()
    found: dict[str, dict] = {}
    for folder, title in zip(folders, titles(folders), strict=True):
        clips = read_truth(folder, load_inventory(mouths.inventory), mouths.rules)
        found[title] = {
            name: measure_truth(measure, clips, those)[1]
            for name, (measure, those) in measures.items()
        }
        _print(title, found[title])
    if args.json:
        save_text(args.json, json.dumps(rounded(found), indent=1, sort_keys=True) + "\n")
    return 0


def _print(folder: str, models: dict[str, dict]) -> None:
    width = max(len(name) for name in models)
    print(f"\n{folder}")
    print(f"{'':{width + 26}}" + "".join(f"{title:>14}" for title in _COLUMNS.values()))
    kinds = [kind for kind in next(iter(models.values())) if kind.startswith("by_")]
    for kind in kinds:
        for case in next(iter(models.values()))[kind]:
            for name, figures in models.items():
                if values := figures[kind].get(case):
                    cells = (f"{values[c]:.3f}" if c in values else "–" for c in _COLUMNS)
                    print(f"{case[:24]:24}  {name:{width}}" + "".join(f"{c:>14}" for c in cells))
