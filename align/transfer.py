"""Label transfer: one checked annotation of a sentence, carried to other people saying it.

A donor's phones are warped onto the new recording (align.warping), several donors are combined by
medians, and each boundary moves to the change in the sound beside it (align.refine).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np

from align.refine import HOP as STEP
from align.refine import change_features, refine
from align.warping import HOP, Spectrum, find_path, hear, voice_blind
from clips import (
    RATE,
    SILENCE,
    BadAudio,
    BadLabels,
    BadParams,
    BadText,
    Clip,
    EngineFailed,
    Op,
    Segment,
)
from clips.splits import plain_words

SHORTEST_PAUSE = 480
"""A silence between two phones shorter than this (samples: 30 ms) is given to them."""

MIDDLE, WIDTH = 0.81, 0.021
"""The cost at which a pair says the same text as likely as not, and the logistic width around it.

From 536 pairs of three speakers of emodb with the same text and 188 with texts that differ; on
other pairs of that corpus 98 % of the right and 96 % of the wrong lie on their side of 0.81."""

_OPEN_ANEW = 6.0  # what a pause costs where the donor has none, in distances of a frame
_BESIDE = 8  # steps of align.refine (20 ms) on each side of a boundary that are compared


@dataclass(frozen=True)
class TransferLimits:
    """Beyond these a donor is not believed.

    max_cost: mean distance of the spoken frames (0: the same, 1: nothing in common). max_tempo:
    how many times as fast or as slow as the donor. min_silence: share of the frames that are quiet
    in both or loud in both (0..1).

    Measured on the 2,082 pairs of emodb (benchmarks/transfer.py): the 2 % of the right pairs that
    are dropped are 12.3 ms off on average with 13 % of the boundaries missing, the kept ones 8.6 ms
    with 4 %; 94 % of 2,857 wrong texts are dropped, many of which begin like the right one.
    """

    max_cost: float = MIDDLE
    max_tempo: float = 2.0
    min_silence: float = 0.75

    def __post_init__(self) -> None:
        if not 0 <= self.min_silence <= 1:
            raise BadParams(f"min_silence is {self.min_silence}, not within 0..1")
        if self.max_tempo < 1 or self.max_cost <= 0:
            raise BadParams(
                f"max_cost {self.max_cost} and max_tempo {self.max_tempo} leave nothing"
            )


@dataclass(frozen=True, slots=True)
class _Carried:
    """A donor's spoken phones in the new recording.

    numbers: which of the donor's phones. places: start, end (samples) and mean distance of the
    frames of each, shape (phones, 3).
    """

    donor: Clip
    numbers: tuple[int, ...]
    places: np.ndarray
    cost: float
    tempo: float
    silence: float
    tract: float

    @property
    def names(self) -> list[str]:
        return [self.donor.phones[number].label for number in self.numbers]


def transfer(annotated: Clip, other: Clip, limits: TransferLimits | None = None) -> Clip:
    """`other` with the words, phones and IPA of `annotated`, another recording of the same text.

    See `transfer_from`, whose only donor it is.
    """
    return transfer_from([annotated], other, limits)


def transfer_from(
    donors: Sequence[Clip], other: Clip, limits: TransferLimits | None = None
) -> Clip:
    """`other` with words, phones and IPA from annotated recordings of the same text.

    The phones are those of the donor that `other` sounds most like; each of their boundaries is
    the median over the donors that have it. A donor beyond `limits` is left out. Each phone has a
    score 0..1, how likely both its boundaries are within 20 ms; `timing` becomes "transferred",
    `ops` gains an Op "transfer" with the donors' ids; `licence` and `attribution` stay.

    Scores: transfer_cost, transfer_tempo (spoken frames of the donor for one of `other`) and
    transfer_silence as in TransferLimits, of the likest donor; transfer_donors; transfer_spread,
    the donors' mean distance from the median (s; 0 if there is one); confidence (0..1), how likely
    the recording says that text.

    Raises BadText (another text, or no donors), BadLabels (a donor without phones), BadAudio (no
    sound), and, if no donor is left, EngineFailed with the fault of the first.
    """
    limits = limits or TransferLimits()
    if not donors:
        raise BadText(
            "nobody else says this text",
            where=f"clip {other.clip_id}",
            remedy="label a recording of it",
        )
    if not other.audio.any():
        raise BadAudio("holds no sound", where=f"clip {other.clip_id}", remedy="leave the clip out")
    new = hear(other.audio)
    found, refused = [], []
    for donor in donors:
        try:
            found.append(_checked(_carry(donor, other, new), other, limits))
        except EngineFailed as error:
            refused.append(error)
    if not found:
        raise refused[0]
    found.sort(key=lambda carried: carried.cost)
    best = found[0]
    places, spread = _combined(found)
    numbers, bounds = _tiled(best.numbers, places, len(other))
    features = change_features(other.audio)
    refined = refine(features, bounds)
    cost_of = dict(zip(best.numbers, places[:, 2]))
    costs = np.array([cost_of.get(number, np.nan) for number in numbers])
    sure = _boundary_scores(features, bounds, refined, costs)
    phones = tuple(
        Segment(
            best.donor.phones[number].label if number is not None else SILENCE,
            start,
            end,
            round(min(scores), 4),
        )
        for number, (start, end), scores in zip(numbers, pairwise(refined), pairwise(sure))
    )
    labelled = other.with_(
        words=_words(best.donor, numbers, phones),
        phones=phones,
        ipa=tuple(best.donor.ipa[n] if n is not None else "" for n in numbers)
        if best.donor.ipa
        else (),
        visemes=(),
        timing="transferred",
        ops=(
            *other.ops,
            Op.of(
                "transfer",
                donors=[carried.donor.clip_id for carried in found],
                tract=best.tract,
                **asdict(limits),
            ),
        ),
    )
    return labelled.with_scores(
        transfer_cost=best.cost,
        transfer_tempo=best.tempo,
        transfer_silence=best.silence,
        transfer_donors=len(found),
        transfer_spread=spread,
        confidence=1 / (1 + np.exp((best.cost - MIDDLE) / WIDTH)),
    ).validate()


def _carry(donor: Clip, other: Clip, new: Spectrum) -> _Carried:
    """Where the donor's phones lie in the new recording, before anything is believed of it."""
    where = _pair(donor, other)
    if plain_words(donor.text) != plain_words(other.text):
        raise BadText(
            "the donor says another text", where=where, remedy="give a donor of the same text"
        )
    heard = hear(donor.audio)
    middles = np.arange(len(heard.bands)) * HOP + HOP // 2
    phone_at = np.searchsorted([phone.end for phone in donor.phones[:-1]], middles, side="right")
    numbers = [n for n, phone in enumerate(donor.phones) if phone.label != SILENCE]
    spoken = np.isin(phone_at, numbers)
    if not spoken.any():
        raise BadLabels("the donor has no phones", where=where, remedy="align or label it first")
    template = voice_blind(heard.bands, spoken)[spoken]
    firsts = np.searchsorted(phone_at[spoken], numbers)
    ends = np.append(firsts[1:], len(template))
    opens = {0: 0.0, len(template): 0.0}
    for number, first in zip(numbers, firsts.tolist()):
        after_pause = number == 0 or donor.phones[number - 1].label == SILENCE
        opens.setdefault(first, 0.0 if after_pause else _OPEN_ANEW)
    gaps = sorted(opens)
    path = find_path(template, new, gaps, [opens[gap] for gap in gaps])
    if path is None:
        raise EngineFailed(
            "the tempo differs too much from the donor's",
            where=where,
            remedy=f"{donor.seconds:.2f} s of the donor do not fit {other.seconds:.2f} s",
        )
    starts = np.searchsorted(path.at, firsts - 0.25)
    ends = np.maximum(np.searchsorted(path.at, ends - 0.75), starts)
    sums = np.append(0.0, np.cumsum(path.local))
    lengths = ends - starts
    costs = np.where(lengths, (sums[ends] - sums[starts]) / np.maximum(lengths, 1), path.cost)
    said = path.at % 1 == 0
    loud_there = np.zeros(len(path.at), bool)
    loud_there[said] = heard.spoken[spoken][path.at[said].astype(int)]
    return _Carried(
        donor,
        tuple(numbers),
        np.stack([starts * HOP, ends * HOP, costs], axis=1),
        cost=path.cost,
        tempo=len(template) / max(int(said.sum()), 1),
        silence=float((loud_there == new.spoken).mean()),
        tract=path.tract,
    )


