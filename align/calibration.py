"""What an aligner's scores mean: the chance that a boundary lies within 20 ms of the truth.

A logistic model weighs what the alignment itself shows beside each boundary: how well the phones
fit, how long they are for their kind and the clip's tempo, how much the sound changes there,
whether silence is quiet and a stop's sound sinks, how well the whole text matches and, where
there is one, what another aligner says. It was fitted on synthetic speech whose timing is exact
(benchmarks/align_confidence.py writes calibration.yaml); docs/confidence.md has what it is worth on
hand labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import yaml

from align.landmarks import CLASSES, boundary_class
from align.measure import TOLERANCE
from clips import SILENCE, Clip, Op
from clips.arpabet import ARPABET, STOPS

TABLE = Path(__file__).parent / "calibration.yaml"

OP = "calibrate"
"""The name of the Op that `calibrated` adds."""

KINDS = tuple(CLASSES)

EVIDENCE: Mapping[str, int] = {
    "misfit_before": -1,
    "misfit_after": -1,
    "misfit_around": -1,
    "short_before": -1,
    "short_after": -1,
    "long_before": -1,
    "long_after": -1,
    "change": 1,
    "loud_silence": -1,
    "open_closure": -1,
    "match": 1,
    "apart": -1,
}
"""What is weighed besides the kind of the boundary, and whether it speaks for it (1) or against.

misfit: −ln of the phones' scores before and after, and the mean of the three at each side.
short, long: standard deviations of log duration from the phone's usual one at this tempo.
change: root mean square difference of ten bands in the 20 ms before and after (10 dB).
loud_silence: how far silence beside it is above 25 dB under the loud sound (10 dB, at most 3).
open_closure: 1 if the sound sinks by nothing inside P B T D K G M, 0 if by 15 dB or more.
match: `align_match` of the clip. apart: to the other aligner's nearest boundary (20 ms, at most 5);
0 without one.
"""

NAMES = (*KINDS, *EVIDENCE)

_PHONES = (SILENCE, *sorted(ARPABET))
_CODE = {phone: code for code, phone in enumerate(_PHONES)}
_KIND = np.array([KINDS.index(boundary_class(a, b)) for a, b in product(_PHONES, _PHONES)])
_DIPS = np.array([phone in STOPS | {"M"} for phone in _PHONES])
_BLOCK = 80  # samples: levels are read every 5 ms
_WINDOW = 320  # samples: the sound beside a boundary, 20 ms
_SHAPE = np.hanning(_WINDOW).astype(np.float32)
_BANDS = np.array([1, 4, 8, 12, 18, 26, 38, 56, 84, 120])  # where each begins, in steps of 50 Hz
_LEAST_SCORE = 0.02


@cache
def load_weights() -> Mapping[str, np.ndarray]:
    """Of each aligner the weights of NAMES, shape (len(NAMES),), from calibration.yaml.

    Those of "<aligner>+" are for clips that another aligner has seen too. The kinds' weights are
    the constants.
    """
    data = yaml.safe_load(TABLE.read_text("utf-8"))["aligners"]
    return {name: np.array([row[key] for key in NAMES]) for name, row in data.items()}


@cache
def load_durations() -> np.ndarray:
    """Mean and deviation of ln(samples) of each phone, shape (40, 2); SIL's mean nothing."""
    data = yaml.safe_load(TABLE.read_text("utf-8"))["durations"]
    usual = np.mean(list(data.values()), axis=0)  # of a phone that the synthetic speech lacked
    return np.array([data.get(phone, usual) for phone in _PHONES])


