"""`visemill align`: a folder of recordings and their texts becomes a TextGrid for each.

The rules by which an alignment is believed are those of the stage `align`; what is refused is
listed with its reason in OUT/confidences.tsv. The same folder gives the same bytes.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import median

import soundfile
from tqdm import tqdm

from align import Aligner, AlignmentLimits
from align.confidence import USUAL_MATCH
from clips import (
    SILENCE,
    BadAudio,
    BadInput,
    BadManifest,
    BadText,
    Clip,
    Segment,
    VisemillError,
    read_audio,
    replacing,
    to_grid,
    write_textgrid,
)
from clips.errors import writing
from pipelines.align import align_all, judge, require
from pipelines.aligners import ready_aligner
from pipelines.executors import in_processes, workers
from pipelines.ingest import CORPORA, clip_id_of
from pipelines.recordings import Recording, read_folder
from pipelines.runner import rejecting

ALIGNERS = ("neural", "pocketsphinx")
"""Where no aligner is named, the first of these that is installed (or trained, by `make repro`)."""

MAX_SECONDS = 60.0
"""Longer recordings are refused unread: forced alignment is made for utterances."""

TABLE = "confidences.tsv"

SCORES = (
    "align_fit", "align_heard", "align_match", "align_short_share", "align_vowel", "align_rate",
    "align_silence_db", "align_outside_share", "align_leftover",
)  # fmt: skip
"""The scores in the table; see align.confidence.confidence."""

COLUMNS = (
    "utt", "speaker", "status", "reason", "detail", "confidence", "seconds",
    "worst_phone", "worst_start", "worst_score", *SCORES,
)  # fmt: skip

SUSPECT_MATCH, SUSPECT_COUNT = 0.75, 5
"""Where the median `align_match` of so many recordings of one language is lower, the language or
all of the texts may be wrong, which the comparison with a speaker's other clips cannot see.
Measured with pocketsphinx: 23 German recordings (emodb) called English 0.62; six English folders
0.92 to 1.38, English of Mandarin speakers (speechocean762) 1.04."""

_CHUNK = 4  # clips that a worker takes at a time
_NAME_BYTES = 200  # of an utt, so that a file system takes it with its suffix


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a recording: its labels in samples at 16 kHz, or a reason without them."""

    row: Recording
    samples: int = 0
    seconds: float = 0.0
    words: tuple[Segment, ...] = ()
    phones: tuple[Segment, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    confidence: float | None = None
    reason: str = ""
    detail: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill align`."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="holds manifest.tsv with the columns utt, speaker, audio, text",
    )
    parser.add_argument(
        "-o",
        dest="out",
        type=Path,
        metavar="OUT",
        required=True,
        help=f"folder for <utt>.TextGrid and {TABLE}",
    )
    parser.add_argument(
        "--aligner",
        metavar="NAME",
        help="see docs/aligners.md (neural if `make repro` has trained it, else pocketsphinx)",
    )
    parser.add_argument(
        "--language",
        metavar="xx",
        help="of all recordings, such as en or de (default: what the manifest says, else en)",
    )


def run(args: argparse.Namespace) -> int:
    """Aligns and prints a summary; 0 if anything could be aligned, else 1; 130 after Ctrl-C.

    Raises BadInput for a folder that cannot be used as a whole, BadParams, EngineMissing.
    """
    if args.aligner is None:
        args.aligner = next(n for n in ALIGNERS if ready_aligner(n).version())
    aligner = ready_aligner(args.aligner, jobs=workers())
    require(aligner)
    rows = plan(args.folder, args.language)
    open_folder(args.out)
    named = {row.utt for row in rows if not row.fault}
    outcomes: dict[Recording, Outcome] = {}
    try:
        with (
            closing(align_rows(args.aligner, aligner, rows)) as found,
            tqdm(
                total=len(rows), desc="align", unit="clip", file=sys.stderr, mininterval=1.0
            ) as bar,
        ):
            for outcome in found:
                if not (outcome.row.fault and outcome.row.utt in named):  # the file of another row
                    save(args.out, outcome)
                outcomes[outcome.row] = outcome
                bar.update()
    except KeyboardInterrupt:
        print(f"stopped: {len(outcomes)} of {len(rows)} recordings were done", file=sys.stderr)
        return 130
    finally:
        write_table(args.out, [outcomes[row] for row in rows if row in outcomes])
    print(summary(list(outcomes.values()), args.out))
    return 0 if any(not outcome.reason for outcome in outcomes.values()) else 1


def plan(folder: Path, language: str | None) -> list[Recording]:
    """The recordings of a folder; each that cannot be tried has its `fault`.

    Raises BadManifest if there are none or the folder cannot be read.
    """
    rows: list[Recording] = []
    seen: dict[str, str] = {}
    for row in read_folder(folder, CORPORA):
        row = replace(row, language=language or row.language)
        if not row.fault and (fault := _name_fault(row.utt)):
            row = replace(row, fault=fault)
        elif not row.fault:
            first = seen.setdefault(row.utt, row.where)
            if first != row.where:
                row = replace(row, fault=f"the same utt as another recording ({first})")
        rows.append(row)
    if not rows:
        raise BadManifest(
            "holds no recordings", where=str(folder), remedy="add a row to manifest.tsv"
        )
    return rows


def open_folder(out: Path) -> None:
    """Makes OUT with an empty table. Raises BadInput if it is not for us to write into."""
    if out.exists() and not out.is_dir():
        raise BadInput("is a file", where=str(out), remedy="name a folder with -o")
    if not (out / TABLE).exists() and any(out.glob("*.TextGrid")):
        raise BadInput(
            "holds TextGrids that this command did not write",
            where=str(out),
            remedy="name another folder with -o: those in the way would be overwritten",
        )
    write_table(out, [])


def align_rows(name: str, aligner: Aligner, rows: Sequence[Recording]) -> Iterator[Outcome]:
    """The outcome of every row, a speaker's together as soon as all of them have been tried.

    Alignments are judged against the speaker's others. The order depends on the workers, the
    outcomes do not.
    """
    yield from (Outcome(row, reason=row.fault, detail=row.where) for row in rows if row.fault)
    speakers: dict[str, list[Recording]] = defaultdict(list)
    for row in rows:
        if not row.fault:
            speakers[_speaker(row)].append(row)
    ordered = [row for group in speakers.values() for row in group]
    waiting: dict[str, list[Outcome]] = defaultdict(list)
    with closing(_try_all(name, aligner, ordered)) as tried:
        for outcome in tried:
            speaker = _speaker(outcome.row)
            waiting[speaker].append(outcome)
            if len(waiting[speaker]) == len(speakers[speaker]):
                yield from _judged(waiting.pop(speaker))


def save(out: Path, outcome: Outcome) -> None:
    """Writes the TextGrid, or takes away that of an earlier run if there is none now."""
    if _name_fault(outcome.row.utt):
        return
    path = out / f"{outcome.row.utt}.TextGrid"
    with writing(path):
        if outcome.reason:
            path.unlink(missing_ok=True)
            return
        tiers = {"words": outcome.words, "phones": outcome.phones}
        with replacing(path) as temporary:
            write_textgrid(temporary, tiers, outcome.samples)


def write_table(out: Path, outcomes: Sequence[Outcome]) -> None:
    """OUT/confidences.tsv, a row for each outcome."""
    lines = ["\t".join(COLUMNS)]
    for outcome in outcomes:
        spoken = [p for p in outcome.phones if p.label != SILENCE and p.score is not None]
        worst = min(spoken, key=lambda phone: phone.score, default=None)
        cells = [
            outcome.row.utt,
            outcome.row.speaker,
            "rejected" if outcome.reason else "aligned",
            outcome.reason,
            outcome.detail,
            _number(outcome.confidence),
            _number(outcome.seconds),
            worst.label if worst else "",
            _number(worst.start / 16_000 if worst else None),
            _number(worst.score if worst else None),
            *(_number(outcome.scores.get(name)) for name in SCORES),
        ]
        lines.append("\t".join(" ".join(cell.split()) for cell in cells))
    with writing(out / TABLE), replacing(out / TABLE) as temporary:
        temporary.write_text("\n".join(lines) + "\n", "utf-8", newline="\n")


def summary(outcomes: Sequence[Outcome], out: Path) -> str:
    """How many were aligned, and how many were not for each reason, in lines for a person."""
    good = [outcome for outcome in outcomes if not outcome.reason]
    minutes = sum(outcome.seconds for outcome in good) / 60
    lines = [
        f"{len(good)} of {len(outcomes)} recordings aligned, {minutes:.1f} min: {out}",
    ]
    if len(good) < len(outcomes):
        lines.append(f"{len(outcomes) - len(good)} rejected; {out / TABLE} says why:")
        counts = Counter(_phrase(outcome.reason) for outcome in outcomes if outcome.reason)
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        lines += [f"{count:7d}  {phrase}" for phrase, count in ordered]
    matches: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        if "align_match" in outcome.scores:
            matches[outcome.row.language].append(outcome.scores["align_match"])
    lines += [
        f"The texts fit badly on the whole (median match {median(values):.2f}, usually"
        f" {USUAL_MATCH}): are they those of the recordings, and is their language {language}?"
        for language, values in sorted(matches.items())
        if len(values) >= SUSPECT_COUNT and median(values) < SUSPECT_MATCH
    ]
    return "\n".join(lines)


def _try_all(name: str, aligner: Aligner, rows: Sequence[Recording]) -> Iterator[Outcome]:
    """Unjudged outcomes, over processes; MFA runs once, with processes of its own."""
    if aligner.together:
        yield from try_some(aligner, rows)
        return
    chunks = [rows[at : at + _CHUNK] for at in range(0, len(rows), _CHUNK)]
    count = min(workers(), len(chunks))
    if count <= 1:
        for chunk in chunks:
            yield from try_some(aligner, chunk)
        return
    for outcomes in in_processes(_try_in_worker, [(name, chunk) for chunk in chunks], count):
        yield from outcomes


def _try_in_worker(name: str, rows: Sequence[Recording]) -> list[Outcome]:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    return list(try_some(_aligner(name), rows))


@cache
def _aligner(name: str) -> Aligner:
    return ready_aligner(name)  # once in each process: loading models takes a moment


def try_some(aligner: Aligner, rows: Sequence[Recording]) -> Iterator[Outcome]:
    """The outcome of each row, in their order, not judged yet."""
    found: dict[int, Clip | VisemillError] = {}
    for number, row in enumerate(rows):
        try:
            found[number] = read_clip(row, aligner)
        except VisemillError as error:
            found[number] = error
    clips = {number: clip for number, clip in found.items() if isinstance(clip, Clip)}
    found.update(zip(clips, align_all(aligner, list(clips.values()))))
    for number, row in enumerate(rows):
        result = found[number]
        if isinstance(result, VisemillError):
            seconds = clips[number].seconds if number in clips else 0.0
            reject = rejecting(row.utt, "align", result)
            yield Outcome(row, seconds=seconds, reason=reject.reason, detail=reject.detail)
        else:
            yield Outcome(
                row, len(result), result.seconds, result.words, result.phones, result.score
            )


def read_clip(row: Recording, aligner: Aligner) -> Clip:
    """A recording as a clip without labels; what cannot be aligned anyway is not read.

    Raises BadManifest (no text), BadText (the language), BadAudio.
    """
    where = str(row.audio)
    if not row.text.strip():
        raise BadManifest("no text", where=row.where, remedy="write what is said in column text")
    if not aligner.speaks(row.language):
        raise BadText(
            f"{aligner.name} does not align the language {row.language!r}",
            where=row.where,
            remedy="name another with --aligner (docs/aligners.md), or the right --language",
        )
    if not row.audio.is_file():
        raise BadAudio("the file is missing", where=where, remedy="check the column audio")
    try:
        seconds = soundfile.info(where).duration
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError):
        seconds = 0.0  # reading it says what is wrong
    if seconds > MAX_SECONDS:
        raise BadAudio(
            f"longer than {MAX_SECONDS:g} s",
            where=where,
            remedy=f"it has {seconds:.0f} s: cut it into utterances first",
        )
    audio = to_grid(read_audio(row.audio, max_seconds=MAX_SECONDS))
    if not audio.any():
        raise BadAudio("holds only silence", where=where, remedy="record it again")
    return Clip(
        clip_id=clip_id_of(row),
        audio=audio,
        text=row.text,
        language=row.language,
        speaker=_speaker(row),
        source=row.corpus,
        licence=row.licence or "not stated",
        attribution=row.attribution,
    )


def _judged(outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    """One speaker's outcomes with their confidences, by the rule of the stage `align`."""
    aligned = [outcome for outcome in outcomes if not outcome.reason]
    yield from (outcome for outcome in outcomes if outcome.reason)
    scored = [(_speaker(outcome.row), outcome.scores) for outcome in aligned]
    for outcome, doubt in zip(aligned, judge(scored, AlignmentLimits())):
        reason, _, detail = (doubt or "").partition(": ")
        sure = outcome.scores["confidence"]
        yield replace(outcome, confidence=sure, reason=reason, detail=detail)


def _speaker(row: Recording) -> str:
    # As in the stage `ingest`: where nobody knows who speaks, each is a speaker of its own.
    return row.utt if row.speaker in ("", "?") else row.speaker


def _name_fault(utt: str) -> str:
    if not utt:
        return "no utt"
    plain = not re.search(r"[\x00-\x1f\x7f/\\]", utt) and not utt.startswith(".")
    if plain and len(utt.encode("utf-8", "replace")) <= _NAME_BYTES:
        return ""
    return "an utt that cannot be the name of a file"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _phrase(reason: str) -> str:
    """A reason without what differs from recording to recording, for counting."""
    return re.sub(r"\d+(\.\d+)?", "…", re.split(r" \(|: ", reason)[0])
