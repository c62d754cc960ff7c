"""Which shapes an animation shows when there is no time for all of them: the law of pictures.

Speech has some thirteen shapes a second, and a shape needs two pictures to be seen. What goes is
not what is shortest but what matters least:

1. lips shut and lip on teeth are never left out;
2. nor, if it can be helped, is the opening between two equal closures, which would become one;
3. then the shapes of vowels, each in the picture of its middle (a long one in a picture of its
   middle half), the schwa's last;
4. all other shapes where they have time of their own.

A shape may begin early or end late to get its time. Which ones stay is decided over the whole track
at once, by dynamic programming, so that the least is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from clips.arpabet import VOWELS
from visemes.inventory import Inventory
from visemes.lip_score import asked_of

_CLOSURE, _OPENING, _LATE, _VOWEL, _SCHWA, _OTHER = 1000, 500, 7, 6, 2, 1
"""What it costs to leave out a shape of `hold` pictures, or to show a closure one picture late (it
always is shown). Their order matters more than the numbers."""

_STATES = 8
"""How many partial choices stay in the race: the cheapest of those that end at different times."""


@dataclass(slots=True)
class _Item:
    """A shape that may be shown: `viseme` from run `first` to run `last` of the track.

    It must be on in one of the pictures `soonest` to `latest` (of its first run), and still in
    picture `until` (of its last run), and lasts `least` pictures. `cost`: of leaving it out.
    `start` is the picture at which it begins.
    """

    viseme: str
    first: int
    last: int
    soonest: int
    latest: int
    until: int
    cost: int
    least: int
    start: int = 0


def held(
    visemes: Sequence[str], edges: Sequence[int], unit: int, hold: int, inventory: Inventory
) -> tuple[list[str], list[int]]:
    """The shapes that are shown and their edges in pictures, one edge more than shapes.

    visemes: the shapes in order, no equal neighbours. edges: their times, one more than shapes,
    rising from 0, as integers of which `unit` are one picture. hold: pictures that each shape
    lasts at least.

    Every closure is there afterwards, in its place or next to it. A consonant of the tongue needs
    twice `hold` of its own time to be shown: lips stay with the vowels around (JALI: Edwards,
    Landreth, Fiume and Singh, 2016). `hold` shrinks where there are more closures than have room;
    only when there are more than pictures do the shortest go.
    """
    pictures = max(1, round(Fraction(edges[-1], unit)))
    # the first picture whose middle is not before the edge
    starts = [min(pictures, max(0, -((unit - 2 * edge) // (2 * unit)))) for edge in edges]
    starts[0], starts[-1] = 0, pictures
    costs = importance(inventory)
    closures = [n for n, viseme in enumerate(visemes) if costs[viseme] == _CLOSURE]
    groups = sum(visemes[a] != visemes[b] for a, b in pairwise(closures)) + bool(closures)
    if groups * hold > pictures:
        hold = max(1, pictures // groups)
    items = _items(visemes, edges, starts, unit, hold, costs, inventory.rest)
    if groups > pictures:
        closures.sort(key=lambda n: edges[n + 1] - edges[n])
        gone = set(closures[: len(closures) - pictures])
        items = [item for item in items if item.first not in gone]
    kept = _chosen(items, pictures, hold)
    if not kept:
        longest = max(range(len(visemes)), key=lambda n: starts[n + 1] - starts[n])
        return [visemes[longest]], [0, pictures]
    ends = _settled(kept, starts, pictures)
    # what grows where there is nothing to show: a closure last, rest last but one
    firm = [
        2 if costs[item.viseme] == _CLOSURE else int(item.viseme == inventory.rest) for item in kept
    ]
    shown = [0]
    for number, item in enumerate(kept[1:]):
        one, other, end = firm[number], firm[number + 1], ends[number]
        middle = (end + item.start) // 2
        shown.append(middle if one == other else item.start if one < other else end)
    return [item.viseme for item in kept], [*shown, pictures]


def importance(inventory: Inventory) -> Mapping[str, int]:
    """What it costs to leave out each viseme: most for a closure, least for what the tongue does.

    >>> from visemes.inventory import load_inventory
    >>> costs = importance(load_inventory("cherry12"))
    >>> costs["M"] > costs["Woo"] > costs["Uh"] > costs["D"]
    True
    """
    costs = dict.fromkeys(inventory.classes, _OTHER)
    entries = [inventory.phones[phone] for phone in (*VOWELS, "W")]
    entries += [shapes for sign, shapes in inventory.ipa.items() if asked_of("AH", sign)]
    costs |= {viseme: _VOWEL for shapes in entries for viseme, _ in shapes}
    schwa = (*inventory.phones["AH"], *inventory.ipa.get("ə", ()))
    wide = inventory.phones["AA"]  # some sets have one open shape for all
    costs |= {viseme: _SCHWA for viseme, _ in schwa if viseme != wide[0][0]}
    return costs | {viseme: _CLOSURE for viseme in costs if inventory.must_show(viseme)}


def _items(
    visemes: Sequence[str],
    edges: Sequence[int],
    starts: Sequence[int],
    unit: int,
    hold: int,
    costs: Mapping[str, int],
    rest: str,
) -> list[_Item]:
    """The shapes that may be shown, in order.

    Of consonants in a row none of which lasts long enough, the longest stands for all if they do
    together.
    """
    openings = _openings(visemes, edges, costs)
    items: list[_Item] = []
    final, enough = starts[-1] - 1, 2 * hold
    short = 0  # the first of the short consonants before the present run
    for number, viseme in enumerate([*visemes, ""]):
        cost = _OPENING if number in openings else costs.get(viseme, 0)
        least = enough if cost == _OTHER and viseme != rest else hold
        if cost == _OTHER and starts[number + 1] - starts[number] < least:
            continue
        if short < number and starts[number] - starts[short] >= enough:
            longest = max(range(short, number), key=lambda n: edges[n + 1] - edges[n])
            middle = min((edges[short] + edges[number]) // (2 * unit), final)
            items.append(
                _Item(visemes[longest], short, number - 1, middle, middle, middle, _OTHER, enough)
            )
        short = number + 1
        if cost:
            begin, end = edges[number], edges[number + 1]
            long = starts[number + 1] - starts[number] >= 2 * hold
            # closures and openings may be seen at any of their time, the others in their middle
            off = 0 if cost >= _OPENING else (4 if long else 7) * (end - begin)  # sixteenths
            soonest = min((16 * begin + off) // (16 * unit), final)
            latest = min(max(soonest, (16 * end - off - 1) // (16 * unit)), final)
            if cost < _OPENING:  # what lasts long is missed more
                times = max(1, (starts[number + 1] - starts[number]) // hold)
                cost = min(cost * times, _OPENING - 1)
            items.append(_Item(viseme, number, number, soonest, latest, soonest, cost, least))
    return items


def _openings(visemes: Sequence[str], edges: Sequence[int], costs: Mapping[str, int]) -> set[int]:
    """The number of the run that opens the mouth between each two equal closures."""
    found, before = set(), -1
    for number, viseme in enumerate(visemes):
        if costs[viseme] == _CLOSURE:
            if before >= 0 and visemes[before] == viseme and number > before + 1:
                between = range(before + 1, number)
                found.add(max(between, key=lambda n: (costs[visemes[n]], edges[n + 1] - edges[n])))
            before = number
    return found


def _chosen(items: list[_Item], pictures: int, hold: int) -> list[_Item]:
    """The items that stay, each with the earliest `start` that it can have; equal ones joined."""
    # limits: the latest start of each item that leaves room for all closures from there on.
    # earliest: its first possible start, before its time where closures follow that crowd it out.
    # soon: whatever is over by then is in the way of no later item
    limits, earliest, soon = [0] * len(items), [0] * len(items), [0] * len(items)
    room, deadline, over, after = pictures, pictures, pictures, ""
    for number in range(len(items) - 1, -1, -1):
        item = items[number]
        if item.cost == _CLOSURE and item.viseme != after:
            room, after = room - hold, item.viseme
        limits[number] = room
        begin = item.soonest - item.least + 1
        if item.cost >= _OPENING:
            deadline = min(item.latest, deadline - item.least)
            begin = min(begin, deadline)
        earliest[number] = max(0, begin)
        soon[number] = over
        over = min(over, begin, room if item.cost == _CLOSURE else room - item.least)
    # a state: cost so far, the picture from which there is room, the last viseme, and how it came
    # about: (item, start or -1 if it joins the one before, the same of the item before)
    states: list[tuple[int, int, str, tuple | None]] = [(0, 0, "", None)]
    for number, item in enumerate(items):
        limit, closure = limits[number], item.cost == _CLOSURE
        following: list[tuple[int, int, str, tuple | None]] = []
        for cost, free, last, path in states:
            start = max(earliest[number], free)
            if last == item.viseme:
                end = max(free, item.soonest + 1)
                if closure:
                    end = max(free, min(end, limit + hold))
                if closure or end <= limit:
                    following.append((cost, end, last, (number, -1, path)))
                    continue
            else:
                if item.cost >= _OPENING:  # it may come late, and early at the track's end
                    start = min(start, limit if closure else limit - item.least)
                late = max(0, start - item.latest)
                if start >= free and (not late or item.cost >= _OPENING):
                    end = start + item.least
                    if closure or end <= limit:
                        path_on = (number, start, path)
                        following.append((cost + _LATE * late, end, item.viseme, path_on))
            if not closure:
                following.append((cost + item.cost, free, last, path))
        if len(following) > 1:
            states, end = [], pictures + 1
            for state in sorted(following, key=lambda s: s[:2]):
                if state[1] < end:
                    states.append(state)
                    end = state[1]
                    if end <= soon[number] or len(states) == _STATES:
                        break
        else:
            states = following
    path, steps = states[0][3], []
    while path:
        steps.append(path[:2])
        path = path[2]
    kept: list[_Item] = []
    for number, start in reversed(steps):
        if start < 0:
            kept[-1].last, kept[-1].until = items[number].last, items[number].soonest
        else:
            kept.append(items[number])
            kept[-1].start = start
    return kept


def _settled(kept: list[_Item], starts: Sequence[int], pictures: int) -> list[int]:
    """Moves each kept item as near to its own time as the others allow; where each may end."""
    latest, limits = pictures, [0] * len(kept)
    for number in range(len(kept) - 1, -1, -1):
        item = kept[number]
        latest = limits[number] = min(max(item.latest, item.start), latest - item.least)
    free, ends = 0, []
    for item, limit in zip(kept, limits, strict=True):
        missing = max(0, item.least - (starts[item.last + 1] - starts[item.first]))
        wanted = starts[item.first] - (missing + 1) // 2  # a shape may come early, not late
        item.start = min(max(wanted, free), limit)
        free = max(item.start + item.least, item.until + 1)
        ends.append(max(free, starts[item.last + 1]))
    return [min(end, item.start) for end, item in zip(ends, kept[1:])] + ends[-1:]
