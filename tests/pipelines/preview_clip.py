"""A clip whose sound and mouths can be measured: a tone that stops while the lips are shut."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

CLOSURES = ((0.613, 0.663), (1.2, 1.31), (2.027, 2.077))
"""Seconds; 50 ms is the shortest that a P is."""

SECONDS = 3.0


@pytest.fixture
def clip(tmp_path):
    """A folder with speech.wav and cues.json: the lips shut in CLOSURES, wide open elsewhere."""
    times = np.arange(int(SECONDS * 16_000)) / 16_000
    tone = 0.4 * np.sin(2 * np.pi * 220 * times)
    cues = [(0.0, "D")]
    for start, end in CLOSURES:
        tone[(times >= start) & (times < end)] = 0
        cues += [(start, "A"), (end, "D")]
    soundfile.write(tmp_path / "speech.wav", tone, 16_000)
    lines = ", ".join(f'{{"time": {time}, "letter": "{letter}"}}' for time, letter in cues)
    (tmp_path / "cues.json").write_text(f'{{"fps": 100, "seconds": {SECONDS}, "cues": [{lines}]}}')
    return tmp_path
