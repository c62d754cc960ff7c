"""A steady mouth from restless probabilities: half of the changes, and few lip movements lost.

Between two shapes that are nearly as likely, the likelier one changes from frame to frame; shown
raw, the mouth chatters. Here a change has a price, and the track with the highest probability less
the prices of its changes is shown (Viterbi's algorithm), decided a few frames late so that it works
on streams. As in animation, what lips do is cheap and what the tongue does behind them is dear: it
shows only where it lasts. Lips that close, or touch the teeth, pay least, and open again at once
when they are not closed: what an eye misses first comes first.

The prices were chosen for a network of lipsync/weights on speech that it had not heard, with phones
from the aligner: English (VCTK, LJ Speech, LibriVox and others) and Czech and Dutch actors (Fish
Fillets). There the network of now changes 8.8 and 9.5 times a second of speech, with a lip score of
0.88 and 0.80 instead of 0.92 and 0.85 (`benchmarks/aligned_speech.py`). On EMU and Emo-DB it
changes 8.0 and 10.1 times instead of 19.1 and 22.8, with a lip score of 0.89 and 0.83 instead of
0.95 and 0.88 (`visemill evaluate --truth … --filter`). The labels' own tracks change 13 times, so
fewer changes cost shapes of the tongue: an S that is sure is shown from 140 ms on. A closure of 50
ms that the network is sure of is shown wherever it lies, one of 20 ms only beside F.
"""

from __future__ import annotations

import numpy as np

from visemes.classes import CLASSES

_LIPS = (CLASSES.index("M"), CLASSES.index("F"))

_PRICE_OF = {
    "F": 2.3, "M": 2.5, "Ah": 3.9, "Ee": 3.9, "Oh": 5.5, "Woo": 6.7,
    "Uh": 11.2, "Neutral": 17.1, "S": 31.0, "L": 36.0, "R": 36.0, "D": 41.0,
}  # fmt: skip

PRICES = np.array([_PRICE_OF[name] for name in CLASSES])
"""Price of a change to each class, in nats: so much it must gain over the frames that follow."""

LAG = 6
"""Frames (10 ms) of delay until a frame's shape is decided."""

HOLD = 3
"""Frames that a shape stays at least once it is shown, unless lips close."""

_FLOORS = np.full(len(CLASSES), 0.1)
_FLOORS[list(_LIPS)] = 0.01
"""Lower probabilities count as these: no single frame speaks louder against a shape."""


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
        for row in np.log(np.maximum(probabilities, _FLOORS)):
            if self._started:
                best = int(self._score.argmax())
                moved = self._score[best] - PRICES
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
