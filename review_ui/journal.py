"""What reviewers decided, one JSON line each: the form, and the journal that loses nothing.

A journal (`.reviews/<reviewer>.jsonl`) is only ever appended to. A line is a decision, or
{"undo": key}, which takes the decision with that key back. The published files
(`datasets/reviews/<reviewer>.jsonl`) hold decisions alone, in the same form.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from clips import BadInput, BadLabels, BadManifest, Clip, Op, Segment
from clips.files import parse_json

VERDICTS = ("approve", "reject", "fix")
"""The labels are right; the clip is of no use; the labels are wrong and here are better ones."""

LISTENED, LOT = "listened", "lot"
"""How a person came to a decision: by listening to the clip, or to others of its lot."""

REASONS = (
    ("w", "wrong words"),
    ("n", "noise"),
    ("c", "cut off"),
    ("v", "two voices"),
    ("l", "lips wrong"),
    ("t", "timing wrong"),
)
"""Key and text of the usual reasons to reject a clip."""

Label = tuple[str, int, int]
"""A label with its start and end in samples at 16 kHz."""

_REVIEWER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of one person about one clip.

    labels: the digest of the labels that the person saw (Clip.labels_digest); the decision holds
    while they stay the same. verdict: one of VERDICTS. time: UTC, ISO 8601. note: the reason of a
    rejection, one of REASONS or free. basis: LISTENED or LOT; lot: the lot that the clip was in.
    seconds: time spent. key: made by whoever sends the decision; the same key twice is one
    decision. settles: ends a disagreement. phones, visemes: of a "fix", tiling the clip.
    """

    clip_id: str
    labels: str
    verdict: str
    reviewer: str = ""
    time: str = ""
    note: str = ""
    basis: str = LISTENED
    lot: str = ""
    seconds: float = 0.0
    key: str = ""
    settles: bool = False
    phones: tuple[Label, ...] | None = None
    visemes: tuple[Label, ...] | None = None

    def __post_init__(self) -> None:
        texts = (self.clip_id, self.labels, self.reviewer, self.time, self.note, self.lot, self.key)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"not all of {texts} are texts")
        for name in ("phones", "visemes"):
            tier = getattr(self, name)
            if tier is not None:
                tier = tuple((str(label), int(start), int(end)) for label, start, end in tier)
                object.__setattr__(self, name, tier)
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict {self.verdict!r} is none of {', '.join(VERDICTS)}")
        if self.basis not in (LISTENED, LOT):
            raise ValueError(f"basis {self.basis!r} is neither {LISTENED} nor {LOT}")
        is_fix = self.verdict == "fix"
        if (self.phones is not None, self.visemes is not None) != (is_fix, is_fix):
            raise ValueError("phones and visemes belong to the verdict 'fix', and to no other")
        if not 0 <= self.seconds < float("inf"):
            raise ValueError(f"seconds are {self.seconds!r}")

    def to_json(self) -> str:
        """The decision as a line; what has its usual value is left out."""
        usual = {field.name: field.default for field in fields(self)}
        values = {name: value for name, value in asdict(self).items() if value != usual[name]}
        return json.dumps(values, ensure_ascii=False)

    @property
    def outcome(self) -> tuple:
        """What the decision makes of the clip; two people agree if theirs are equal."""
        return self.verdict, self.phones, self.visemes


def now() -> str:
    """The time as journals write it: UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def check_reviewer(name: str) -> str:
    """The name, which is also a file's; raises BadInput unless it is plain."""
    if not _REVIEWER.fullmatch(name):
        raise BadInput(
            "is no reviewer's name",
            where=repr(name[:80]),
            remedy="use up to 64 letters, digits, - and _, and begin with a letter or digit",
        )
    return name


def fixed(clip: Clip, decision: Decision) -> Clip:
    """The clip with the labels of a "fix".

    Its timing becomes "manual". IPA symbols stay if the phones are as many as before. Raises
    BadLabels if the labels do not fit the clip.
    """
    phones, visemes = (
        tuple(Segment(*label) for label in tier or ())
        for tier in (decision.phones, decision.visemes)
    )
    if not phones or not visemes:
        raise BadLabels("a fix without phones or visemes", where=clip.clip_id)
    return clip.with_(
        phones=phones,
        visemes=visemes,
        ipa=clip.ipa if len(phones) == len(clip.phones) else (),
        timing="manual",
        ops=(*clip.ops, Op.of("review", labels=decision.labels)),
    ).validate()


def settled(decisions: Iterable[Decision]) -> Decision | None:
    """What counts of several people's decisions about the same labels of one clip.

    The last that settles; else what all who listened agree on (the first of them); else a lot's.
    None where people disagree or there is no decision.
    """
    ordered = sorted(decisions, key=lambda decision: (decision.time, decision.reviewer))
    if final := [decision for decision in ordered if decision.settles]:
        return final[-1]
    voices = [d for d in ordered if d.basis == LISTENED] or ordered
    if len({decision.outcome for decision in voices}) == 1:
        return voices[0]
    return None


