"""Stage `align@corpus`: the words and phones of recordings, by forced alignment.

What cannot be aligned, or looks wrong, is rejected with a reason; the rest carries a confidence
that triage reads.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from align import Aligner
from align.calibration import calibrated
from align.confidence import (
    AlignmentLimits,
    confidence,
    doubt,
    second_opinion,
    usual_match,
)
from clips import (
    BadInput,
    Clip,
    EngineFailed,
    EngineMissing,
    Reject,
    VisemillError,
    partitions_in,
    read_clips,
)
from clips.store import read_rows
from pipelines.aligners import ready_aligner
from pipelines.executors import add_share_arguments
from pipelines.params import load_params
from pipelines.runner import Done, Task, rejecting, run_partitions
from pipelines.stage import DATA, exit_with


@dataclass(frozen=True)
class AlignParams:
    """The `align` block of params.yaml. max_rejects: the limit of each corpus. second: the aligner
    that listens to English as well, pocketsphinx or "": see align.confidence.second_opinion."""

    aligner: str
    max_rejects: dict[str, float]
    second: str = ""
    limits: AlignmentLimits = field(default_factory=AlignmentLimits)


def run(corpus: str) -> Done:
    """Aligns datasets/ingest/<corpus> into datasets/align/<corpus>."""
    params = load_params("align", AlignParams)
    names = [name for name in (params.aligner, params.second) if name]
    versions = [[name, require(ready_aligner(name))] for name in names]
    tasks = [_task(corpus, path) for path in partitions_in(DATA / "ingest" / corpus)]
    return run_partitions(
        f"align-{corpus}",
        align_partition,
        tasks,
        DATA / "align" / corpus,
        params,
        rooms=("align", "clips", "synth", "pipelines/aligners.py"),
        max_rejects=params.max_rejects.get(corpus, 1.0),
        versions=versions,
    )


def _task(corpus: str, path: Path) -> Task:
    """A partition, and beside it those of its clips to which the stage `transfer` gave labels."""
    labelled = [DATA / "transfer" / path.name] if corpus == "recordings" else []
    return Task(path.name, (path, *labelled), [str(path), *map(str, labelled)])


def require(aligner: Aligner) -> str:
    """The aligner's version. Raises EngineMissing with the line that installs it."""
    version = aligner.version()
    if version is None:
        raise EngineMissing(
            f"the aligner {aligner.name} is not installed", remedy=aligner.install_line
        )
    return version


def align_partition(task: Task, params: AlignParams) -> Iterator[Clip | Reject]:
    """The aligned clips of one partition, which holds (nearly) all clips of its speakers."""
    ingested, *labelled = map(Path, task.details)
    done = {row["clip_id"] for path in labelled for row in read_rows(path)}
    clips = [clip for clip in read_clips(ingested) if clip.clip_id not in done]
    aligned: list[Clip] = []
    second = ready_aligner(params.second) if params.second else None
    for clip, result in zip(clips, align_all(ready_aligner(params.aligner), clips, second)):
        if isinstance(result, VisemillError):
            more = {"text": clip.text, "source": clip.source}
            yield rejecting(clip.clip_id, "align", result, **more)
        else:
            aligned.append(result)
    judged = judge([(clip.speaker, clip.score) for clip in aligned], params.limits)
    for clip, reason in zip(aligned, judged):
        if reason:
            phrase, _, detail = reason.partition(": ")
            yield Reject(clip.clip_id, "align", phrase, detail, clip.text, clip.source)
        else:
            yield clip


def align_all(
    aligner: Aligner, clips: Sequence[Clip], second: Aligner | None = None
) -> Iterator[Clip | VisemillError]:
    """For each clip, in their order, the aligned clip with `align.confidence`'s scores and
    `align.calibration`'s chances, or why there is none.

    second: pocketsphinx, to listen as well where it speaks the language.
    """
    for clip, result in zip(clips, aligner.align_all(clips)):
        if isinstance(result, VisemillError):
            yield result
            continue
        result = result.with_scores(**confidence(result))
        other = None
        if second and second.name != aligner.name and second.speaks(clip.language):
            # If it finds no path, that speaks against the text.
            with suppress(BadInput, EngineFailed):
                other = second.align(clip)
            scores = second_opinion(result.score, other.score if other else None)
            result = result.with_scores(**scores)
        yield calibrated(result, other)


def judge(
    scored: Sequence[tuple[str, Mapping[str, float]]], limits: AlignmentLimits
) -> Iterator[str | None]:
    """For each aligned clip why it is not believed; None: it is.

    scored: the speaker and the scores of each clip; of a speaker all clips that there are, since
    each is compared with the others.
    """
    matches: dict[str, list[float]] = {}
    for speaker, scores in scored:
        matches.setdefault(speaker, []).append(scores["align_match"])
    for speaker, scores in scored:
        match, others = scores["align_match"], list(matches[speaker])
        others.remove(match)  # one of them: this clip's own
        usual = usual_match(others) if others else None
        yield doubt(scores, limits, usual)


def main() -> None:
    """Command line: `python -m pipelines.align CORPUS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_share_arguments(parser)
    parser.add_argument("corpus", choices=("recordings", "narrated"))
    run(parser.parse_args().corpus)


if __name__ == "__main__":
    exit_with(main)
