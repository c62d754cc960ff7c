"""What many tests need: a small clip, and the folder of real recordings where there is one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from clips import Clip, Segment, to_grid
from tests.chromium import CHROMIUM, chromium

# A shell's background jobs ignore Ctrl-C, and so would all that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).parents[1].parent / "shared"


# A slow machine is no fault of the code. Continuous integration looks at the same examples each
# time, so that a change fails for what it changed; elsewhere every run looks at new ones.
settings.register_profile("new", deadline=None)
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same" if os.environ.get("CI") else "new")


@pytest.fixture
def shared() -> Path:
    """The folder of real recordings and rival models beside the project; else the test skips."""
    if not SHARED.is_dir():
        pytest.skip("needs the recordings in ../shared, which are not part of the project")
    return SHARED


@pytest.fixture(scope="module")
def browser():
    """A running Chromium; it ends with its module, since only one may run at a time."""
    pytest.importorskip("playwright", reason="needs the extra `test`")
    if CHROMIUM is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    with chromium() as running:
        yield running


def make_clip(clip_id: str = "clip", seconds: float = 1.0, **changes) -> Clip:
    """A clip with plausible phones: silence, P, AA, silence, and noise where it speaks."""
    samples = int(seconds * 16_000)
    quarter = samples // 4
    rng = np.random.default_rng(len(clip_id))
    audio = rng.normal(0, 0.0005, samples)
    audio[2 * quarter : 3 * quarter] += 0.2 * np.sin(np.arange(quarter) * 0.05)
    phones = (
        Segment("SIL", 0, quarter),
        Segment("P", quarter, 2 * quarter),
        Segment("AA", 2 * quarter, 3 * quarter),
        Segment("SIL", 3 * quarter, samples),
    )
    values = {
        "clip_id": clip_id,
        "audio": to_grid(audio),
        "text": "pa",
        "language": "en",
        "speaker": "tester",
        "source": "test",
        "licence": "CC0-1.0",
        "attribution": "the tests",
        "timing": "exact",
        "split": "train",
        "phones": phones,
        "words": (Segment("pa", quarter, 3 * quarter),),
    }
    return Clip(**{**values, **changes})
