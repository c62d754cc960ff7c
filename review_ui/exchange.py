"""The page's side of the conversation: a message from the browser in, an answer out.

A message carries every decision that the browser does not yet know to be on the disk, and says
which clips it holds and how many it wants. An answer names the entries that are dealt with and
brings clips. Both may be lost or come twice: nothing is counted twice, since every entry has a key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clips import BadInput, BadManifest, Segment, VisemillError, find_faults
from clips.arpabet import ARPABET
from clips.segment import SILENCE
from review_ui.clip_queue import Moved
from review_ui.desk import Desk
from review_ui.journal import Decision, check_reviewer, now
from review_ui.payload import clip_payload
from visemes.inventory import Inventory
from visemes.rules import Rules, to_visemes

VIEWS = ("sheet", "one")
MOST_CLIPS = 40
"""Clips in one answer; a page asks for fewer."""

_LONGEST = 500  # characters of any text that a browser sends


_TROUBLE = (Moved, BadManifest)
"""The server's own faults: data that a stage is writing, a journal with a broken line."""


def answer(
    desk: Desk,
    message: Mapping[str, Any],
    *,
    inventory: Inventory,
    rules: Rules,
    login: str = "",
) -> dict[str, Any]:
    """The answer to a message (see component/player.js for its parts).

    `login` is the reviewer's name where somebody else has checked who they are; it then holds,
    whatever the browser says. What a browser sends is not trusted: entries that make no sense come
    back in `refused` with the reason, and a name that is none in `fault`. If the server itself
    fails (a full disk, data that a stage is writing), `trouble` says why, and what is not `done`
    stays with the browser, which sends it again.
    """
    serial = message.get("serial")
    found: dict[str, Any] = {
        "serial": serial if isinstance(serial, int) else 0,
        "reviewer": login,
        "done": [],
        "refused": {},
        "clips": [],
        "unreadable": {},
    }
    try:
        _take(desk, message.get("entries"), login, found)
        if not message.get("started"):
            return found
        try:
            reviewer = check_reviewer(login or _text(message, "reviewer"))
        except BadInput as error:
            return {**found, "fault": str(error)}
        if desk.stale:
            desk.reload()
        _give(desk, reviewer, message, found)
        if message.get("progress"):
            found["progress"] = progress(desk)
        if isinstance(question := message.get("mouths"), Mapping):
            found["mouths"] = _mouths(question, inventory, rules)
    except (VisemillError, OSError) as error:
        found["trouble"] = str(error)
    return found


def progress(desk: Desk) -> dict[str, Any]:
    """The figures of the Progress view, as JSON can say them."""
    state = desk.progress()
    return {
        "kappa": state.kappa,
        "minutes": sum(state.total.minutes.values()),
        "hours": state.total.hours,
        "bases": dict(state.total.minutes),
        "reasons": dict(sum((tally.reasons for tally in state.reviewers.values()), Counter())),
        "left": sum(state.left.values()),
        "left_minutes": state.left_minutes,
        "lots": state.lots,
        "reviewers": [
            {
                "name": name,
                "decisions": tally.decisions.total(),
                "minutes": sum(tally.minutes.values()),
                "hours": tally.hours,
            }
            for name, tally in state.reviewers.items()
        ],
        "pairs": [{"names": list(names), "kappa": value} for names, value in state.kappas.items()],
        "conflicts": [
            {
                "id": conflict.clip_id,
                "text": desk.clip(desk.queue.by_id[conflict.clip_id]).text,
                "decisions": [
                    {
                        "key": decision.key,
                        "reviewer": decision.reviewer,
                        "verdict": decision.verdict,
                        "note": decision.note,
                    }
                    for decision in conflict.decisions
                ],
            }
            for conflict in desk.conflicts()
        ],
    }


