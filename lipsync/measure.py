"""How good a model's tracks are: right frames, lips, restlessness; summed over clips, with limits.

What is compared is a track of classes at 100 per second with the track that the labels make
(visemes.comparison), with what the phones ask of lips (visemes.lip_score), and with itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from visemes.classes import CLASSES
from visemes.comparison import Comparison, Motion, compare_tracks, motion
from visemes.inventory import Inventory, load_inventory
from visemes.lip_score import LipScore, lip_score

M = CLASSES.index("M")
REST = CLASSES.index("Neutral")
RATE = 100
"""Frames of a track per second."""


@dataclass(frozen=True)
class Tally:
    """Counts over clips; those of several clips add up with `+`."""

    comparison: Comparison = field(
        default_factory=lambda: Comparison(np.zeros((len(CLASSES), len(CLASSES)), np.int64))
    )
    motion: Motion = field(default_factory=Motion)
    lips: LipScore = field(default_factory=LipScore)
    clips: int = 0
    seconds: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.comparison + other.comparison,
            self.motion + other.motion,
            self.lips + other.lips,
            self.clips + other.clips,
            self.seconds + other.seconds,
        )

    @property
    def confusion(self) -> np.ndarray:
        """Frames, (true class, shown class)."""
        return self.comparison.confusion

    def figures(self) -> dict[str, float]:
        """The measured figures by name; shares in 0..1, rates per second of speech.

        false_closed_share: of the frames without closed lips, those shown closed. Figures that
        nothing was asked for are missing.
        """
        return {
            name: float(value)
            for name, value in {**self._compared(), **self._shown()}.items()
            if value == value
        }

    def _compared(self) -> dict[str, float]:
        """What needs a track to compare with; empty without one."""
        true, shown = self.confusion.sum(1), self.confusion.sum(0)
        open_frames = int(true.sum() - true[M])
        near, nearly = self.comparison.boundary_f1
        if not true.sum():
            return {}
        return {
            "frame_accuracy": self.comparison.frame_accuracy,
            "macro_f1": self.comparison.macro_f1,
            "boundary_f1_20_ms": near,
            "boundary_f1_40_ms": nearly,
            "false_closed_share": (shown[M] - self.confusion[M, M]) / max(1, open_frames),
        }

    def _shown(self) -> dict[str, float]:
        return {
            "lip_score": self.lips.score,
            **{f"lips_{part}": share for part, share in self.lips.shares.items()},
            "changes_per_second": self.motion.changes_per_second,
            "flickers_per_second": self.motion.flickers_per_second,
            "clips": self.clips,
            "seconds": round(self.seconds, 2),
        }

    def recall(self) -> dict[str, float]:
        """The share of each class's frames that were shown right."""
        true = self.confusion.sum(1)
        return {
            name: float(self.confusion[n, n] / true[n]) for n, name in enumerate(CLASSES) if true[n]
        }


def tally(
    true: np.ndarray,
    shown: np.ndarray,
    known: np.ndarray | None = None,
    *,
    phones: Sequence = (),
    ipa: Sequence[str] = (),
    skip: Sequence = (),
) -> Tally:
    """The counts of one clip.

    true, shown: classes per 10 ms frame; of a longer one the end is left out. known: bool, for
    each frame; others do not count. phones (Segments, samples), their ipa, and stretches to skip
    are for the lip score, which is left out without phones.
    """
    frames = min(len(true), len(shown))
    true, shown = np.asarray(true)[:frames], np.asarray(shown)[:frames]
    known = np.ones(frames, bool) if known is None else np.asarray(known)[:frames]
    lips = LipScore()
    if len(phones) and frames:
        lips = lip_score(shown, RATE, phones, _inventory(), ipa=ipa, skip=skip)
    return Tally(
        compare_tracks(true, shown, RATE, len(CLASSES), known),
        motion(shown, RATE, float(np.sum((true != REST) & known)) / RATE),
        lips,
        1,
        frames / RATE,
    )


def total(tallies: Sequence[Tally]) -> Tally:
    """The sum; an empty Tally of nothing."""
    return sum(tallies, Tally())


def intervals(
    speakers: Mapping[str, Tally], *, draws: int = 1000, seed: int = 1
) -> dict[str, tuple[float, float]]:
    """Where 95 of 100 figures lie if other speakers of the same kind had been recorded.

    speakers: the tally of each. Bootstrap: as many speakers are drawn with replacement, `draws`
    times; 2.5th and 97.5th percentile of each figure. Empty for fewer than two speakers.
    """
    names = sorted(speakers)
    if len(names) < 2:
        return {}
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {}
    for _ in range(draws):
        drawn = total([speakers[names[n]] for n in rng.integers(0, len(names), len(names))])
        for name, value in drawn.figures().items():
            found.setdefault(name, []).append(value)
    return {
        name: tuple(float(v) for v in np.percentile(values, [2.5, 97.5]))
        for name, values in found.items()
        if name not in ("clips", "seconds")
    }


@cache
def _inventory() -> Inventory:
    return load_inventory("cherry12")
