"""Stage `narrate`: speech whose timing is withheld, so that the aligner always has real work.

pyttsx3 speaks where this run found its driver, else espeak, whose true timing goes to labels/ and
measures the aligner. The folder looks like any folder of recordings.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import dataclass

from clips.splits import clip_split, speaker_split
from pipelines.inputs import engines_found
from pipelines.params import load_params
from pipelines.prompts import CHOSEN, read_prompts
from pipelines.splits import Splits
from pipelines.stage import DATA, exit_with, seed
from synth.engine import Prompt
from synth.narrator import narrate

NARRATED = DATA / "narrated"


@dataclass(frozen=True)
class NarrateParams:
    """The `narrate` block of params.yaml. count: English sentences to narrate."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count is {self.count}, below 0")


def run() -> None:
    """Writes datasets/narrated."""
    params = load_params("narrate", NarrateParams)
    splits = load_params("splits", Splits)
    english = [prompt for prompt in read_prompts(CHOSEN) if prompt.language == "en"]
    shutil.rmtree(NARRATED, ignore_errors=True)

    def split(speaker: str, prompt: Prompt) -> str:
        part = speaker_split(speaker, splits.test_speakers, splits.valid_speakers)
        return clip_split(part, prompt.split)

    engine = "pyttsx3" if "pyttsx3" in engines_found() else "espeak"
    done = narrate(
        english[max(0, len(english) - params.count) :], NARRATED, seed(), engine=engine, split=split
    )
    print(f"narrate: {done.count} recordings by {done.driver}", file=sys.stderr)
    for reject in done.rejects:
        print(f"  left out: {reject.clip_id}: {reject.reason}", file=sys.stderr)


def main() -> None:
    """Command line: `python -m pipelines.narrate`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
