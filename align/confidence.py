"""Which alignments look wrong: a wrong text, words left out, speech that the text does not have.

A forced aligner always forces: it puts any text onto any sound. These measures say where that
went badly; `doubt` turns them into a reason for a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from clips import RATE, SILENCE, BadParams, Clip
from clips.arpabet import VOWELS

SHORTEST = 480
"""The shortest phone that a three-state model can give: three frames of 10 ms (samples)."""

HEARD_WEIGHT, OUTSIDE_WEIGHT = 0.4, 0.3
"""What a nat of evidence by a free recognizer, and the share of loud sound outside the words, count
against the fit (0..1). From a logistic regression: 1,380 utterances (speechocean762) aligned to
their own texts and 806 to each other's."""

USUAL_HEARD, USUAL_MATCH = 0.98, 1.05
"""Medians over the same utterances with their own texts."""

MIDDLE, WIDTH = 0.49, 0.091
"""The match that is as likely right as wrong there, and the logistic width around it."""

SPEAKER_WEIGHT = 0.7
"""The share of a speaker's difference from everybody that is taken out of the match.

Measured on the same utterances, a speaker's usual match taken from the other clips, of which 5 %
had a wrong text: with 0.7 and min_confidence_known 0.65, 96.4 % of the wrong texts and 2.8 % of the
right ones are rejected; with nothing known of the speaker and min_confidence 0.2, 90.6 and 2.7 %.
"""

LEAST_USUAL = 0.75
"""No speaker's usual match counts as lower: where all of a speaker's texts are wrong, comparing
them with each other would excuse them.

Of 349 utterances (43 speakers of speechocean762) with all texts wrong 88.8 % are rejected with it
and 53.3 % without; with 5 % wrong, 97.6 and 97.0 % of the wrong and 2.5 % of the right ones either
way (pocketsphinx; `python benchmarks/align_confidence.py --swapped FOLDER --speakers 0::4`)."""

SECOND_WEIGHT = 0.7
"""What the match of pocketsphinx counts where it stands beside another aligner; the rest is the
other's. Chosen on the same utterances, checked on those of 43 others: with neural and 5 % wrong,
97.4 % of the wrong texts and 3.3 % of the right ones are rejected, by neural alone 91.2 and 6.0 %;
with min_confidence_known 0.5 it is 95.6 and 1.9 %, alone 89.8 and 4.3 % (docs/confidence.md)."""

_HOP = 160  # samples: loudness is measured in blocks of 10 ms
_FLOOR = 1e-10  # power of a block that counts as silent: below one step of the 16-bit grid


@dataclass(frozen=True)
class AlignmentLimits:
    """Beyond these an alignment is rejected.

    min_confidence: how much must speak for the text (0..1; see `confidence`) of a speaker of whom
    nothing is known; min_confidence_known: the same where the speaker's other clips are known (see
    `usual_match`), which tells right from wrong better. max_short_share: share of phones at the
    aligner's minimum duration (0..1). max_vowel: the longest vowel (seconds).
    min_rate, max_rate: phones a second, silence left out. max_silence_db: level of what is
    labelled SIL, relative to the speech (dB). max_outside_share: share of the blocks as loud as
    speech that lie outside the words (0..1). max_leftover: seconds as loud as speech before the
    first and after the last word.
    """

    min_confidence: float = 0.2
    min_confidence_known: float = 0.5
    max_short_share: float = 0.5
    max_vowel: float = 1.5
    min_rate: float = 2.0
    max_rate: float = 25.0
    max_silence_db: float = 3.0
    max_outside_share: float = 0.8
    max_leftover: float = 2.5

    def __post_init__(self) -> None:
        for key in (
            "min_confidence",
            "min_confidence_known",
            "max_short_share",
            "max_outside_share",
        ):
            if not 0 <= getattr(self, key) <= 1:
                raise BadParams(f"{key} is {getattr(self, key)}, not within 0..1")
        if not 0 < self.min_rate < self.max_rate:
            raise BadParams(f"min_rate {self.min_rate} and max_rate {self.max_rate} leave nothing")
        for key in ("max_vowel", "max_leftover"):
            if getattr(self, key) <= 0:
                raise BadParams(f"{key} is {getattr(self, key)} s; it must be above 0")


