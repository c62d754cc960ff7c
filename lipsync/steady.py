"""A steady mouth from restless probabilities: fewer changes, and hardly a closure lost.

Between two shapes that are nearly as likely, the likelier one changes from frame to frame; shown
raw, the mouth chatters. Here a change has a price, and the track with the highest probability less
the prices of its changes is shown (Viterbi's algorithm), decided a few frames late so that it works
on streams. Lips that close, or touch the teeth, pay nothing: what an eye misses first comes first.
"""

from __future__ import annotations

import numpy as np

from visemes.classes import CLASSES

PRICE = 4.0
"""Price of a change, in nats: the new shape must gain that much over the frames that follow."""

LAG = 3
"""Frames (10 ms) of delay until a frame's shape is decided."""

HOLD = 3
"""Frames that a shape stays at least once it is shown, unless lips close."""

LIPS_PRICE = 0.0
"""Price of lips that close or touch the teeth, unless they come from the other of the two."""

_LIPS = (CLASSES.index("M"), CLASSES.index("F"))
_PRICES = np.full(len(CLASSES), PRICE)
_PRICES_TO_LIPS = _PRICES.copy()
_PRICES_TO_LIPS[list(_LIPS)] = LIPS_PRICE
_FLOOR = 1e-6


class Steady:
    """The steady track of probabilities that arrive in pieces; together that of the whole."""

    def __init__(self) -> None:
        self._score = np.zeros(len(CLASSES))
        self._back: list[np.ndarray] = []
        self._started = False
        self._shown, self._held = -1, HOLD

    def push(self, probabilities: np.ndarray) -> np.ndarray:
        """Takes (frames, 12), returns the classes decided by them, LAG frames late, int64."""
        decided = []
        for row in np.log(np.maximum(probabilities, _FLOOR)):
            if self._started:
                best = int(self._score.argmax())
                moved = self._score[best] - (_PRICES if best in _LIPS else _PRICES_TO_LIPS)
                stays = self._score >= moved
                self._back.append(np.where(stays, _STAY, best))
                self._score = np.where(stays, self._score, moved)
            self._started = True
            self._score = self._score + (row - row.max())
            self._score -= self._score.max()
            if len(self._back) == LAG:
                decided.append(self._hold(self._trace()[0]))
                del self._back[0]
        return np.array(decided, np.int64)

    def finish(self) -> np.ndarray:
        """The classes still held back, at the end of the sound; then starts afresh."""
        last = [self._hold(state) for state in self._trace()] if self._started else []
        self.__init__()
        return np.array(last, np.int64)

    def _hold(self, wanted: int) -> int:
        """What is shown: late decisions may contradict earlier ones, and would flicker."""
        closes = wanted in _LIPS and self._shown not in _LIPS
        if wanted == self._shown or (self._held < HOLD and not closes):
            self._held += 1
        else:
            self._shown, self._held = wanted, 1
        return self._shown

    def _trace(self) -> list[int]:
        """The classes of the frames that are not decided yet, from now backwards."""
        state = int(self._score.argmax())
        track = [state]
        for back in reversed(self._back):
            state = int(back[state])
            track.append(state)
        return track[::-1]


_STAY = np.arange(len(CLASSES))


def steady_classes(probabilities: np.ndarray) -> np.ndarray:
    """The steady track (frames,) of all probabilities (frames, 12) of a sound."""
    steady = Steady()
    return np.concatenate([steady.push(probabilities), steady.finish()])
