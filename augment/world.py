"""Tempo, pitch and formants by the WORLD vocoder (Morise et al. 2016): one analysis, many voices.

The analysis is a frame every 5 ms: pitch, smooth spectral envelope, aperiodicity. Tempo reads the
frames faster or slower, pitch moves F0, formants stretch the envelope's frequency axis, breath
raises the aperiodicity.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

import numpy as np

from augment.drawn import draw_between
from augment.timemap import TimeMap
from augment.transform import refuse_short
from augment.values import number, span
from augment.voice import VoiceParams, VoiceSettings, VoiceTransform
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

_FFT = 1024  # what cheaptrick takes at 16 kHz
_KNEE = 3000.0  # Hz: at this rate WORLD knows the aperiodicity here alone; it is a line between
_DRY_DB = -60.0  # the aperiodicity at 0 Hz of what is voiced
_KEPT = 4  # analyses kept: a worker makes all variants of a clip one after the other
_cache: OrderedDict[bytes, Analysis] = OrderedDict()


@dataclass(frozen=True)
class WorldSettings(VoiceSettings):
    """As VoiceSettings. breath: how far the voice goes towards a whisper (0..1)."""

    breath: tuple[float, float] = span(0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True)
class WorldParams(VoiceParams):
    """As VoiceParams, and breath as in the settings."""

    breath: float = number(0.0, 1.0, 0.0)


@dataclass(frozen=True, eq=False)
class Analysis:
    """A clip as WORLD sees it; frame k lies at sample k · HOP.

    f0: Hz, 0 where unvoiced, float64, shape (frames,). envelope: log power, float32, shape
    (frames, bins) from 0 to 8000 Hz. noise: aperiodicity at 3 kHz (dB, −60..0), shape (frames,);
    0 where nothing is periodic.
    """

    f0: np.ndarray
    envelope: np.ndarray
    noise: np.ndarray


class World(VoiceTransform):
    """Changes tempo, pitch, vocal tract length and breathiness."""

    name = "world"
    Settings, Params = WorldSettings, WorldParams

    def draw_more(self, rng: np.random.Generator) -> dict[str, float]:
        """See VoiceTransform.draw_more."""
        return {"breath": draw_between(rng, self.settings.breath, 3)}

    def render(self, clip: Clip, params: WorldParams, moved: TimeMap) -> np.ndarray:
        """See VoiceTransform.render."""
        found = analyse(clip)
        frames = (moved.length + DELAY) // HOP + 2
        at = np.minimum(moved.back(np.arange(frames) * HOP) / HOP, len(found.f0) - 1.0)
        low = at.astype(np.int64)
        high = np.minimum(low + 1, len(found.f0) - 1)
        share = at - low
        envelope = found.envelope[low]
        envelope += (found.envelope[high] - envelope) * share[:, None].astype(np.float32)
        # What is voiced on one side only is as on the nearer side.
        both = (found.f0[low] > 0) & (found.f0[high] > 0)
        share = np.where(both, share, np.rint(share))
        f0, noise = (x[low] * (1 - share) + x[high] * share for x in (found.f0, found.noise))
        voiced = f0 > 0
        if voiced.any() and not params.keeps_pitch:
            median = float(np.median(found.f0[found.f0 > 0]))
            f0[voiced] = np.clip(params.scale_pitch(f0[voiced], median), F0_FLOOR, F0_CEIL)
        if params.formants != 1:
            envelope = _scale_axis(envelope, params.formants)
        aperiodicity = _aperiodicity(noise, params.breath)
        sound = load_pyworld().synthesize(
            f0, np.exp(envelope).astype(np.float64, order="C"), aperiodicity, RATE, PERIOD
        )
        return sound[DELAY : DELAY + moved.length]

    def versions(self) -> list[str]:
        """See DrawnTransform.versions."""
        load_pyworld()
        return [f"pyworld {version('pyworld')}"]


def analyse(clip: Clip) -> Analysis:
    """The analysis of a clip's sound; the last few are kept, so more variants cost no more.

    Raises BadAudio for clips below 0.1 s, EngineMissing without pyworld.
    """
    refuse_short(clip)
    key = blake2b(clip.audio.tobytes(), digest_size=16).digest()
    if key in _cache:
        _cache.move_to_end(key)
        return _cache[key]
    world = load_pyworld()
    sound = clip.audio.astype(np.float64)
    f0, times = find_pitch(sound)
    envelope = world.cheaptrick(sound, f0, times, RATE, fft_size=_FFT)
    aperiodicity = world.d4c(sound, f0, times, RATE, fft_size=_FFT)
    at_knee = aperiodicity[:, round(_KNEE * _FFT / RATE)]
    dry = np.minimum(20 * np.log10(np.maximum(at_knee, 1e-3)), -1e-6)
    noise = np.where(aperiodicity[:, 0] > 0.5, 0.0, dry)
    found = Analysis(f0, np.log(np.maximum(envelope, 1e-16)).astype(np.float32), noise)
    _cache[key] = found
    while len(_cache) > _KEPT:
        _cache.popitem(last=False)
    return found


def find_pitch(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pitch (Hz, 0 where unvoiced) and time (s) of each frame of float64 samples: dio, refined
    by stonemask."""
    world = load_pyworld()
    rough, times = world.dio(sound, RATE, f0_floor=F0_FLOOR, f0_ceil=F0_CEIL, frame_period=PERIOD)
    return world.stonemask(sound, rough, times, RATE), times


def _aperiodicity(noise: np.ndarray, breath: float = 0.0) -> np.ndarray:
    """The aperiodicity of all bins (0..1), shape (frames, bins): lines in dB as d4c draws them, and
    by `breath` nearer to 0 dB, where all is noise."""
    hertz = np.arange(_FFT // 2 + 1) * RATE / _FFT
    base = np.interp(hertz, [0, _KNEE], [_DRY_DB, 0.0])
    shape = np.interp(hertz, [0, _KNEE, RATE / 2], [0.0, 1.0, 0.0])
    lines = (base + noise[:, None] * shape) * (1 - breath)
    lines[noise >= 0] = 0.0
    return np.minimum(np.exp(lines * (np.log(10) / 20)), 1 - 1e-12)


def _scale_axis(envelope: np.ndarray, factor: float) -> np.ndarray:
    """Each envelope with what was at f Hz now at f · factor; the top is held where it runs out."""
    bins = envelope.shape[1]
    at = np.minimum(np.arange(bins) / factor, bins - 1.0)
    low = at.astype(np.int64)
    high = np.minimum(low + 1, bins - 1)
    share = (at - low).astype(envelope.dtype)
    return envelope[:, low] * (1 - share) + envelope[:, high] * share


def load_pyworld() -> Any:
    """The library. Raises EngineMissing."""
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
