"""A check of a voice transform's child: clipping, level, length, and whether it still says it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy import fft
from scipy.signal import decimate

from augment.timemap import TimeMap
from augment.voice import VoiceParams, read_params, voice_map
from clips import RATE, SILENCE, BadParams, Clip

_WINDOW, _HOP = 400, 160  # samples: 25 ms every 10 ms
_HANN = np.hanning(_WINDOW).astype(np.float32)
_BANDS = 12  # wide enough that single harmonics do not show
_RANGE_DB = 40.0  # frames this far below the loudest are room, not speech
_SHORTEST = 640  # samples: what is heard of a shorter phone is mostly its neighbours
_LONG = 400  # samples at 8 kHz: 50 ms, three periods of 60 Hz
_FEWEST = 20  # frames: of fewer a share says nothing
_UNVOICED, _VOICED = 0.4, 0.7  # periodicity: below and above which a frame is clearly so


@dataclass(frozen=True)
class QualityLimits:
    """Beyond these a child is rejected.

    max_clipped: share of samples at full scale that the child has more than its parent (0..1).
    max_level_db: difference of RMS levels (dB). max_distance_db: mean difference of the smoothed
    log-mel pictures after undoing tempo and formants (dB). max_phone_db: the same within one phone
    of 40 ms or more; beyond it the phone is lost. max_lost: share of the phones that may be lost.
    max_voicing: share of the voiced frames that are no longer, or of the others that now are.
    """

    max_clipped: float = 0.0005
    max_level_db: float = 3.0
    max_distance_db: float = 4.0
    max_phone_db: float = 12.0
    max_lost: float = 0.0
    max_voicing: float = 0.2

    def __post_init__(self) -> None:
        for key in (f.name for f in fields(self)):
            if not getattr(self, key) >= 0:
                raise BadParams(f"{key} is {getattr(self, key)}; it must not be below 0")


def find_fault(parent: Clip, child: Clip, limits: QualityLimits | None = None) -> str | None:
    """What is wrong with `child`, made from `parent` by its last Op; None if nothing is.

    The text before the first colon is a fixed phrase that reports can count.
    """
    limit = limits or QualityLimits()
    new = child.ops[len(parent.ops) :]
    params = read_params(new[-1]) if new else VoiceParams()
    moved = voice_map(parent, params)
    if abs(len(child) - moved.length) > 2:
        return f"wrong length: {len(child)} samples, not {moved.length}"
    clipped = _clipped(child.audio) - _clipped(parent.audio)
    if clipped > limit.max_clipped:
        return f"clipped: {clipped:.2%} of the samples more than in the parent"
    level = _level_db(child.audio) - _level_db(parent.audio)
    if abs(level) > limit.max_level_db:
        return f"level changed: by {level:+.1f} dB, more than {limit.max_level_db:g} dB"
    distances, loud = frame_distances(parent, child, moved, params.formants)
    distance = float(distances.mean(where=loud))
    if distance > limit.max_distance_db:
        return (
            f"sounds different: {distance:.1f} dB from the parent, above {limit.max_distance_db:g}"
        )
    phones = phone_distances(parent, distances)
    lost = [found for found in phones if found[2] > limit.max_phone_db]
    if len(lost) > limit.max_lost * len(phones):
        label, at, far = max(lost, key=lambda found: found[2])
        return f"phones lost: {len(lost)} of {len(phones)}, {label} at {at:.2f} s by {far:.0f} dB"
    voicing = voicing_difference(parent, child, moved, loud)
    if voicing > limit.max_voicing:
        return f"voicing differs: in {voicing:.0%} of such frames, above {limit.max_voicing:.0%}"
    return None


def spectral_distance(parent: Clip, child: Clip, tempo: float = 1.0) -> float:
    """Mean difference in dB between two clips' smoothed log-mel pictures, tempo undone."""
    distances, loud = frame_distances(parent, child, voice_map(parent, VoiceParams(tempo)))
    return float(distances.mean(where=loud))


