"""Dynamic time warping of one sentence onto another voice saying it, pauses apart.

Every frame of the new recording is one frame of the annotated speech, or silence. The annotated
silence is left out of the template; at every gap between its phones a silence may be inserted, so
pauses come and go without smearing phones.

Libraries (librosa.sequence.dtw, dtaidistance, fastdtw) know no such silence between two frames of a
template; it would have to be guessed before. Measured on 12 s against 11 s: librosa with the same
moves 0.40 s of one processor, and it brings numba; dtaidistance, whose slope cannot be limited,
0.015 s; the search below 0.055 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import dct

from align.spectrum import HIGHEST, LOWEST, log_mel, to_mel

HOP = 160
"""Samples between frames (10 ms). 5 ms gained nothing once boundaries were refined afterwards."""

TRACTS = (0.88, 0.94, 1.0, 1.06, 1.13)
"""Factors by which the new voice's spectrum is stretched; the one that fits best is taken."""

_BANDS, _CEPSTRA = 40, 12
_LEVEL_WEIGHT = 2.0  # of the first cepstrum, which is the level
_REACH = 2  # frames on each side that a delta looks at
_RANGE = 50.0  # dB under the loud frames: softer is equally silent
_LEAST_RANGE = 20.0  # dB between the loud frames and the floor, in whatever noise
_QUIET_MARGIN = 6.0  # dB above the floor that still count as silent
_SPOKEN = 35.0  # dB under the loud frames: what is above counts as speech for normalization

# Moves: (frames of the new recording, frames of the template, penalty). Within these a voice is at
# most three times as fast or as slow as the other.
_MOVES = ((1, 1, 0.0), (1, 2, 0.15), (1, 3, 0.4), (2, 1, 0.3), (3, 1, 1.2))
_FROM_SILENCE = len(_MOVES)
_SILENCE_COST, _SILENCE_SLOPE = 0.6, 0.15  # of a silent frame, and more for each dB that is heard
_NEVER = np.float32(1e9)


@dataclass(frozen=True)
class Spectrum:
    """What warping wants to know of a sound. bands: dB, shape (frames, 40). level: dB, shape
    (frames,), the loudest band. loud: dB, the mean level of the loudest tenth of the frames."""

    bands: np.ndarray
    level: np.ndarray
    loud: float

    @property
    def quiet(self) -> float:
        """The level (dB) up to which a frame may be silence: a little above the softest frames."""
        floor = max(float(np.percentile(self.level, 5)), self.loud - _RANGE)
        return min(floor, self.loud - _LEAST_RANGE) + _QUIET_MARGIN

    @property
    def spoken(self) -> np.ndarray:
        """Whether each frame is as loud as speech, bool, shape (frames,)."""
        return self.level > max(self.loud - _SPOKEN, self.quiet)


@dataclass(frozen=True)
class Path:
    """Where each frame of the new recording lies in the template.

    at: float, shape (frames,), ascending: the template's frame, or gap − 0.5 for silence before
    frame `gap`. local: what each frame costs, shape (frames,). cost: mean cost of the spoken
    frames with the penalties. tract: the factor of TRACTS.
    """

    at: np.ndarray
    local: np.ndarray
    cost: float
    tract: float


