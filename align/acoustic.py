"""The acoustic model: how likely every state of every sound is, each 5 ms of a recording.

40 mel bands every 5 ms, mean over the utterance taken off; a convolution with step 2, residual
dilated convolutions that see 150 ms to each side, and two rows of outputs for each step of 10 ms.
Trained by align.training on synthetic speech; about 160,000 weights.
"""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from threadpoolctl import ThreadpoolController

from align.sounds import SOUNDS, STATE_COUNT
from align.spectrum import log_mel
from clips import BadInput, EngineMissing, replacing

FRAME = 80
"""Samples between frames (5 ms); the boundary between frames k−1 and k is sample k·FRAME."""

BANDS = 40

TRAINING = "python -m pipelines.acoustic"
"""The command that makes the model."""

DILATIONS = (1, 3, 9, 1)
"""Steps between the taps of each residual convolution."""

SCALE = 10.0
"""What the network sees as 1 (dB)."""

_EPSILON = 1e-5  # torch's, under the root of each normalization's variance

_MOST_BYTES = 64 << 20  # of a model that is read; ours have 2 MB


def acoustic_features(audio: np.ndarray) -> np.ndarray:
    """Mel bands (dB) in windows of 20 ms every 5 ms: float32, shape (frames, 40)."""
    return log_mel(audio, hop=FRAME, window=320, size=512, bands=BANDS)


@dataclass(frozen=True, eq=False)
class AcousticModel:
    """A trained network and how often each state occurred: (STATE_COUNT,), sums to 1.

    weights: by the names that align.training's AcousticNet gives them.
    """

    weights: Mapping[str, np.ndarray]
    prior: np.ndarray

    def log_posteriors(self, audio: np.ndarray) -> np.ndarray:
        """Natural logarithms, float32, shape (ceil(samples / FRAME), STATE_COUNT)."""
        with one_thread():
            mel = acoustic_features(audio)
            frames = len(mel)
            if frames % 2:
                mel = np.concatenate([mel, mel[-1:]])
            scores = self.scores((mel - mel.mean(axis=0)) / SCALE)[:frames]
        scores -= scores.max(axis=1, keepdims=True)
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))

    def scores(self, x: np.ndarray) -> np.ndarray:
        """What AcousticNet gives for x (frames, 40), float32: shape (frames, STATE_COUNT).

        In numpy: it is as fast, and to load torch takes as long as to align two minutes of speech.
        frames must be even.
        """
        first, *blocks, last = self._layers
        x = _convolved(x.reshape(len(x) // 2, 2 * BANDS), *first)
        for weights, bias, step in blocks:
            x = x + _convolved(x, weights, bias, step)
        return (x @ last[0] + last[1]).reshape(-1, STATE_COUNT)

    @cached_property
    def _layers(self) -> list[tuple]:
        """Of each convolution the weights (taps, in, out) with its normalization in them, the bias
        and the step between taps; of the last layer weights (in, out) and bias."""
        # The first convolution's step of 2 is one of 1 over pairs of frames.
        first = self._normalized("first", "first_norm")
        layers = [(first[0].reshape(3, 2 * BANDS, -1), first[1], 1)]
        for number, step in enumerate(DILATIONS):
            names = f"blocks.{number}.conv", f"blocks.{number}.norm"
            layers.append((*self._normalized(*names), step))
        last = self.weights["last.weight"][:, :, 0].T
        return [*layers, (np.ascontiguousarray(last), self.weights["last.bias"])]

    def _normalized(self, conv: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
        of = {name: np.asarray(array, np.float64) for name, array in self.weights.items()}
        scale = of[f"{norm}.weight"] / np.sqrt(of[f"{norm}.running_var"] + _EPSILON)
        bias = (of[f"{conv}.bias"] - of[f"{norm}.running_mean"]) * scale + of[f"{norm}.bias"]
        weights = np.ascontiguousarray(of[f"{conv}.weight"].transpose(2, 1, 0) * scale, np.float32)
        return weights, bias.astype(np.float32)

    def log_likelihoods(self, posteriors: np.ndarray) -> np.ndarray:
        """Log likelihoods, up to a constant per frame, from log posteriors."""
        return posteriors - np.log(np.maximum(self.prior, 1e-5)).astype(np.float32)

    def to_bytes(self) -> bytes:
        """The model as a .npz file; the same weights give the same bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, prior=self.prior, sounds=np.array(SOUNDS), **self.weights)
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Writes the model; nobody ever sees half a file."""
        with replacing(path) as temporary:
            temporary.write_bytes(self.to_bytes())

    @cached_property
    def digest(self) -> str:
        """A short hash of the weights: the version of the model."""
        state = hashlib.blake2b(self.prior.tobytes(), digest_size=8)
        for name, array in sorted(self.weights.items()):
            state.update(name.encode() + array.tobytes())
        return state.hexdigest()


def one_thread() -> AbstractContextManager:
    """While it lasts numpy multiplies in one thread: more gain nothing in products this small, wait
    by spinning, and on some processors change the last bits."""
    return _numeric_libraries().limit(limits=1)


@cache
def _numeric_libraries() -> ThreadpoolController:
    return ThreadpoolController()


def load_model(path: str | Path) -> AcousticModel:
    """A model that `AcousticModel.save` wrote.

    Raises EngineMissing if there is no file, BadInput if it is not such a model.
    """
    path = Path(path)
    if not path.is_file():
        raise EngineMissing(
            f"the acoustic model {path} is not there",
            remedy=f"`make repro` trains it, or: {TRAINING}",
        )
    try:
        arrays = _read_arrays(path)
        if tuple(arrays.pop("sounds")) != SOUNDS:
            raise ValueError("it tells other sounds apart")
        prior = arrays.pop("prior")
        model = AcousticModel(arrays, prior)
        model.scores(np.zeros((2, BANDS), np.float32))  # fails where an array is missing or wrong
    except Exception as error:  # a damaged file raises nearly anything
        reason = (str(error).splitlines() or ["?"])[0]
        raise BadInput(
            f"cannot be read as an acoustic model ({reason})",
            where=str(path),
            remedy=f"make it anew: {TRAINING}",
        ) from error
    return model


def _convolved(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, step: int) -> np.ndarray:
    """relu(convolution): x (frames, in) to (frames, out), with zeros around it."""
    count = len(x)
    padded = np.zeros((count + 2 * step, x.shape[1]), np.float32)
    padded[step : step + count] = x
    out = padded[:count] @ weights[0]
    for tap in (1, 2):
        out += padded[tap * step : tap * step + count] @ weights[tap]
    out += bias
    return np.maximum(out, 0, out=out)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file; ValueError if they claim more than a model of ours could have."""
    claimed = 0
    with zipfile.ZipFile(path) as box:
        for info in box.infolist():
            with box.open(info) as member:
                if np.lib.format.read_magic(member) != (1, 0):
                    raise ValueError(f"{info.filename} is no array of ours")
                shape, _, kind = np.lib.format.read_array_header_1_0(member)
            claimed += max(info.file_size, math.prod(shape) * kind.itemsize)
    if claimed > _MOST_BYTES:
        raise ValueError(f"its arrays claim {claimed} bytes")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
