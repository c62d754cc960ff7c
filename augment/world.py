"""Tempo, pitch and formants by the WORLD vocoder (Morise et al. 2016): one analysis, many voices.

The analysis is a frame every 5 ms: pitch, smooth spectral envelope, aperiodicity. Tempo reads the
frames faster or slower, pitch multiplies F0, formants stretch the envelope's frequency axis.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from augment.transform import refuse_short
from augment.voice import VoiceParams, VoiceTransform
from clips import RATE, Clip, EngineMissing

PERIOD = 5.0
"""Milliseconds between two frames of the analysis."""

HOP = 80
"""The same in samples."""

DELAY = 24
"""Samples that WORLD's sound comes late, taken off its start (1.5 ms).

Its responses have minimum phase, so their energy follows the pulse. Measured without it: envelopes
of six sentences (flite, and a human speaker) matched against the parent's in windows of 150 ms,
tempo 0.7 to 1.43, −6 to +6 semitones: 2.0 ms late (median); edges of noise and tone bursts: 1.0.
"""

F0_FLOOR, F0_CEIL = 60.0, 700.0
"""Range of pitches that are looked for and made (Hz): low men to children."""

_KEPT = 4  # analyses kept: a worker makes all variants of a clip one after the other
_cache: OrderedDict[bytes, Analysis] = OrderedDict()


@dataclass(frozen=True, eq=False)
class Analysis:
    """A clip as WORLD sees it; frame k lies at sample k · HOP.

    f0: Hz, 0 where unvoiced, shape (frames,). envelope: log power, shape (frames, bins).
    aperiodicity: 0..1, shape (frames, bins). bins run from 0 to 8000 Hz.
    """

    f0: np.ndarray
    envelope: np.ndarray
    aperiodicity: np.ndarray


class World(VoiceTransform):
    """Changes tempo, pitch and vocal tract length; about 15 times faster than real time."""

    name = "world"

    def render(self, clip: Clip, params: VoiceParams, length: int) -> np.ndarray:
        """See VoiceTransform.render."""
        found = analyse(clip)
        frames = (length + DELAY) // HOP + 2
        at = np.minimum(np.arange(frames) * params.tempo, len(found.f0) - 1.0)
        low = at.astype(np.int64)
        high = np.minimum(low + 1, len(found.f0) - 1)
        share = (at - low)[:, None]
        envelope = found.envelope[low] * (1 - share) + found.envelope[high] * share
        aperiodicity = found.aperiodicity[low] * (1 - share) + found.aperiodicity[high] * share
        f0 = _between(found.f0[low], found.f0[high], share[:, 0])
        if params.semitones:
            shifted = np.clip(f0 * 2 ** (params.semitones / 12), F0_FLOOR, F0_CEIL)
            f0 = np.where(f0 > 0, shifted, 0.0)
        if params.formants != 1:
            envelope = _scale_axis(envelope, params.formants)
        values = (np.ascontiguousarray(x) for x in (f0, np.exp(envelope), aperiodicity))
        sound = _pyworld().synthesize(*values, RATE, PERIOD)
        return sound[DELAY : DELAY + length]


def analyse(clip: Clip) -> Analysis:
    """The analysis of a clip's sound; the last few are kept, so more variants cost no more.

    Raises BadAudio for clips below 0.1 s, EngineMissing without pyworld.
    """
    refuse_short(clip)
    key = blake2b(clip.audio.tobytes(), digest_size=16).digest()
    if key in _cache:
        _cache.move_to_end(key)
        return _cache[key]
    world = _pyworld()
    sound = clip.audio.astype(np.float64)
    rough, times = world.dio(sound, RATE, f0_floor=F0_FLOOR, f0_ceil=F0_CEIL, frame_period=PERIOD)
    f0 = world.stonemask(sound, rough, times, RATE)
    envelope = world.cheaptrick(sound, f0, times, RATE)
    aperiodicity = world.d4c(sound, f0, times, RATE)
    found = Analysis(f0, np.log(np.maximum(envelope, 1e-16)), aperiodicity)
    _cache[key] = found
    while len(_cache) > _KEPT:
        _cache.popitem(last=False)
    return found


def _between(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Pitch between two frames: in between if both are voiced, else that of the nearer one."""
    both = (a > 0) & (b > 0)
    return np.where(both, a * (1 - share) + b * share, np.where(share < 0.5, a, b))


def _scale_axis(envelope: np.ndarray, factor: float) -> np.ndarray:
    """Each envelope with what was at f Hz now at f · factor; the top is held where it runs out."""
    bins = envelope.shape[1]
    at = np.minimum(np.arange(bins) / factor, bins - 1.0)
    low = at.astype(np.int64)
    high = np.minimum(low + 1, bins - 1)
    share = at - low
    return envelope[:, low] * (1 - share) + envelope[:, high] * share


def _pyworld() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports pkg_resources, which warns
            import pyworld
    except ImportError as error:
        raise EngineMissing(
            "pyworld is not installed", remedy='pip install "pyworld>=0.3.5" "setuptools<81"'
        ) from error
    return pyworld


TRANSFORM = World