def hear(audio: np.ndarray) -> Spectrum:
    """The spectrum of `audio` (float, shape (samples,), 16 kHz), ceil(samples / HOP) frames."""
    bands = log_mel(audio, hop=HOP, window=400, size=512, bands=_BANDS)
    level = bands.max(axis=1)
    loud = float(np.sort(level)[-max(len(level) // 10, 1) :].mean())
    return Spectrum(np.maximum(bands, loud - _RANGE), level, loud)


def voice_blind(bands: np.ndarray, spoken: np.ndarray, tract: float = 1.0) -> np.ndarray:
    """Features in which two voices look alike, float32, shape (frames, 24).

    Mel cepstra of the bands with frequencies times `tract`, and their deltas, each with mean 0 and
    variance 1 over the frames that are `spoken`: level, microphone and most of the voice are gone.
    """
    cepstra = dct(_stretched(bands, tract), axis=1, norm="ortho")[:, :_CEPSTRA]
    padded = np.pad(cepstra, ((_REACH, _REACH), (0, 0)), mode="edge")
    count = len(cepstra)
    deltas = sum(
        k * (padded[_REACH + k :][:count] - padded[_REACH - k :][:count])
        for k in range(1, _REACH + 1)
    )
    both = np.concatenate([cepstra, deltas], axis=1)
    used = both[spoken] if spoken.any() else both
    both = (both - used.mean(axis=0)) / (used.std(axis=0) + 1e-3)
    weights = np.ones(2 * _CEPSTRA)
    weights[[0, _CEPSTRA]] = _LEVEL_WEIGHT
    # Two frames that have nothing to do with each other are then 1 apart on average.
    return (both * weights / np.sqrt(2 * (weights**2).sum())).astype(np.float32)


def find_path(
    template: np.ndarray, new: Spectrum, gaps: Sequence[int], opens: Sequence[float]
) -> Path | None:
    """The cheapest way through the template for a new recording; None if it does not fit.

    template: of `voice_blind`, the spoken frames alone. gaps: frames of the template before which
    silence may stand, ascending and different, 0 and len(template) among them. opens: what each
    silence costs to begin.
    """
    gaps, opens = np.asarray(gaps), np.asarray(opens, np.float32)
    silence = _silence_cost(new)
    voices = [voice_blind(new.bands, new.spoken, tract) for tract in TRACTS]
    # Which tract fits shows on every second frame; the path itself is then looked for on all.
    coarse = np.stack([_distances(voice[::2], template[::2]) for voice in voices])
    coarse_gaps, chosen = np.unique((gaps + 1) // 2, return_index=True)
    totals = _Search(coarse, silence[::2], coarse_gaps, opens[chosen]).totals()
    tract = int(totals.argmin())
    costs = _distances(voices[tract], template)
    search = _Search(costs[None], silence, gaps, opens)
    total = float(search.totals()[0])
    if total >= _NEVER / 2:
        return None
    at = search.trace()
    silent = at % 1 != 0
    frames = np.where(silent, 0, at).astype(int)
    local = np.where(silent, silence, costs[np.arange(len(at)), frames])
    cost = (total - silence[silent].sum()) / max(np.count_nonzero(~silent), 1)
    return Path(at, local, float(cost), TRACTS[tract])


def _stretched(bands: np.ndarray, tract: float) -> np.ndarray:
    """The bands read at `tract` times their frequencies; beyond the last band it is repeated."""
    if tract == 1.0:
        return bands
    centres = np.linspace(to_mel(LOWEST), to_mel(HIGHEST), bands.shape[1] + 2)[1:-1]
    wanted = to_mel(tract * 700 * (10 ** (centres / 2595) - 1))
    place = np.clip((wanted - centres[0]) / (centres[1] - centres[0]), 0, len(centres) - 1.001)
    left = place.astype(int)
    share = (place - left).astype(np.float32)
    return bands[:, left] * (1 - share) + bands[:, left + 1] * share


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))


def _silence_cost(new: Spectrum) -> np.ndarray:
    """What it costs to take each frame for silence: little near the recording's floor."""
    heard = np.maximum(new.level - new.quiet, 0)
    return (_SILENCE_COST + _SILENCE_SLOPE * heard).astype(np.float32)


class _Search:
    """The search itself, for several costs at once, one frame of the new recording at a step.

    costs: shape (searches, frames, template). silence: shape (frames,). gaps, opens: of find_path.
    """

    def __init__(
        self, costs: np.ndarray, silence: np.ndarray, gaps: np.ndarray, opens: np.ndarray
    ) -> None:
        count, frames, size = costs.shape
        inner = gaps < size
        entered = gaps[inner]
        # Column n + 3 of a row is the cheapest path that ends at frame n of the template; column 2
        # is the beginning, before the first frame.
        one, two, three = (np.full((count, size + 3), _NEVER) for _ in range(3))
        one[:, 2] = 0.0
        quiet = np.full((count, len(gaps)), _NEVER)
        before = before_that = np.full((count, size), _NEVER)
        self._gaps = gaps
        self._moves = np.empty((frames, count, size), np.int8)
        self._stays = np.empty((frames, count, len(gaps)), bool)
        for frame in range(frames):
            cost = costs[:, frame]
            spent = (cost, cost + before, cost + before + before_that)
            best, move = np.full((count, size), _NEVER), self._moves[frame]
            for n, (steps, ahead, penalty) in enumerate(_MOVES):
                reached = (one, two, three)[steps - 1][:, 3 - ahead : size + 3 - ahead]
                option = reached + spent[steps - 1]
                option += np.float32(penalty)
                move[option < best] = n
                np.minimum(best, option, out=best)
            after = quiet[:, inner] + cost[:, entered]
            spoke = best[:, entered]
            best[:, entered] = np.minimum(after, spoke)
            move[:, entered] = np.where(after < spoke, _FROM_SILENCE, move[:, entered])
            begun = one[:, gaps + 2] + opens
            self._stays[frame] = quiet <= begun
            quiet = np.minimum(quiet, begun) + silence[frame]
            row = np.full((count, size + 3), _NEVER)
            row[:, 3:] = best
            one, two, three = row, one, two
            before, before_that = cost, before
        self._spoken, self._quiet = one[:, -1], quiet[:, -1]

    def totals(self) -> np.ndarray:
        """The cost of the cheapest path of each search; _NEVER / 2 and more: there is none."""
        return np.minimum(self._spoken, self._quiet)

    def trace(self) -> np.ndarray:
        """The cheapest path of the first search, as Path.at."""
        moves, stays, gaps = self._moves[:, 0], self._stays[:, 0], self._gaps
        frame, place = len(moves) - 1, int(gaps[-1]) - 1
        gap = len(gaps) - 1 if self._quiet[0] <= self._spoken[0] else -1
        at = np.empty(len(moves))
        while frame >= 0:
            if gap >= 0:
                at[frame] = gaps[gap] - 0.5
                if not stays[frame, gap]:
                    place, gap = int(gaps[gap]) - 1, -1
                frame -= 1
            elif moves[frame, place] == _FROM_SILENCE:
                at[frame] = place
                gap = int(np.searchsorted(gaps, place))
                frame -= 1
            else:
                steps, ahead, _ = _MOVES[moves[frame, place]]
                at[frame - steps + 1 : frame + 1] = place
                frame, place = frame - steps, place - ahead
        return at
