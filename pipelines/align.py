"""Stage `align@corpus`: the words and phones of recordings, by forced alignment.

What cannot be aligned, or looks wrong, is rejected with a reason; the rest carries a confidence
that triage reads.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from align import Aligner
from align.confidence import (
    AlignmentLimits,
    confidence,
    doubt,
    match_confidence,
    usual_match,
)
from clips import Clip, EngineMissing, Reject, VisemillError, partitions_in, read_clips
from clips.store import read_rows
from pipelines.aligners import ready_aligner
from pipelines.params import load_params
from pipelines.runner import Done, Task, rejecting, run_partitions
from pipelines.stage import DATA, exit_with


@dataclass(frozen=True)
class AlignParams:
    """The `align` block of params.yaml. max_rejects: the limit of each corpus."""

    aligner: str
    max_rejects: dict[str, float]
    limits: AlignmentLimits = field(default_factory=AlignmentLimits)


def run(corpus: str) -> Done:
    """Aligns datasets/ingest/<corpus> into datasets/align/<corpus>."""
    params = load_params("align", AlignParams)
    version = require(ready_aligner(params.aligner))
    tasks = [_task(corpus, path) for path in partitions_in(DATA / "ingest" / corpus)]
    return run_partitions(
        f"align-{corpus}",
        align_partition,
        tasks,
        DATA / "align" / corpus,
        params,
        rooms=("align", "clips", "synth", "pipelines/aligners.py"),
        max_rejects=params.max_rejects.get(corpus, 1.0),
        versions=[params.aligner, version],
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
    for clip, result in zip(clips, align_all(ready_aligner(params.aligner), clips)):
        if isinstance(result, VisemillError):
            more = {"text": clip.text, "source": clip.source}
            yield rejecting(clip.clip_id, "align", result, **more)
        else:
            aligned.append(result)
    judged = judge([(clip.speaker, clip.score) for clip in aligned], params.limits)
    for clip, (sure, reason) in zip(aligned, judged):
        if reason:
            phrase, _, detail = reason.partition(": ")
            yield Reject(clip.clip_id, "align", phrase, detail, clip.text, clip.source)
        else:
            yield clip.with_scores(confidence=sure)


def align_all(aligner: Aligner, clips: Iterable[Clip]) -> Iterator[Clip | VisemillError]:
    """For each clip, in their order, the aligned clip with `align.confidence`'s scores, or why
    there is none."""
    for result in aligner.align_all(clips):
        yield result.with_scores(**confidence(result)) if isinstance(result, Clip) else result


def judge(
    scored: Sequence[tuple[str, Mapping[str, float]]], limits: AlignmentLimits
) -> Iterator[tuple[float, str | None]]:
    """For each aligned clip its confidence (0..1), and why it is not believed (None: it is).

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
        sure = match_confidence(match) if usual is None else match_confidence(match, usual)
        yield sure, doubt(scores, limits, usual)


def main() -> None:
    """Command line: `python -m pipelines.align CORPUS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", choices=("recordings", "narrated"))
    run(parser.parse_args().corpus)


if __name__ == "__main__":
    exit_with(main)