def read_decisions(path: Path) -> list[Decision]:
    """All decisions of a file, undone ones left out, in order.

    A last line that was torn is not there yet. Raises BadManifest with the line that is broken.
    """
    record = _Record(path)
    record.catch_up()
    return list(record.kept.values())


class _Record:
    """What the whole lines of a file say, read on as the file grows.

    kept: decisions by key, undone ones left out. keys: of all decisions. size: bytes read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept: dict[str, Decision] = {}
        self.keys: set[str] = set()
        self.size = 0
        self._lines = 0

    def catch_up(self) -> None:
        """Reads the lines that came since, from here or from another process."""
        with self.path.open("rb") as file:
            file.seek(self.size)
            data = file.read()
        end = data.rfind(b"\n") + 1
        lines = data[:end].split(b"\n")[:-1]
        for number, line in enumerate(lines, self._lines + 1):
            if line.strip():
                self._take(line, number)
        self.size += end
        self._lines += len(lines)

    def _take(self, line: bytes, number: int) -> None:
        try:
            values = parse_json(line)
            if "undo" in values:
                self.kept.pop(values["undo"], None)
                return
            decision = Decision(**values)
        except (ValueError, TypeError, OverflowError) as error:
            raise BadManifest(
                f"cannot read this decision ({error})",
                where=f"{self.path}:{number}",
                remedy="mend or delete the line",
            ) from error
        key = decision.key or f"line {number}"  # lines written by hand may have none
        if key not in self.keys:
            self.keys.add(key)
            self.kept[key] = decision


class Journal:
    """The journal of one reviewer. What `add` or `undo` returned from survives any crash.

    Several processes may have the same journal open: writers take turns by a lock on the file.
    """

    def __init__(self, folder: Path, reviewer: str) -> None:
        """Opens or makes `folder`/<reviewer>.jsonl. A line torn by a crash is cut off."""
        self.reviewer = check_reviewer(reviewer)
        self.path = Path(folder) / f"{reviewer}.jsonl"
        self._record = _Record(self.path)
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
            _sync_folder(self.path.parent)
        with self._turn():
            pass

    def add(self, *decisions: Decision) -> None:
        """Appends decisions that are not there yet and returns when the disk has them.

        Raises BadInput for a decision without a key or of another reviewer.
        """
        for decision in decisions:
            if not decision.key or decision.reviewer != self.reviewer:
                raise BadInput(
                    f"a decision with key {decision.key!r} by {decision.reviewer!r}",
                    where=str(self.path),
                    remedy=f"give each decision a key of its own and reviewer {self.reviewer!r}",
                )
        with self._turn() as file:
            new = {d.key: d.to_json() for d in decisions if d.key not in self._record.keys}
            self._append(file, new.values())

    def undo(self, key: str) -> Decision | None:
        """Takes the decision with this key back and returns it; None if it was already.

        Raises BadInput if there never was one.
        """
        with self._turn() as file:
            if key not in self._record.keys:
                raise BadInput(
                    f"has no decision with the key {key!r}",
                    where=str(self.path),
                    remedy="only a decision of this reviewer can be taken back",
                )
            if undone := self._record.kept.get(key):
                self._append(file, [json.dumps({"undo": key})])
            return undone

    def decisions(self) -> dict[str, Decision]:
        """The last decision about each clip that was not undone."""
        self._record.catch_up()
        return {decision.clip_id: decision for decision in self._record.kept.values()}

    def history(self, clip_id: str) -> list[Decision]:
        """All decisions about a clip that were not undone, in order."""
        self._record.catch_up()
        return [made for made in self._record.kept.values() if made.clip_id == clip_id]

    @property
    def keys(self) -> frozenset[str]:
        """The keys of all decisions that were ever made, undone ones too."""
        self._record.catch_up()
        return frozenset(self._record.keys)

    @contextmanager
    def _turn(self) -> Iterator[int]:
        """The file, locked, with every whole line read and a torn one cut off."""
        file = os.open(self.path, os.O_RDWR | os.O_APPEND)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._record.catch_up()
            if os.fstat(file).st_size > self._record.size:  # its writer is dead, or held the lock
                os.ftruncate(file, self._record.size)
            yield file
        finally:
            os.close(file)

    def _append(self, file: int, lines: Iterable[str]) -> None:
        data = "".join(f"{line}\n" for line in lines).encode()
        while data:
            data = data[os.write(file, data) :]
        os.fsync(file)
        self._record.catch_up()


def _sync_folder(folder: Path) -> None:
    """Makes the name of a new file survive a power cut."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