def frame_distances(
    parent: Clip, child: Clip, moved: TimeMap, formants: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Difference in dB between two clips' smoothed log-mel pictures at every 10 ms of the parent,
    and whether that frame is speech rather than room; both of shape (frames,).

    Time and the scale of the formants are undone, and the mean of each band over the speech is
    taken out: what counts is that the same sounds come at the same places.
    """
    at = np.arange(0, len(parent), _HOP)
    ours = _log_mel(parent.audio, at)
    theirs = _log_mel(child.audio, moved.ahead(at), formants)
    loud = ours.max(axis=1) > ours.max() - _RANGE_DB
    ours, theirs = (np.maximum(x, x.max() - 2 * _RANGE_DB) for x in (ours, theirs))
    difference = _smooth(ours - theirs)
    return np.abs(difference - difference[loud].mean(axis=0)).mean(axis=1), loud


def phone_distances(parent: Clip, distances: np.ndarray) -> list[tuple[str, float, float]]:
    """Label, start (s) and mean distance (dB) of each phone of 40 ms or more; silences left out."""
    return [
        (phone.label, phone.start / RATE, float(distances[first:last].mean()))
        for phone in parent.phones
        if phone.label != SILENCE and phone.samples >= _SHORTEST
        for first, last in [(-(-phone.start // _HOP), -(-phone.end // _HOP))]
    ]


def voicing_difference(parent: Clip, child: Clip, moved: TimeMap, loud: np.ndarray) -> float:
    """Share of the parent's clearly voiced frames that are clearly not in the child, or of the
    unvoiced ones that are, whichever is more; `loud` frames of the parent alone."""
    at = np.arange(0, len(parent), _HOP)
    ours, theirs = _periodicity(parent.audio, at), _periodicity(child.audio, moved.ahead(at))
    shares = [
        np.sum(loud & before & after) / max(np.sum(loud & before), _FEWEST)
        for before, after in (
            (ours > _VOICED, theirs < _UNVOICED), (ours < _UNVOICED, theirs > _VOICED)
        )
    ]  # fmt: skip
    return float(max(shares))


def _periodicity(audio: np.ndarray, at: np.ndarray) -> np.ndarray:
    """How periodic (0..1) the sound around the samples `at` is: the highest peak of the
    autocorrelation at periods of 60 to 500 Hz, the window's own divided out (Boersma 1993)."""
    half = decimate(audio, 2, ftype="fir").astype(np.float32)
    padded = np.pad(half, (_LONG // 2, _LONG))
    starts = np.minimum(np.rint(at / 2).astype(np.int64), len(half))
    frames = padded[starts[:, None] + np.arange(_LONG)]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * np.hanning(_LONG).astype(np.float32)
    lags = slice(RATE // 2 // 500, RATE // 2 // 60 + 1)
    found = _autocorrelation(frames)
    window = _autocorrelation(np.hanning(_LONG).astype(np.float32)[None])
    peak = (found[:, lags] / np.maximum(window[:, lags], 1e-3)).max(axis=1)
    return np.clip(peak / np.maximum(found[:, 0], 1e-6), 0, 1) * window[0, 0]


def _autocorrelation(frames: np.ndarray) -> np.ndarray:
    spectrum = fft.rfft(frames, 1024)
    return fft.irfft(spectrum.real**2 + spectrum.imag**2)


def _log_mel(audio: np.ndarray, at: np.ndarray, formants: float = 1.0) -> np.ndarray:
    """Log-mel frames (dB), shape (len(at), _BANDS), centred on the samples `at`; the bands lie
    where formants are that were scaled by `formants`."""
    padded = np.pad(audio, (_WINDOW // 2, _WINDOW + _HOP))
    starts = np.minimum(np.rint(at).astype(np.int64), len(audio))
    frames = padded[starts[:, None] + np.arange(_WINDOW)] * _HANN
    spectrum = fft.rfft(frames, 512)
    power = (spectrum.real**2 + spectrum.imag**2) @ _mel_bands(formants)
    return 10 * np.log10(np.maximum(power, 1e-10))


def _mel_bands(formants: float) -> np.ndarray:
    """Triangular bands evenly spaced in mel from 100 to 6500 Hz, scaled, shape (257, _BANDS)."""
    mel = np.linspace(*(2595 * np.log10(1 + np.array([100.0, 6500.0]) / 700)), _BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1) * formants
    hertz = np.arange(257) * RATE / 512
    rise = (hertz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rise, fall), 0).astype(np.float32)


def _smooth(picture: np.ndarray) -> np.ndarray:
    """Mean over 5 frames (50 ms), so that single pitch pulses do not show."""
    padded = np.pad(picture, ((2, 2), (0, 0)), mode="edge")
    return sum(padded[n : n + len(picture)] for n in range(5)) / 5


def _clipped(audio: np.ndarray) -> float:
    return float(np.mean(np.abs(audio) >= 0.9995)) if len(audio) else 0.0


def _level_db(audio: np.ndarray) -> float:
    return float(10 * np.log10(max(np.mean(np.square(audio, dtype=np.float64)), 1e-10)))
