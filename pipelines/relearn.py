"""Stage `relearn`: the aligner's acoustic model once more, now with people's speech in it.

The first model knows synthetic voices alone. It aligned the recordings well enough to learn from,
and the same training on both kinds of speech gives a model that hears people better; the stage
`realign` takes the times of the phones from it. Nobody's labels are used. Which texts are believed
stays with the first model, on whose scores the limits lie: one that learned from a wrong text hears
what it says. (docs/aligners.md has the figures.)

With less speech than `least_minutes`, or with another aligner, there is no second model. Labels
that were frozen (pipelines.shards) do not move: a model that was frozen with them is taken as it
is, and where there was none, none is trained.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from align.acoustic import load_model
from clips import RATE, Clip, partitions_in, unit_hash
from clips.store import from_row, read_rows
from pipelines.acoustic import learn, share_of, training_clips
from pipelines.params import load_params, load_value
from pipelines.shards import HELD, frozen_shards
from pipelines.sources import ALIGNED, RELEARNED
from pipelines.stage import exit_with


@dataclass(frozen=True)
class RelearnParams:
    """The `relearn` block of params.yaml.

    sure: the least confidence of a clip to learn from. least_minutes: of such clips, below which no
    model is trained. hours: of them, at most; of more, clips are drawn by their ids. synthetic:
    hours of exact speech for each hour of theirs.
    """

    least_minutes: float = 240.0
    hours: float = 6.0
    synthetic: float = 0.5
    sure: float = 0.5

    def __post_init__(self) -> None:
        if self.hours <= 0 or min(self.least_minutes, self.synthetic) < 0:
            raise ValueError("hours must be above 0, least_minutes and synthetic not below 0")
        if not 0 <= self.sure <= 1:
            raise ValueError("sure must be in 0..1")


def run() -> None:
    """Writes datasets/relearn/model.npz, or leaves the folder empty."""
    params = load_params("relearn", RelearnParams)
    shutil.rmtree(RELEARNED.parent, ignore_errors=True)
    RELEARNED.parent.mkdir(parents=True)
    hours = sum(row["samples"] for row in _rows(params, ["samples"])) / RATE / 3600
    if load_value("align").get("aligner") != "neural":
        reason = "another aligner"
    elif HELD.exists():
        load_model(HELD)  # an error names the file
        shutil.copyfile(HELD, RELEARNED)
        print(f"relearn: the model of {HELD}")
        return
    elif any(source == "recordings" for source, _ in frozen_shards()):
        reason = "recordings were frozen as they are"
    elif not hours or 60 * hours < params.least_minutes:
        reason = f"{60 * hours:.1f} min are surely aligned and not held out"
    else:
        taken = min(hours, params.hours)
        synthetic = training_clips(share_of(taken * params.synthetic))
        learn("relearn", chain(synthetic, people_clips(params, taken / hours)), RELEARNED)
        return
    print(f"relearn: {reason}, so there is no second model")


def people_clips(params: RelearnParams, share: float = 1.0) -> Iterator[Clip]:
    """The aligned recordings to learn from, in order; of their ids, that share."""
    for row in _rows(params):
        if unit_hash(f"relearn {row['clip_id']}") < share:
            yield from_row(row)


def _rows(params: RelearnParams, columns: list[str] | None = None) -> Iterator[dict]:
    """Rows of surely aligned recordings that are not held out. columns: those wanted; None: all."""
    wanted = columns and [*columns, "split", "scores"]
    for path in partitions_in(ALIGNED):
        for row in read_rows(path, wanted):
            scores = {score["name"]: score["value"] for score in row["scores"]}
            if row["split"] in ("", "train") and scores.get("confidence", 0.0) >= params.sure:
                yield row


def main() -> None:
    """Command line: `python -m pipelines.relearn`."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