def confidence(clip: Clip) -> dict[str, float]:
    """What an aligned clip's labels say about themselves, as scores to keep with the clip.

    align_fit: mean of the phones' scores, silence left out. align_match: that fit, the evidence
    of a free phone recognizer (the score align_heard, where the aligner gave one) and the loud
    sound outside the words in one number.
    confidence: the match as a number in 0..1. align_short_share, align_vowel (s),
    align_rate (phones/s), align_silence_db, align_outside_share, align_leftover (s): as in
    AlignmentLimits. A clip without phones other than SIL gets a fit and a rate of 0.
    """
    spoken = [phone for phone in clip.phones if phone.label != SILENCE]
    samples = sum(phone.samples for phone in spoken)
    vowels = [phone.samples for phone in spoken if phone.label in VOWELS]
    power = _block_power(clip.audio)
    inside = np.zeros(len(power), dtype=bool)
    for phone in spoken:
        inside[phone.start // _HOP : max(phone.end // _HOP, phone.start // _HOP + 1)] = True
    speech = float(power[inside].mean()) if inside.any() else _FLOOR
    quiet = float(power[~inside].mean()) if not inside.all() else _FLOOR
    # As loud as speech: within 10 dB of its mean. Weak consonants are quieter, rooms much quieter.
    loud = power > speech / 10
    outside = loud & ~inside
    where = np.flatnonzero(inside)
    ends = np.concatenate([outside[: where[0]], outside[where[-1] + 1 :]]) if where.size else loud
    fit = float(np.mean([phone.score or 0.0 for phone in spoken])) if spoken else 0.0
    heard = clip.score.get("align_heard", USUAL_HEARD)
    share = float(outside.sum() / max(loud.sum(), 1))
    match = fit + HEARD_WEIGHT * heard - OUTSIDE_WEIGHT * share
    return {
        "confidence": match_confidence(match),
        "align_fit": fit,
        "align_match": match,
        "align_short_share": (
            float(np.mean([phone.samples <= SHORTEST for phone in spoken])) if spoken else 0.0
        ),
        "align_vowel": max(vowels, default=0) / RATE,
        "align_rate": len(spoken) * RATE / samples if samples else 0.0,
        "align_silence_db": float(10 * np.log10(max(quiet, _FLOOR) / max(speech, _FLOOR))),
        "align_outside_share": share,
        "align_leftover": float(ends.sum()) * _HOP / RATE,
    }


def match_confidence(match: float, usual: float = USUAL_MATCH) -> float:
    """`align_match` as a number in 0..1, for a speaker whose clips usually match by `usual`.

    Some voices and microphones fit every model badly. Against the same speaker's other clips a
    wrong text shows much better than against everybody's.
    """
    relative = match - SPEAKER_WEIGHT * (usual - USUAL_MATCH)
    return float(1 / (1 + np.exp(-(relative - MIDDLE) / WIDTH)))


def usual_match(others: Sequence[float]) -> float:
    """What a speaker's clips usually match by, from `align_match` of the speaker's other clips.

    Their median, drawn towards everybody's (USUAL_MATCH) as if that were one clip more; LEAST_USUAL
    at least. Up to half of the texts may be wrong. Without any clip it is everybody's.
    """
    if not others:
        return USUAL_MATCH
    return max((median(others) * len(others) + USUAL_MATCH) / (len(others) + 1), LEAST_USUAL)


def second_opinion(
    scores: Mapping[str, float], second: Mapping[str, float] | None
) -> dict[str, float]:
    """The scores with pocketsphinx's `align_match` weighed in (English).

    scores, second: of `confidence`, for the same clip and text by another aligner and by
    pocketsphinx; None if that one found no path, which counts as a match of 0.
    """
    match = second["align_match"] if second else 0.0
    mixed = SECOND_WEIGHT * match + (1 - SECOND_WEIGHT) * scores["align_match"]
    return {**scores, "align_match": mixed, "confidence": match_confidence(mixed)}


def doubt(
    scores: Mapping[str, float],
    limits: AlignmentLimits | None = None,
    usual: float | None = None,
) -> str | None:
    """Why an alignment with these scores (of `confidence`) is not believed; None if it is.

    usual: what this speaker's other clips usually match by (`usual_match`), where that is known.
    The text before the first colon is a fixed phrase that reports can count.
    """
    limit = limits or AlignmentLimits()
    rate = scores["align_rate"]
    if usual is None:
        sure, least = match_confidence(scores["align_match"]), limit.min_confidence
    else:
        sure, least = match_confidence(scores["align_match"], usual), limit.min_confidence_known
    checks = (
        (
            sure < least,
            f"the sound does not fit the text: confidence {sure:.2f}, below {least:.2f}",
        ),
        (
            rate < limit.min_rate,
            f"too slow for speech: {rate:.1f} phones/s, below {limit.min_rate:g}",
        ),
        (
            rate > limit.max_rate,
            f"too fast for speech: {rate:.1f} phones/s, above {limit.max_rate:g}",
        ),
        (
            scores["align_short_share"] > limit.max_short_share,
            f"phones are squeezed: {scores['align_short_share']:.0%} have the shortest possible"
            f" duration, above {limit.max_short_share:.0%}",
        ),
        (
            scores["align_vowel"] > limit.max_vowel,
            f"a vowel is too long: {scores['align_vowel']:.2f} s, above {limit.max_vowel:g} s",
        ),
        (
            scores["align_silence_db"] > limit.max_silence_db,
            f"silence is louder than speech: {scores['align_silence_db']:+.1f} dB,"
            f" above {limit.max_silence_db:+g} dB",
        ),
        (
            scores["align_leftover"] > limit.max_leftover,
            f"speech is left over at the ends: {scores['align_leftover']:.2f} s as loud as the"
            f" words, above {limit.max_leftover:g} s",
        ),
        (
            scores["align_outside_share"] > limit.max_outside_share,
            f"speech lies outside the words: {scores['align_outside_share']:.0%} of the loud"
            f" blocks, above {limit.max_outside_share:.0%}",
        ),
    )
    return next((reason for failed, reason in checks if failed), None)


def _block_power(audio: np.ndarray) -> np.ndarray:
    """Mean power of each whole block of _HOP samples (at least one block)."""
    blocks = max(len(audio) // _HOP, 1)
    padded = np.zeros(blocks * _HOP)
    padded[: min(len(audio), len(padded))] = audio[: len(padded)]
    return np.square(padded.reshape(blocks, _HOP)).mean(axis=1)