def calibrated(clip: Clip, other: Clip | None = None) -> Clip:
    """The aligned clip with scores that are chances.

    The score of each phone becomes the chance that both of its boundaries lie within 20 ms of the
    truth, and the clip's score `confidence` the expected share of such boundaries (0..1). The ends
    of the clip are right by themselves. other: the same clip as another aligner has it.

    clip: as an aligner gives it, with `align.confidence.confidence`'s scores. One that was
    calibrated already, or that an aligner made for which nothing was fitted, comes back as it is.
    """
    name = _aligner_of(clip)
    weights = load_weights().get(f"{name}+" if other else name)
    if weights is None:
        return clip
    chances = boundary_chances(boundary_features(clip, other), weights)
    phones = tuple(
        replace(phone, score=round(chance, 4))
        for phone, chance in zip(clip.phones, phone_chances(chances).tolist())
    )
    share = round(float(chances.mean()), 6) if len(chances) else 0.0
    op = Op.of(OP, aligner=_aligner_of(other) if other else "")
    return clip.with_(phones=phones, ops=(*clip.ops, op)).with_scores(confidence=share)


def boundary_chances(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The chance of each boundary, shape (boundaries,), from `boundary_features`."""
    return 1 / (1 + np.exp(-(features @ weights)))


def phone_chances(chances: np.ndarray) -> np.ndarray:
    """The chance that both boundaries of each phone are right, shape (boundaries + 1,).

    chances: of the inner boundaries. What the features leave unknown of a phone's two boundaries is
    independent: correlations of -0.04 to 0 in the speech that the weights were fitted on.

    >>> phone_chances(np.array([0.9, 0.5])).tolist()
    [0.9, 0.45, 0.5]
    """
    return np.append(1.0, chances) * np.append(chances, 1.0)


def boundary_features(clip: Clip, other: Clip | None = None) -> np.ndarray:
    """What speaks for and against each inner boundary: shape (phones − 1, len(NAMES)).

    clip, other: as in `calibrated`.
    """
    phones = clip.phones
    count = len(phones) - 1
    found = np.zeros((max(count, 0), len(NAMES)))
    if count < 1:
        return found
    code = np.array([_CODE[phone.label] for phone in phones])
    start = np.array([phone.start for phone in phones])
    end = np.append(start[1:], len(clip))
    score = np.array([phone.score or 0.0 for phone in phones])
    misfit = -np.log(np.maximum(score, _LEAST_SCORE))
    sums = np.append(0.0, np.cumsum(misfit))
    number = np.arange(1, count + 1)
    first, last = np.maximum(number - 3, 0), np.minimum(number + 3, count + 1)
    odd = _odd_duration(code, end - start)
    silence, closure = _levels(clip.audio, code, start)
    found[np.arange(count), _KIND[code[:-1] * len(_PHONES) + code[1:]]] = 1
    columns = (
        misfit[:-1],
        misfit[1:],
        (sums[last] - sums[first]) / (last - first),
        np.maximum(-odd[:-1], 0),
        np.maximum(-odd[1:], 0),
        np.maximum(odd[:-1], 0),
        np.maximum(odd[1:], 0),
        _change(clip.audio, start[1:]),
        np.maximum(silence[:-1], silence[1:]),
        np.maximum(closure[:-1], closure[1:]),
        min(max(clip.score["align_match"], -1.0), 1.5),
        _apart(start[1:], other) if other else 0.0,
    )
    for place, column in enumerate(columns, start=len(KINDS)):
        found[:, place] = column
    return found


def fit(features: np.ndarray, right: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The weights, shape (len(NAMES),), with which `features` foretell what is `right` best.

    features: (boundaries, len(NAMES)). right: bool. counts: what each boundary counts for. No
    evidence gets a weight of the wrong sign (see EVIDENCE): what was chance in the synthetic speech
    would do harm elsewhere.
    """
    from scipy.optimize import minimize  # half of the time that a command takes to start

    sign = np.concatenate([np.zeros(len(KINDS)), list(EVIDENCE.values())])
    scale = np.where(sign, features.std(axis=0), 1.0)
    scaled = features / np.where(scale > 0, scale, 1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logit = scaled @ weights
        miss = counts * (1 / (1 + np.exp(-logit)) - right)
        value = counts @ (np.logaddexp(0, logit) - right * logit)
        return value + weights @ weights / 2, scaled.T @ miss + weights

    bounds = [{0: (None, None), 1: (0, None), -1: (None, 0)}[int(s)] for s in sign]
    best = minimize(loss, np.zeros(len(sign)), jac=True, method="L-BFGS-B", bounds=bounds)
    return best.x / np.where(scale > 0, scale, 1.0)


def usual_durations(clips: Sequence[Clip]) -> dict[str, tuple[float, float]]:
    """Mean and deviation of ln(samples) of each phone that clips with true timing have often."""
    lengths: dict[str, list[float]] = {}
    for phone in (phone for clip in clips for phone in clip.phones if phone.label != SILENCE):
        lengths.setdefault(phone.label, []).append(np.log(phone.samples))
    return {
        label: (float(np.mean(values)), float(np.std(values)))
        for label, values in sorted(lengths.items())
        if len(values) >= 10
    }


def _aligner_of(clip: Clip) -> str:
    """The aligner that made the clip's labels; "" if that is not the last thing done."""
    return clip.ops[-1].read()["aligner"] if clip.ops and clip.ops[-1].name == "align" else ""


def _odd_duration(code: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Standard deviations from the usual at the clip's tempo, −4..4; 0 for silence."""
    mean, deviation = load_durations()[code].T
    longer = np.log(samples) - mean
    spoken = code != _CODE[SILENCE]
    tempo = np.median(longer[spoken]) if spoken.any() else 0.0
    return np.where(spoken, ((longer - tempo) / deviation).clip(-4, 4), 0.0)


def _levels(audio: np.ndarray, code: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, ...]:
    """loud_silence and open_closure (see EVIDENCE) of each phone."""
    count = -(-len(audio) // _BLOCK)
    blocks = np.zeros(count * _BLOCK, np.float32)
    blocks[: len(audio)] = audio
    blocks = blocks.reshape(count, _BLOCK)
    power = np.einsum("ij,ij->i", blocks, blocks) / _BLOCK
    level = 10 * np.log10(power + 1e-9)
    loud = np.partition(level, -max(count // 5, 1))[-max(count // 5, 1) :].mean()
    first = np.minimum(start // _BLOCK, count - 1)
    lowest, highest = np.minimum.reduceat(level, first), np.maximum.reduceat(level, first)
    mean = np.add.reduceat(power, first) / np.maximum(np.diff(np.append(first, count)), 1)
    above = (10 * np.log10(mean + 1e-9) - loud + 25) / 10
    beside = np.maximum(np.append(highest[1:], -99.0), np.append(-99.0, highest[:-1]))
    sinks = (beside - lowest) / 15
    return (
        np.where(code == _CODE[SILENCE], above.clip(0, 3), 0.0),
        np.where(_DIPS[code], (1 - sinks).clip(0, 1), 0.0),
    )


def _change(audio: np.ndarray, boundaries: np.ndarray) -> np.ndarray:
    """The change of the sound at each boundary (samples), in 10 dB."""
    places = (boundaries[:, None] + np.array([-_WINDOW, 0])).clip(0, len(audio) - _WINDOW)
    windows = np.lib.stride_tricks.sliding_window_view(audio, _WINDOW)[places]
    spectrum = np.fft.rfft(windows * _SHAPE, axis=2)
    power = np.add.reduceat(spectrum.real**2 + spectrum.imag**2, _BANDS, axis=2)
    # 50 dB under the loudest band nothing is heard to change.
    level = 10 * np.log10(power + (power.max() * 1e-5 + 1e-9))
    return np.sqrt(np.square(level[:, 1] - level[:, 0]).mean(axis=1)) / 10


def _apart(boundaries: np.ndarray, other: Clip) -> np.ndarray:
    """The distance to the other's nearest boundary, in TOLERANCE, at most 5."""
    theirs = np.array([0, *(phone.end for phone in other.phones)])
    after = np.searchsorted(theirs, boundaries).clip(1, len(theirs) - 1)
    nearest = np.minimum(abs(boundaries - theirs[after - 1]), abs(theirs[after] - boundaries))
    return np.minimum(nearest / TOLERANCE, 5.0)