def _take(desk: Desk, entries: Any, login: str, found: dict[str, Any]) -> None:
    """Deals with the entries in order; those that are on the disk or refused are `done`."""
    decisions: list[tuple[str, Decision]] = []

    def flush() -> None:
        # One wait for the disk for a whole sheet; one by one only if something is wrong.
        if not decisions:
            return
        try:
            desk.decide(*(decision for _, decision in decisions))
        except BadInput:
            for name, decision in decisions:
                try:
                    desk.decide(decision)
                except _TROUBLE:
                    raise
                except BadInput as error:
                    found["refused"][name] = str(error)
        found["done"] += [name for name, _ in decisions]
        decisions.clear()

    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
            continue
        name = entry["id"]
        try:
            reviewer = check_reviewer(_text(entry, "reviewer"))
            if login and reviewer != login:
                raise BadInput(f"decided as {reviewer!r}", where=login, remedy="log in as them")
            if decisions and decisions[0][1].reviewer != reviewer:
                flush()
            if entry.get("type") == "decide":
                decisions.append((name, _decision(entry, reviewer)))
                continue
            flush()
            if entry.get("type") == "undo":
                desk.undo(reviewer, _text(entry, "key"))
            elif entry.get("type") == "settle":
                _settle(desk, entry, reviewer)
            else:
                raise BadInput("is no decision, undo or settlement", where=name[:80])
        except _TROUBLE:
            raise
        except (BadInput, ValueError, TypeError, ArithmeticError) as error:
            found["refused"][name] = str(error)
        found["done"].append(name)
    flush()


def _decision(entry: Mapping[str, Any], reviewer: str) -> Decision:
    return Decision(
        clip_id=_text(entry, "clip"),
        labels=_text(entry, "labels"),
        verdict=_text(entry, "verdict"),
        reviewer=reviewer,
        time=now(),
        note=_text(entry, "note"),
        lot=_text(entry, "lot"),
        seconds=float(entry.get("seconds", 0.0)),
        key=_text(entry, "id"),
        phones=entry.get("phones"),
        visemes=entry.get("visemes"),
    )


def _settle(desk: Desk, entry: Mapping[str, Any], reviewer: str) -> None:
    """What one reviewer decided becomes the last word, in the name of who chose it."""
    for conflict in desk.conflicts():
        for decision in conflict.decisions:
            if (conflict.clip_id, decision.key) == (entry.get("clip"), entry.get("chosen")):
                changes = {"reviewer": reviewer, "key": _text(entry, "id"), "time": now()}
                desk.settle(conflict.clip_id, replace(decision, **changes, seconds=0.0))
                return


def _give(desk: Desk, reviewer: str, message: Mapping[str, Any], found: dict[str, Any]) -> None:
    """The clips that the page wants, beside those it holds."""
    held = message.get("held")
    held = tuple(str(clip_id) for clip_id in held) if isinstance(held, list) else ()
    want, room = message.get("want"), MOST_CLIPS
    if isinstance(most := message.get("most"), int):
        room = min(most, room)
    for view, count in want.items() if isinstance(want, Mapping) else ():
        if view not in VIEWS or not isinstance(count, int):
            continue
        for item in desk.next(reviewer, view, min(count, room), held):
            room -= 1
            try:
                found["clips"].append(clip_payload(item, desk.clip(item)))
            except BadInput as error:
                found["unreadable"][item.clip_id] = str(error)


def _mouths(question: Mapping[str, Any], inventory: Inventory, rules: Rules) -> dict[str, Any]:
    """The question with the visemes that the rules give to edited phones.

    These are None if the phones make no sense.
    """
    return {**question, "visemes": _visemes(question, inventory, rules)}


def _visemes(question: Mapping[str, Any], inventory: Inventory, rules: Rules) -> list[list] | None:
    try:
        phones = [Segment(str(p[0]), int(p[1]), int(p[2])) for p in question["phones"]]
        ipa = [str(p[3]) for p in question["phones"]]
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError):
        return None
    if not phones or find_faults(phones, phones[-1].end, tiled=True, name="phones"):
        return None
    if {phone.label for phone in phones} - ARPABET - {SILENCE}:
        return None
    visemes = to_visemes(phones, inventory, rules, ipa=ipa if any(ipa) else ())
    return [[v.label, v.start, v.end] for v in visemes]


def _text(values: Mapping[str, Any], name: str) -> str:
    """A text of a message, "" if it is left out."""
    value = values.get(name) or ""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise BadInput("is no text, or a very long one", where=name)
    return value
