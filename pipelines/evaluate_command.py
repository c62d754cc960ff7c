"""`visemill evaluate`: any model on hand-labelled speech, as a table; others beside it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from lipsync.command import save_text
from lipsync.infer import Model, usual_model
from pipelines.conditions import conditions
from pipelines.evaluate import EvaluateParams, measure_truth, rounded
from pipelines.inputs import TRUTH, folders_in, rival_model
from pipelines.params import load_params
from pipelines.truth import read_truth
from pipelines.visemes import VisemesParams
from visemes.inventory import load_inventory

_COLUMNS = ("frame_accuracy", "lip_score", "lips_closed", "lips_teeth", "changes_per_second")


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
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here too")


def run(args: argparse.Namespace) -> int:
    """Prints a table for each folder: every model, as recorded, in each condition and group."""
    params = load_params("evaluate", EvaluateParams)
    mouths = load_params("visemes", VisemesParams)
    folders = args.truth or [*map(Path, params.truth), *folders_in(TRUTH)]
    if not folders:
        print("visemill: there is no hand-labelled speech: give --truth FOLDER", file=sys.stderr)
        return 1
    files = args.model or [usual_model(), *filter(None, [rival_model()])]
    models = {t: Model.load(path) for t, path in zip(_titles(files), files, strict=True)}
    under = conditions(params.gains, params.noises, params.rooms)
    found: dict[str, dict] = {}
    for folder, title in zip(folders, _titles(folders), strict=True):
        clips = read_truth(folder, load_inventory(mouths.inventory), mouths.rules)
        found[title] = {
            name: measure_truth(model, clips, under)[1] for name, model in models.items()
        }
        _print(title, found[title])
    if args.json:
        save_text(args.json, json.dumps(rounded(found), indent=1, sort_keys=True) + "\n")
    return 0


def _titles(paths: list[Path]) -> list[str]:
    """The last part of each path, or the whole of it where two end alike."""
    names = [path.name for path in paths]
    return [path.name if names.count(path.name) == 1 else str(path) for path in paths]


def _print(folder: str, models: dict[str, dict]) -> None:
    width = max(len(name) for name in models)
    print(f"\n{folder}")
    print(f"{'':{width + 26}}" + "".join(f"{c.replace('_', ' '):>20}" for c in _COLUMNS))
    kinds = [kind for kind in next(iter(models.values())) if kind.startswith("by_")]
    for kind in kinds:
        for case in next(iter(models.values()))[kind]:
            for name, figures in models.items():
                values = figures[kind].get(case, {})
                print(
                    f"{case[:24]:24}  {name:{width}}"
                    + "".join(
                        f"{values[c]:20.3f}" if c in values else f"{'–':>20}" for c in _COLUMNS
                    )
                )
