"""Two clips one after the other, with silence or noise between; the second may be cut in mid word.

Joined are clips of the same split, language, source and kind of timing only, so a split stays what
it was. Speakers may differ: the speaker is then named "a+b". Licences join with AND, attributions
with semicolons (augment.pool). Scores are left out, since they were measured on one clip alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augment.drawn import DrawnTransform, draw_ratio, draw_seed
from augment.excerpt import cut_clip
from augment.loudness import active_power
from augment.noise import make_noise
from augment.pool import join_credits
from augment.values import Checked, number, span, text, whole
from clips import RATE, SILENCE, BadInput, Clip, Segment, to_grid

SILENT = -120.0
"""A level of the gap (dB) that stands for digital silence."""

_FADE = 32  # samples (2 ms): a cut edge inside a clip makes no click
_PIECE = 8000  # samples: what is left of a clip that is cut, at least


@dataclass(frozen=True, slots=True)
class JoinSettings(Checked):
    """gap: range of seconds between the clips (0..10). silent: share of the gaps (0..1) that are
    digital silence; gap_db: range of the level of the others' pink noise under the speech's active
    level (−100..−10 dB). cut: share of the other clips that are cut at the join, in mid speech.
    """

    gap: tuple[float, float] = span(0, 10, 0.1, 1.5)
    silent: float = number(0, 1, 0.4)
    gap_db: tuple[float, float] = span(-100, -10, -70, -35)
    cut: float = number(0, 1, 0.5)


@dataclass(frozen=True, slots=True)
class JoinParams(Checked):
    """other: the other clip's id; other_start, other_end: its samples that are used. place: 0 if it
    comes first, 1 if it follows. gap: samples between. gap_db: as in the settings, SILENT for none.
    seed: of the noise."""

    other: str = text()
    other_start: int = whole(0, 2**40)
    other_end: int = whole(1, 2**40)
    place: int = whole(0, 1)
    gap: int = whole(0, 10 * RATE)
    gap_db: float = number(SILENT, -10)
    seed: int = whole(0, 2**32 - 1)


class Join(DrawnTransform[JoinParams]):
    """Puts another clip before or behind."""

    name = "join"
    Settings, Params = JoinSettings, JoinParams

    def fits(self, clip: Clip) -> bool:
        """See DrawnTransform.fits: there must be a clip to join with."""
        return bool(self._partners(clip))

    def draw(self, rng: np.random.Generator, clip: Clip) -> JoinParams:
        """See Transform.draw. Raises BadInput if the pool holds no clip to join with."""
        partners = self._partners(clip)
        if not partners:
            raise BadInput(
                "there is no other clip of its split, language, source and timing",
                where=f"clip {clip.clip_id}",
                remedy="give a larger Pool, or leave joins out",
            )
        ranges = self.settings
        other = partners[rng.integers(len(partners))]
        place = int(rng.integers(2))
        start, end = 0, len(other)
        if rng.random() < ranges.cut and len(other) > _PIECE:
            at = int(rng.integers(_PIECE, len(other)))
            start, end = (0, at) if place == 0 else (len(other) - at, len(other))
        low, high = ranges.gap
        gap = round(draw_ratio(rng, (max(low, 0.01), max(high, 0.01)), 4) * RATE) if high else 0
        level = round(float(rng.uniform(*ranges.gap_db)), 1)
        silent = rng.random() < ranges.silent
        return JoinParams(
            other.clip_id, start, end, place, gap, SILENT if silent else level, draw_seed(rng)
        )

    def apply(self, clip: Clip, params: JoinParams) -> Clip:
        """See Transform.apply. Raises BadInput if the pool does not hold the other clip.

        The child has no visemes: at the join they depend on both sides, so they are made anew.
        """
        other = self.pool.find(params.other)
        part = cut_clip(other, params.other_start, params.other_end)
        faded = part.audio.copy()
        if params.other_start:
            faded[:_FADE] *= np.linspace(0, 1, len(faded[:_FADE]))
        if params.other_end < len(other):
            faded[-_FADE:] *= np.linspace(1, 0, len(faded[-_FADE:]))
        parts = [part.with_(audio=faded), clip]
        first, last = parts if params.place == 0 else parts[::-1]
        phones, ipa = _join_phones(first, last, params.gap)
        begins = len(first) + params.gap
        speakers = dict.fromkeys((first.speaker, last.speaker))
        return self.make_child(
            clip,
            params,
            audio=to_grid(np.concatenate([first.audio, _make_gap(clip, params), last.audio])),
            text=f"{first.text} {last.text}".strip(),
            speaker="+".join(speakers),
            words=(*first.words, *(word.moved(begins) for word in last.words)),
            phones=phones,
            ipa=ipa,
            visemes=(),
            scores=(),
            **join_credits(clip, [(other.licence, other.attribution)]),
        )

    def _partners(self, clip: Clip) -> list[Clip]:
        """Clips whose labels may stand beside this one's."""
        return [other for other in self.pool.others(clip) if _kind(other) == _kind(clip)]


def joined_with(clip: Clip) -> list[str]:
    """The ids of the clips that `clip` was joined with: it is only as good as all of them."""
    return [op.read()["other"] for op in clip.ops if op.name == Join.name]


def _kind(clip: Clip) -> tuple:
    return clip.language, clip.source, clip.timing, bool(clip.phones), bool(clip.ipa)


def _make_gap(clip: Clip, params: JoinParams) -> np.ndarray:
    if params.gap_db == SILENT or not params.gap:
        return np.zeros(params.gap)
    noise = make_noise("pink", params.gap, params.seed)
    level = np.sqrt(active_power(clip) * 10 ** (params.gap_db / 10))
    return noise * level / max(float(np.sqrt(np.mean(noise**2))), 1e-9)


def _join_phones(first: Clip, last: Clip, gap: int) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """Phones and IPA of both clips with the gap as silence; silences that touch become one."""
    if not first.phones:
        return (), ()
    begins = len(first) + gap
    pairs = list(zip(first.phones, first.ipa or [""] * len(first.phones)))
    if gap:
        pairs.append((Segment(SILENCE, len(first), begins), ""))
    pairs += zip((p.moved(begins) for p in last.phones), last.ipa or [""] * len(last.phones))
    joined: list[tuple[Segment, str]] = []
    for phone, symbol in pairs:
        if joined and phone.label == SILENCE == joined[-1][0].label:
            before, symbol = joined.pop()
            phone = Segment(SILENCE, before.start, phone.end)
        joined.append((phone, symbol))
    phones, ipa = zip(*joined)
    return phones, ipa if first.ipa else ()


TRANSFORM = Join
