"""The `visemill` command: one verb, one module."""

from __future__ import annotations

import argparse
import importlib
import sys

from clips import VisemillError

VERBS = {
    "doctor": ("pipelines.doctor", "what is installed: engines, aligners, devices"),
    "align": ("pipelines.align_command", "a TextGrid for each recording of a folder"),
    "lipsync": ("lipsync.command", "mouth cues for recordings"),
    "voices": ("pipelines.voices", "the synthetic speakers beside people, as a picture"),
    "corpora": ("pipelines.corpora_command", "known corpora: list them, get one"),
    "narrate": ("pipelines.narrate_command", "recordings that a speech program of yours makes"),
    "timing": ("pipelines.timing", "whether engines' phone times are true, as a table"),
    "evaluate": ("pipelines.evaluate_command", "models on people's speech: noise, rooms, loudness"),
    "audition": ("pipelines.audition_command", "a clip and what augmentation makes of it"),
    "compare": ("pipelines.compare_command", "two tracks, or a track and phones, measured"),
    "review": ("pipelines.review_command", "the review page; commit publishes decisions"),
    "preview": ("pipelines.preview_command", "a film, GIF or page of mouths moving to the sound"),
    "report": ("pipelines.report_command", "reports/index.html: what this run made"),
    "freeze": ("pipelines.freeze_command", "shards of this export stay as they are"),
    "publish": ("pipelines.publish_command", "the export at an address to train from"),
    "inputs": ("pipelines.inputs_command", "what this machine adds to the default run"),
}
"""Each verb's module has add_arguments(parser) and run(args) -> exit status."""


def main(arguments: list[str] | None = None) -> int:
    """Runs `visemill VERB …`. An error for a person is one message and exit status 1."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="visemill", description="Lip-sync training data, and the model that proves it good."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, (module, about) in VERBS.items():
        sub = verbs.add_parser(verb, help=about, description=about)
        if arguments[:1] == [verb]:  # the others' imports are slow and not needed
            importlib.import_module(module).add_arguments(sub)
    args = parser.parse_args(arguments)
    try:
        return importlib.import_module(VERBS[args.verb][0]).run(args)
    except VisemillError as error:
        print(f"visemill: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
