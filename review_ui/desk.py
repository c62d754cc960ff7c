"""Who hears what, and what became of it: the one object that all reviewers of a server share.

Everything that must survive a crash is in the journals and the published files; leases, and the
state of lots, which follows from the decisions, live in memory.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from threading import RLock

from clips import SILENCE, BadInput, BadLabels, Clip, unit_hash
from clips.arpabet import ARPABET
from review_ui.agreement import kappa
from review_ui.clip_queue import Item, Lot, Queue
from review_ui.journal import (
    LISTENED,
    LOT,
    Decision,
    Journal,
    check_reviewer,
    fixed,
    read_decisions,
    settled,
)
from visemes.classes import CLASSES

OVERLAP = 0.05
"""The share of clips that two people hear, so that their agreement can be told."""

LEASE = 600.0
"""Seconds for which a clip that was handed out is kept for its reviewer."""

SETTLED = 2.0
"""Seconds for which the triage table must stay the same: a stage may be writing it."""

SAMPLING, PASSED, OPENED = "sampling", "passed", "opened"
"""Of a lot: its sample is being heard; was heard without a defect; a defect was found."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Decisions about the same labels of a clip that contradict each other."""

    clip_id: str
    decisions: tuple[Decision, ...]


@dataclass(slots=True)
class Tally:
    """What was done, by one reviewer or by all.

    minutes: of approved speech, by basis. hours: spent. decisions: by verdict. reasons: of
    rejections.
    """

    minutes: Counter = field(default_factory=Counter)
    hours: float = 0.0
    decisions: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)

    @property
    def minutes_per_hour(self) -> float:
        """Minutes of approved speech for an hour of a person's time; 0 before any."""
        return sum(self.minutes.values()) / self.hours if self.hours else 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the review stands.

    kappas: Cohen's kappa of each two reviewers who heard the same clips; kappa: of all such pairs
    together, None without any. left, left_minutes: clips that someone should still hear, by view,
    and their minutes. lots: how many are in each state.
    """

    total: Tally
    reviewers: dict[str, Tally]
    kappa: float | None
    kappas: dict[tuple[str, str], float]
    conflicts: int
    left: dict[str, int]
    left_minutes: float
    lots: dict[str, int]


class Desk:
    """Hands out clips and takes decisions. Thread safe; one for a server."""

    def __init__(self, datasets: Path, journals: Path) -> None:
        """datasets: with the stages' outputs and `reviews/`; journals: the folder of journals."""
        self.datasets, self.journals = Path(datasets), Path(journals)
        self._lock = RLock()
        self._leases: dict[str, dict[str, float]] = {}
        self._since = 0.0
        self.reload()

    def reload(self) -> None:
        """Reads the queue, the published decisions and the journals again."""
        stamp = self._triage_stamp()
        queue = Queue.from_folder(self.datasets)
        with self._lock:
            self.queue = queue
            self._stamp = self._seen = stamp
            self._open: dict[str, Journal] = {}
            self._published = _read_published(self.datasets / "reviews")
            self._made: dict[str, dict[str, Decision]] = {}
            self._states: dict[str, str] = {}
            known = {path.stem for path in self.journals.glob("*.jsonl")}
            for reviewer in sorted(known | set(self._published)):
                for decision in self._decisions_of(reviewer).values():
                    self._note(reviewer, decision)

    @property
    def stale(self) -> bool:
        """Whether the triage stage has run since, and has ended: `reload` shows the new queue."""
        with self._lock:
            stamp = self._triage_stamp()
            if stamp != self._seen:
                self._seen, self._since = stamp, time.monotonic()
            return stamp != self._stamp and time.monotonic() - self._since > SETTLED

    def next(self, reviewer: str, view: str, count: int, after: tuple[str, ...] = ()) -> list[Item]:
        """Up to `count` clips for `reviewer` in `view` ("sheet" or "one"), kept for them.

        Clips that they or, but for the overlap, others have decided or hold are left out, and so
        are those named in `after` (which the page has already). Of a lot only the sample is handed
        out, until a defect opens it. Raises BadInput for an impossible name.
        """
        check_reviewer(reviewer)
        chosen = []
        with self._lock:
            until, skip = time.monotonic(), set(after)
            for item in self.queue.items:
                if len(chosen) >= count:
                    break
                if item.view != view or item.clip_id in skip:
                    continue
                if self._wanted(item, reviewer, until):
                    chosen.append(item)
            for clip_id in (*after, *(item.clip_id for item in chosen)):
                if clip_id in self.queue.by_id:
                    self._leases.setdefault(clip_id, {})[reviewer] = until + LEASE
        return chosen

    def clip(self, item: Item) -> Clip:
        """The clip with its viseme track, as the queue has it."""
        return self.queue.clip(item)

    def decide(self, *decisions: Decision) -> None:
        """Takes decisions of one reviewer; when it returns, they are on the disk.

        A key that was there before changes nothing. Raises BadInput for a clip that is not in the
        queue or whose labels have changed, BadLabels for a "fix" that does not fit its clip.
        """
        if not decisions:
            return
        reviewer = check_reviewer(decisions[0].reviewer)
        with self._lock:
            checked = [self._checked(decision) for decision in decisions]
            self._journal(reviewer).add(*checked)
            current = self._journal(reviewer).decisions()
            for decision in checked:
                if decision.clip_id in current:  # else its key had been undone
                    self._note(reviewer, current[decision.clip_id])
                self._leases.get(decision.clip_id, {}).pop(reviewer, None)

    def undo(self, reviewer: str, key: str) -> Decision | None:
        """Takes a decision back and returns it; None if it was already taken back."""
        with self._lock:
            undone = self._journal(reviewer).undo(key)
            if undone:
                self._made.get(undone.clip_id, {}).pop(reviewer, None)
                self._states.clear()
                if earlier := self._decisions_of(reviewer).get(undone.clip_id):
                    self._note(reviewer, earlier)
            return undone

    def conflicts(self) -> list[Conflict]:
        """Where reviewers contradict each other, by clip."""
        with self._lock:
            return [
                Conflict(clip_id, tuple(made.values()))
                for clip_id, made in sorted(self._made.items())
                if made and settled(made.values()) is None
            ]

    def settle(self, clip_id: str, decision: Decision) -> None:
        """Ends a conflict: this decision counts, whatever the others are."""
        if clip_id != decision.clip_id:
            raise BadInput(
                f"a decision about {decision.clip_id}", where=clip_id, remedy="name the same clip"
            )
        self.decide(replace(decision, settles=True))

    def decisions(self, item: Item) -> tuple[Decision, ...]:
        """Every reviewer's decision about a clip with the labels that it has."""
        with self._lock:
            return tuple(self._made.get(item.clip_id, {}).values())

    def lot_state(self, lot: Lot) -> str:
        """SAMPLING, PASSED or OPENED: what the decisions about its clips make of a lot."""
        with self._lock:
            if lot.name not in self._states:
                self._states[lot.name] = self._judge(lot)
            return self._states[lot.name]

    def lot_approvals(self) -> list[Decision]:
        """An approval for each clip of a passed lot that nobody heard.

        It bears the name of the reviewer who heard the last clip of the sample.
        """
        found = []
        with self._lock:
            for lot in self.queue.lots.values():
                if self.lot_state(lot) != PASSED:
                    continue
                last = max(
                    (d for item in lot.members[: lot.sample] for d in self.decisions(item)),
                    key=lambda decision: decision.time,
                )
                for item in lot.members:
                    if not self.decisions(item):
                        found.append(
                            Decision(
                                item.clip_id, item.labels, "approve", last.reviewer, last.time,
                                basis=LOT, lot=lot.name, key=f"{lot.name}:{item.clip_id}",
                            )
                        )  # fmt: skip
        return found

    def to_publish(self) -> dict[str, list[Decision]]:
        """The decisions of every reviewer, those about passed lots too, by time.

        Decisions that another machine published under the same name stay. A lot's approvals go
        when a defect has opened it.
        """
        with self._lock:
            fresh: dict[str, list[Decision]] = {}
            for decision in self.lot_approvals():
                fresh.setdefault(decision.reviewer, []).append(decision)
            found = {}
            for reviewer in {*self._published, *self._open, *fresh}:
                made = list(self._decisions_of(reviewer).values())
                kept = [d for d in self._published.get(reviewer, []) if self._lot_holds(d)]
                made += {d.clip_id: d for d in (*kept, *fresh.get(reviewer, []))}.values()
                found[reviewer] = sorted(made, key=lambda d: (d.time, d.clip_id, d.basis))
            return found

    def progress(self) -> Progress:
        """Where the review stands."""
        with self._lock:
            reviewers: dict[str, Tally] = {}
            total = Tally()
            pairs: dict[tuple[str, str], list] = {}
            for clip_id, made in self._made.items():
                minutes = self.queue.by_id[clip_id].seconds / 60
                for reviewer, decision in made.items():
                    tally = reviewers.setdefault(reviewer, Tally())
                    _count(tally, decision, minutes)
                    total.hours += decision.seconds / 3600
                if final := settled(made.values()):
                    _count(total, replace(final, seconds=0.0), minutes)
                heard = {name: own for name in made if (own := self._opinion(name, made[name]))}
                for a, b in combinations(sorted(heard), 2):
                    pairs.setdefault((a, b), []).append((heard[a].verdict, heard[b].verdict))
            for decision in self.lot_approvals():
                minutes = self.queue.by_id[decision.clip_id].seconds / 60
                for tally in (reviewers[decision.reviewer], total):
                    tally.minutes[LOT] += minutes
            left = [item for item in self.queue.items if self._undecided(item)]
            return Progress(
                total=total,
                reviewers=dict(sorted(reviewers.items())),
                kappa=kappa([pair for found in pairs.values() for pair in found]),
                kappas={names: kappa(found) or 0.0 for names, found in sorted(pairs.items())},
                conflicts=len(self.conflicts()),
                left=dict(Counter(item.view for item in left)),
                left_minutes=sum(item.seconds for item in left) / 60,
                lots=dict(Counter(self.lot_state(lot) for lot in self.queue.lots.values())),
            )

    # What follows is called with the lock held.

    def _wanted(self, item: Item, reviewer: str, moment: float) -> bool:
        """Whether a reviewer should hear the clip now."""
        made = self._made.get(item.clip_id, {})
        if reviewer in made:
            return False
        leases = self._leases.get(item.clip_id, {})
        others = {*made, *(name for name, until in leases.items() if until > moment)} - {reviewer}
        if others and len(others) >= (2 if _is_shared(item.clip_id) else 1):
            return False
        return self._lot_wants(item)

    def _lot_wants(self, item: Item) -> bool:
        """Whether anybody needs to hear the clip, as far as its lot goes."""
        if not item.lot:
            return True
        lot = self.queue.lots[item.lot]
        state = self.lot_state(lot)
        return state == OPENED or item.clip_id in lot.drawn

    def _undecided(self, item: Item) -> bool:
        return not self._made.get(item.clip_id) and self._lot_wants(item)

    def _opinion(self, reviewer: str, decision: Decision) -> Decision | None:
        """What a reviewer thought before settling a conflict; None if they had not heard the clip.

        What settles was decided in sight of the others' decisions, so it says nothing of agreement.
        """
        if not decision.settles:
            return decision
        for earlier in reversed(self._journal(reviewer).history(decision.clip_id)):
            if earlier.labels == decision.labels and not earlier.settles:
                return earlier
        return None

    def _judge(self, lot: Lot) -> str:
        finals = [
            settled(made.values()) if (made := self._made.get(item.clip_id)) else None
            for item in lot.members
        ]
        if any(final and final.verdict != "approve" for final in finals):
            return OPENED
        return PASSED if all(finals[: lot.sample]) else SAMPLING

    def _lot_holds(self, decision: Decision) -> bool:
        """Whether an approval by lot that was published earlier still stands."""
        lot = self.queue.lots.get(decision.lot)
        return (
            decision.basis == LOT
            and not self._made.get(decision.clip_id)
            and (lot is None or self.lot_state(lot) != OPENED)
        )

    def _checked(self, decision: Decision) -> Decision:
        """The decision with basis and lot as they are, whatever the page says."""
        item = self.queue.by_id.get(decision.clip_id)
        if item is None or item.labels != decision.labels:
            raise BadInput(
                "is not in the queue with these labels",
                where=decision.clip_id[:200],
                remedy="the data has changed: load the page again",
            )
        if decision.verdict == "fix":
            strange = {label for label, _, _ in decision.phones} - ARPABET - {SILENCE}
            strange |= {label for label, _, _ in decision.visemes} - set(CLASSES)
            if strange:
                raise BadLabels(
                    f"nobody knows the labels {', '.join(sorted(strange))}",
                    where=item.clip_id,
                    remedy="use ARPAbet's phones and the names of the twelve mouths",
                )
            fixed(self.clip(item), decision)
        return replace(decision, basis=LISTENED, lot=item.lot)

    def _journal(self, reviewer: str) -> Journal:
        if reviewer not in self._open:
            self._open[check_reviewer(reviewer)] = Journal(self.journals, reviewer)
        return self._open[reviewer]

    def _decisions_of(self, reviewer: str) -> dict[str, Decision]:
        """What a reviewer decided by listening, by clip: published elsewhere or in the journal."""
        made = {}
        journal: Journal | None = None
        if reviewer in self._open or (self.journals / f"{reviewer}.jsonl").exists():
            journal = self._journal(reviewer)
        for decision in self._published.get(reviewer, []):
            if decision.basis == LISTENED and not (journal and decision.key in journal.keys):
                made[decision.clip_id] = decision
        for clip_id, own in (journal.decisions() if journal else {}).items():
            if clip_id not in made or made[clip_id].time <= own.time:  # else: elsewhere
                made[clip_id] = own
        return made

    def _note(self, reviewer: str, decision: Decision) -> None:
        """Counts a decision in, if it is about the labels that its clip has now."""
        item = self.queue.by_id.get(decision.clip_id)
        if item and item.labels == decision.labels:
            self._made.setdefault(decision.clip_id, {})[reviewer] = decision
            self._states.pop(item.lot, None)

    def _triage_stamp(self) -> list[tuple[str, int]]:
        found = []
        for path in sorted((self.datasets / "triage").glob("*/part-*.parquet")):
            with suppress(FileNotFoundError):  # a stage is replacing the folder
                found.append((str(path), path.stat().st_mtime_ns))
        return found


def _is_shared(clip_id: str) -> bool:
    """Whether two people hear this clip: drawn from its id."""
    return unit_hash(f"overlap\x1f{clip_id}") < OVERLAP


def _count(tally: Tally, decision: Decision, minutes: float) -> None:
    tally.decisions[decision.verdict] += 1
    tally.hours += decision.seconds / 3600
    if decision.verdict == "reject":
        tally.reasons[decision.note or "no reason given"] += 1
    else:
        tally.minutes[decision.basis] += minutes


def _read_published(folder: Path) -> dict[str, list[Decision]]:
    """The published decisions of each reviewer, by the name in the file or else the file's."""
    found: dict[str, list[Decision]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for decision in read_decisions(path):
            reviewer = check_reviewer(decision.reviewer or path.stem)
            found.setdefault(reviewer, []).append(replace(decision, reviewer=reviewer))
    return found