def _checked(carried: _Carried, other: Clip, limits: TransferLimits) -> _Carried:
    """The same, if it is within the limits; else EngineFailed that says what is not."""
    tempo = max(carried.tempo, 1 / carried.tempo)
    checks = (
        (
            tempo > limits.max_tempo,
            "the tempo differs too much from the donor's",
            f"{tempo:.2f} times as fast or slow, above {limits.max_tempo:g}",
        ),
        (
            carried.silence < limits.min_silence,
            "silence and speech are not where the donor has them",
            f"they agree in {carried.silence:.0%} of the frames, under {limits.min_silence:.0%}",
        ),
        (
            carried.cost > limits.max_cost,
            "it does not sound like the donor",
            f"the distance is {carried.cost:.3f}, above {limits.max_cost:g}",
        ),
    )
    for failed, what, seen in checks:
        if failed:
            raise EngineFailed(
                what,
                where=_pair(carried.donor, other),
                remedy=f"{seen}: check that both say the whole text and nothing else",
            )
    return carried


def _pair(donor: Clip, other: Clip) -> str:
    return f"clip {other.clip_id} from donor {donor.clip_id}"


def _combined(found: Sequence[_Carried]) -> tuple[np.ndarray, float]:
    """The first donor's phones (start, end, cost; shape (phones, 3)) as medians over all donors
    that have them, and the mean distance from those medians (seconds)."""
    best = found[0]
    votes = [[place] for place in best.places]
    for carried in found[1:]:
        same = SequenceMatcher(None, best.names, carried.names, autojunk=False)
        for ours, theirs, count in same.get_matching_blocks():
            for k in range(count):
                votes[ours + k].append(carried.places[theirs + k])
    places = np.array([np.median(vote, axis=0) for vote in votes])
    apart = [np.abs(np.array(vote) - place)[:, :2].mean() for vote, place in zip(votes, places)]
    return places, float(np.mean(apart)) / RATE


