"""The lip score: does a track show what every phonetician agrees that lips do?

Two people who draw the same sentence choose different mouths for most of it, so a share of equal
frames punishes taste. This score asks only for what the sounds themselves need, and so it is fair
to any system and any set of shapes: it looks at `lips` of the inventory's shapes, not at names.

| part | asked of | hit if |
|---|---|---|
| closed | P B M | closed lips at least once from 30 ms before to 10 ms after the sound |
| teeth | F V | lip on the teeth, in the same window |
| rounded | U, O, Y vowels, W | rounded at least once in the middle half of the sound |
| spread | I, E vowels, J | spread at least once in the middle half |
| open | A vowels | jaw at least half open at least once in the middle half |
| rest | silence over 150 ms | lips at rest or closed at least once in the middle half |
| open_vowels | every vowel | lips not shut for half of its middle half or longer |
| open_consonants | consonants with no P B M F V beside them | the same |

The window of 40 ms around a closure: people close their lips a little before the sound, and nobody
sees a picture's difference. Shut is closed or at rest. A diphthong is asked for the shape that it
begins with. Where the IPA of a sound is known it decides; what lips do in other sounds differs
between speakers and is not asked: English [ɒ] and [ɜ] are rounded by some people only, [ɛ] is
spread by some.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import numpy as np

from clips.arpabet import CLOSED, VOWELS
from clips.errors import BadLabels
from clips.segment import RATE, SILENCE, Segment
from visemes.inventory import Inventory

PARTS = (
    "closed", "teeth", "rounded", "spread", "open", "rest", "open_vowels", "open_consonants",
)  # fmt: skip
"""The parts of the score, in order."""

EARLY, LATE = round(0.03 * RATE), round(0.01 * RATE)
"""A closure counts from this long before its sound (30 ms) to this long after it (10 ms)."""

LONG_SILENCE = round(0.15 * RATE)
"""Shorter silences may be held through."""

_BY_PHONE = {
    **dict.fromkeys(CLOSED, "closed"),
    **dict.fromkeys("FV", "teeth"),
    **dict.fromkeys("UW UH OW AO OY W".split(), "rounded"),
    **dict.fromkeys("IY IH EY Y".split(), "spread"),
    **dict.fromkeys("AA AE AY AW".split(), "open"),
}
_BY_SIGN = {
    **dict.fromkeys("uʊoɔyʏøœʉɵwɥʍ", "rounded"),
    **dict.fromkeys("iɪej", "spread"),
    **dict.fromkeys("aɑæ", "open"),
}
_LIP_CONSONANTS = CLOSED | {"F", "V"}
_BOTH_LIPS = frozenset("βɸ")  # nearly closed, and no teeth: nothing is asked of F and V


@cache
def asked_of(phone: str, ipa: str = "") -> str:
    """The part among the first five of PARTS that is asked of a sound, "" if none is.

    >>> asked_of("UW"), asked_of("UW", "ɯ"), asked_of("ER", "øː"), asked_of("OW", "əʊ")
    ('rounded', '', 'rounded', 'rounded')
    """
    if phone in _LIP_CONSONANTS:
        return "" if ipa[:1] in _BOTH_LIPS and ipa else _BY_PHONE[phone]
    if not ipa or phone not in VOWELS | {"W", "Y"}:
        return _BY_PHONE.get(phone, "")
    signs = unicodedata.normalize("NFD", ipa).lstrip("əˈˌ") or "ə"
    return _BY_SIGN.get(signs[0], "")


@dataclass(frozen=True)
class LipScore:
    """How often each part was hit and asked; scores of several clips add up with `+`."""

    hit: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    asked: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))

    def __add__(self, other: LipScore) -> LipScore:
        return LipScore(
            {part: self.hit[part] + other.hit[part] for part in PARTS},
            {part: self.asked[part] + other.asked[part] for part in PARTS},
        )

    @property
    def shares(self) -> dict[str, float]:
        """The share of hits of each part that was asked at all."""
        return {part: self.hit[part] / self.asked[part] for part in PARTS if self.asked[part]}

    @property
    def score(self) -> float:
        """The mean of the shares, 0..1; nan if nothing was asked.

        Not the pooled share: more than half of all questions are whether the mouth is open where it
        should be, and a mouth that stood open for good would have those. So each part counts alike.
        """
        shares = self.shares
        return float(np.mean(list(shares.values()))) if shares else float("nan")


def lip_score(
    classes: np.ndarray,
    rate: float | Fraction,
    phones: Sequence[Segment],
    inventory: Inventory,
    *,
    ipa: Sequence[str] = (),
    skip: Collection[Segment] = (),
) -> LipScore:
    """What a track hits of what `phones` ask.

    classes: a class index of `inventory` for each frame, (frames,); frame k is shown from k / rate
    to (k + 1) / rate seconds, the last one for ever. phones: ARPAbet and SIL in order, samples at
    16 kHz. ipa: one symbol for each phone, or empty. skip: stretches of which nothing is asked,
    such as labels that nobody can read. Raises BadLabels for a track without frames, for a class
    that the inventory does not have and for IPA that does not fit the phones.
    """
    classes = np.asarray(classes)
    if not len(classes) or not 0 <= classes.min() <= classes.max() < len(inventory.classes):
        raise BadLabels(
            "is no track of frames" if not len(classes) else f"has a class {classes.max()}",
            remedy=f"give class indices of {inventory.name}, below {len(inventory.classes)}",
        )
    if ipa and len(ipa) != len(phones):
        raise BadLabels(f"there are {len(ipa)} IPA symbols for {len(phones)} phones")
    known = [not any(p.start < s.end and p.end > s.start for s in skip) for p in phones]
    starts = np.array([p.start for p in phones], float)
    ends = np.array([p.end for p in phones], float)
    quarter = (ends - starts) / 4
    asks = _asks(phones, ipa or [""] * len(phones))
    lips = [inventory.lips[viseme] for viseme in inventory.classes]
    hit, asked = {}, {}
    for part in PARTS:
        chosen = np.flatnonzero(asks[part] & np.array(known, bool))
        if part in ("closed", "teeth"):
            windows = starts[chosen] - EARLY, ends[chosen] + LATE
        else:
            windows = (starts + quarter)[chosen], (ends - quarter)[chosen]
        wanted = {"rest", "closed"} if part in ("rest", *PARTS[6:]) else {part}
        share = _share(classes, float(rate), [word in wanted for word in lips], *windows)
        hits = share < 0.5 if part in PARTS[6:] else share > 0
        hit[part], asked[part] = int(hits.sum()), len(chosen)
    return LipScore(hit, asked)


def _asks(phones: Sequence[Segment], ipa: Sequence[str]) -> dict[str, np.ndarray]:
    """For each part, which phones it is asked of, bool (phones,)."""
    labels = [phone.label for phone in phones]
    of = np.array([asked_of(label, sign) for label, sign in zip(labels, ipa)], dtype=object)
    silent = np.array([label == SILENCE for label in labels], bool)
    vowel = np.array([label in VOWELS for label in labels], bool)
    lip = np.array([False, *(label in _LIP_CONSONANTS for label in labels), False], bool)
    beside = lip[:-2] | lip[1:-1] | lip[2:]
    long = np.array([phone.samples > LONG_SILENCE for phone in phones], bool)
    return {
        **{part: of == part for part in PARTS[:5]},
        "rest": silent & long,
        "open_vowels": vowel,
        "open_consonants": ~silent & ~vowel & ~beside,
    }


def _share(
    classes: np.ndarray, rate: float, wanted: Sequence[bool], first: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """The share of each window (samples) in which a class that is `wanted` is shown."""
    edges = np.arange(len(classes) + 1) * (RATE / rate)
    shown = np.array(wanted, bool)[classes]
    time = np.r_[0.0, np.cumsum(shown)] * (RATE / rate)
    end = max(edges[-1], last.max(initial=0.0)) + 1.0
    edges, time = np.r_[edges, end], np.r_[time, time[-1] + shown[-1] * (end - edges[-1])]
    first = np.maximum(first, 0.0)
    spent = np.interp(last, edges, time) - np.interp(first, edges, time)
    spent[spent < 1e-6] = 0.0  # rounding, less than a sample
    return spent / np.maximum(last - first, 1e-9)
