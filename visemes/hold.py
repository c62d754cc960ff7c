"""Every shape long enough to be seen, and no closure lost: the law of pictures.

Works on runs in any whole unit (pictures, samples): a shape that is too short goes, except lips
shut and lip on teeth, which are prolonged at their neighbours' cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Run:
    """`viseme` from unit `start` up to, not including, `end`; it may be empty."""

    viseme: str
    start: int
    end: int

    @property
    def length(self) -> int:
        """In units."""
        return self.end - self.start


def held(runs: Sequence[Run], shortest: int, must_show: Callable[[str], bool]) -> list[Run]:
    """The runs changed so that each lasts at least `shortest` units; they tile what they tiled.

    A viseme that `must_show` is there afterwards, in its place or next to it, and so is an opening
    between two equal ones. Where there is no room for all of that, the openings go first, then
    `shortest` shrinks; only when there are more closures than units do the shortest closures go.
    `runs` tile a stretch, some may be empty. Equal neighbours become one.
    """
    first, last = runs[0].start, runs[-1].end
    items = _placed(_items(runs, shortest, last - first, must_show), shortest, first, last)
    shortest = min([shortest, *(item.length for _, _, item in items)])
    result: list[Run] = []
    edges = [(-1, first), *((after, item.end) for _, after, item in items)]
    nexts = [(before, item.start) for before, _, item in items] + [(len(runs), last)]
    for number, ((after, start), (before, end)) in enumerate(zip(edges, nexts, strict=True)):
        if end > start:
            pieces = _filled(runs[after + 1 : before], start, end)
            pieces = _without_short(pieces, shortest)
            if not pieces or (items and pieces[0].length < shortest):
                # No room for anything between two closures: the one before lasts longer.
                if result:
                    result[-1] = replace(result[-1], end=end)
                else:
                    items[number] = (*items[number][:2], replace(items[number][2], start=start))
            else:
                result += pieces
        if number < len(items):
            result.append(items[number][2])
    return _merged(result)


_Item = tuple[int, int, Run]
"""The numbers of the first and last of the runs that an item stands for, and the item."""


def _items(
    runs: Sequence[Run], shortest: int, room: int, must_show: Callable[[str], bool]
) -> list[_Item]:
    """What may not be left out: the closures, and the openings between equal ones."""
    closures: list[_Item] = []  # touching equal ones are one
    for number, run in enumerate(runs):
        if not must_show(run.viseme):
            continue
        if closures and closures[-1][1] == number - 1 and closures[-1][2].viseme == run.viseme:
            begun, _, before = closures[-1]
            closures[-1] = (begun, number, replace(before, end=run.end))
        else:
            closures.append((number, number, run))
    items: list[_Item] = []
    for item in closures:
        if items and items[-1][2].viseme == item[2].viseme:
            opening = max(range(items[-1][1] + 1, item[0]), key=lambda n: runs[n].length)
            items.append((opening, opening, runs[opening]))
        items.append(item)
    if len(items) * shortest <= room:
        return items
    items = []
    for item in closures:
        if items and items[-1][2].viseme == item[2].viseme:
            items[-1] = (items[-1][0], item[1], replace(items[-1][2], end=item[2].end))
        else:
            items.append(item)
    longest = sorted(range(len(items)), key=lambda n: -items[n][2].length)[:room]
    return [items[n] for n in sorted(longest)]


def _placed(items: list[_Item], shortest: int, first: int, last: int) -> list[_Item]:
    """The items long enough, moved as little as makes room for each."""
    if not items:
        return []
    shortest = min(shortest, (last - first) // len(items))
    placed: list[_Item] = []
    at = first
    for begun, ended, run in items:
        missing = max(0, shortest - run.length)
        start = max(at, run.start - (missing + 1) // 2)  # a closure may come early, not late
        at = max(run.end, start + shortest)
        placed.append((begun, ended, replace(run, start=start, end=at)))
    for number in reversed(range(len(placed))):
        begun, ended, run = placed[number]
        end = min(run.end, last)
        last = min(run.start, end - shortest)
        placed[number] = (begun, ended, replace(run, start=last, end=end))
    return placed


def _filled(runs: Sequence[Run], start: int, end: int) -> list[Run]:
    """The runs cut to start..end; the outer ones reach its ends."""
    cut = [replace(r, start=max(r.start, start), end=min(r.end, end)) for r in runs]
    pieces = _merged([run for run in cut if run.length > 0])
    if not pieces and runs:
        pieces = [max(runs, key=lambda run: run.length)]
    if pieces:
        pieces[0] = replace(pieces[0], start=start)
        pieces[-1] = replace(pieces[-1], end=end)
    return pieces


def _without_short(pieces: list[Run], shortest: int) -> list[Run]:
    """The pieces with those shorter than `shortest` given to a neighbour, the shortest first.

    A neighbour that is too short itself goes before one that is not, so that it may stay; else the
    longer one has it. One piece always remains.
    """
    pieces = list(pieces)
    while len(pieces) > 1:
        number = min(range(len(pieces)), key=lambda n: pieces[n].length)
        gone = pieces[number]
        if gone.length >= shortest:
            break
        beside = [n for n in (number - 1, number + 1) if 0 <= n < len(pieces)]
        heir = max(beside, key=lambda n: (pieces[n].length < shortest, pieces[n].length))
        kept = pieces[heir]
        start, end = min(kept.start, gone.start), max(kept.end, gone.end)
        pieces[heir] = replace(kept, start=start, end=end)
        del pieces[number]
        pieces = _merged(pieces)
    return pieces


def _merged(runs: Sequence[Run]) -> list[Run]:
    merged: list[Run] = []
    for run in runs:
        if merged and merged[-1].viseme == run.viseme:
            merged[-1] = replace(merged[-1], end=run.end)
        else:
            merged.append(run)
    return merged