def _tiled(
    numbers: Sequence[int], places: np.ndarray, length: int
) -> tuple[list[int | None], list[int]]:
    """Phones (None: silence) and the boundaries around them (samples) that tile the recording.

    Pauses under SHORTEST_PAUSE are shared by their neighbours; no phone is shorter than HOP unless
    the recording is too short for that.
    """
    tiles: list[int | None] = []
    bounds = [0.0]
    for number, (start, end, _) in zip(numbers, places):
        if start - bounds[-1] >= (SHORTEST_PAUSE if tiles else HOP):
            tiles.append(None)
            bounds.append(start)
        elif tiles:
            bounds[-1] = (bounds[-1] + start) / 2
        tiles.append(number)
        bounds.append(end)
    if length - bounds[-1] >= HOP:
        tiles.append(None)
        bounds.append(length)
    steps = np.arange(len(bounds)) * min(HOP, length // len(tiles))
    free = np.maximum.accumulate(np.rint(bounds).astype(int) - steps)
    free = np.minimum(free, length - steps[-1])
    free[0], free[-1] = 0, length - steps[-1]
    return tiles, (free + steps).tolist()


def _boundary_scores(
    features: np.ndarray, bounds: Sequence[int], refined: Sequence[int], costs: np.ndarray
) -> list[float]:
    """How likely each boundary is within 20 ms of where a phonetician puts it (0..1).

    It is surer where the sound changes much, where refining moved it little, and where the phones
    beside it fit. Logistic regression on boundaries carried to three speakers of emodb (area under
    the curve on two others: 0.78). The recording's own ends are sure.
    """
    sums = np.append(np.zeros((1, features.shape[1])), np.cumsum(features, axis=0), axis=0)
    scores = [1.0]
    for n in range(1, len(bounds) - 1):
        at = min(max(round(refined[n] / STEP), 1), len(features) - 1)
        low, high = max(at - _BESIDE, 0), min(at + _BESIDE, len(features))
        change = (sums[high] - sums[at]) / (high - at) - (sums[at] - sums[low]) / (at - low)
        contrast = np.log(np.sqrt((change**2).mean()) + 0.5)
        moved = abs(refined[n] - bounds[n]) / HOP
        sure = 1.52 - 0.66 * moved + 1.34 * contrast - 2.85 * np.nanmean(costs[n - 1 : n + 1])
        scores.append(float(1 / (1 + np.exp(-sure))))
    return [*scores, 1.0]


def _words(
    donor: Clip, numbers: Sequence[int | None], phones: Sequence[Segment]
) -> tuple[Segment, ...]:
    """The donor's words around their phones: those whose middle lies in the word."""
    said = [
        ((donor.phones[number].start + donor.phones[number].end) // 2, phone)
        for number, phone in zip(numbers, phones)
        if number is not None
    ]
    words = []
    for word in donor.words:
        inside = [phone for middle, phone in said if word.start <= middle < word.end]
        if inside:
            words.append(Segment(word.label, inside[0].start, inside[-1].end))
    return tuple(words)
