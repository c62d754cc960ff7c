"""`visemill inputs`: what this machine adds to the default run; `make repro` calls it.

It also puts right what a killed DVC may have left, so that the same command goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipelines import dvc_lock
from pipelines.inputs import write_inputs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill inputs`."""
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="keys of params.yaml to change, see recipes/"
    )
    parser.add_argument("--recordings", nargs="*", default=[], metavar="FOLDER")
    parser.add_argument("--truth", nargs="*", default=[], metavar="FOLDER")
    parser.add_argument(
        "--rival", default="", metavar="FILE", help="weights to measure beside ours"
    )
    parser.add_argument(
        "--engines",
        choices=("found", "embedded"),
        default="found",
        help="use the optional engines that are installed, or the embedded one alone",
    )


def run(args: argparse.Namespace) -> int:
    """Mends DVC's table of locks, applies a recipe, writes the pointer files, tells what is new."""
    from pipelines.evaluate import EvaluateParams
    from pipelines.params import load_params
    from pipelines.recipe import apply_recipe

    dvc_lock.mend()
    for line in apply_recipe(args.recipe) if args.recipe else ():
        print(f"visemill: params.yaml now has {line}", file=sys.stderr)
    engines = optional_engines() if args.engines == "found" else {}
    evaluate = load_params("evaluate", EvaluateParams)
    truth = [*args.truth, *evaluate.truth]
    write_inputs(args.recordings, truth, engines, args.rival)
    for what, added in (
        ("engines", engines),
        ("recordings", args.recordings),
        ("hand-labelled speech", truth),
    ):
        if added:
            print(f"visemill: this run adds {what}: {', '.join(added)}", file=sys.stderr)
    return 0


def optional_engines() -> dict[str, str]:
    """The engines beyond the embedded ones that work on this machine, with their identities."""
    from pipelines.engines import installed_engines
    from synth.narrator import pyttsx3_works

    narrator = pyttsx3_works()
    return installed_engines() | ({"pyttsx3": narrator} if narrator else {})
