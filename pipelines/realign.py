"""Stage `realign`: the recordings' words and phones where the model of `relearn` hears them.

Which clips there are, and their scores, stay those of the stage `align`; the phones' scores are
new, the chance that their boundaries are right (align.calibration; no second aligner listens here).
A clip whose text does not fit any more keeps its phones; so do all, if no model was trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from align import Aligner
from align.calibration import calibrated
from clips import Clip, Op, VisemillError, partitions_in, read_clips
from pipelines.aligners import ready_aligner
from pipelines.executors import add_share_arguments
from pipelines.runner import Done, Task, run_partitions
from pipelines.sources import ALIGNED, REALIGNED, RELEARNED
from pipelines.stage import exit_with


def run() -> Done:
    """Aligns datasets/align/recordings again, into datasets/realign/recordings."""
    version = ready_aligner("neural", RELEARNED).version()
    again = version is not None
    tasks = [Task(path.name, (path,), [str(path), again]) for path in partitions_in(ALIGNED)]
    return run_partitions(
        "realign",
        realign_partition,
        tasks,
        REALIGNED,
        None,
        rooms=("align", "clips", "synth", "pipelines/aligners.py"),
        versions=version,
    )


def realign_partition(task: Task, params: None) -> Iterator[Clip]:
    """The clips of one partition, in their order."""
    path, again = task.details
    aligner = ready_aligner("neural", RELEARNED)
    for clip in read_clips(Path(path)):
        yield realigned(aligner, clip) if again else clip


def realigned(aligner: Aligner, clip: Clip) -> Clip:
    """The clip with the aligner's words and phones, and all else its own."""
    try:
        found = calibrated(aligner.align(clip))
    except VisemillError:
        return clip
    op = Op.of("realign", version=aligner.version())
    return clip.with_(
        words=found.words, phones=found.phones, ipa=found.ipa, ops=(*clip.ops, op)
    ).validate()


def main() -> None:
    """Command line: `python -m pipelines.realign`."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_share_arguments(parser)
    parser.parse_args()
    run()


if __name__ == "__main__":
    exit_with(main)
