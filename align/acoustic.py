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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from align.sounds import SOUNDS, STATE_COUNT
from align.spectrum import log_mel
from clips import BadInput, EngineMissing, replacing

FRAME = 80
"""Samples between frames (5 ms); the boundary between frames k−1 and k is sample k·FRAME."""

BANDS = 40

TRAINING = "python -m pipelines.acoustic"
"""The command that makes the model."""

_MOST_BYTES = 64 << 20  # of a model that is read; ours have 2 MB
_SCALE = 10.0  # dB: what the network sees as 1


def acoustic_features(audio: np.ndarray) -> np.ndarray:
    """Mel bands (dB) in windows of 20 ms every 5 ms: float32, shape (frames, 40)."""
    return log_mel(audio, hop=FRAME, window=320, size=512, bands=BANDS)


def centred(mel: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """What the network sees of mel bands (batch, frames, 40) in dB: the mean of each band over
    the frames that are `inside` (batch, frames) taken off, zeros outside."""
    weight = inside[..., None].to(mel.dtype)
    mean = (mel * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1)
    return (mel - mean) / _SCALE * weight


class AcousticNet(nn.Module):
    """(batch, frames, 40) to scores (batch, frames, STATE_COUNT); frames must be even."""

    def __init__(self, channels: int = 96, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Conv1d(BANDS, channels, 6, stride=2, padding=2)
        self.first_norm = nn.BatchNorm1d(channels)
        self.blocks = nn.ModuleList(_Block(channels, step, dropout) for step in (1, 3, 9, 1))
        self.last = nn.Conv1d(channels, 2 * STATE_COUNT, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.first_norm(self.first(x.transpose(1, 2))))
        for block in self.blocks:
            x = block(x)
        x = self.last(x)
        batch, _, steps = x.shape
        x = x.view(batch, 2, STATE_COUNT, steps).permute(0, 3, 1, 2)
        return x.reshape(batch, 2 * steps, STATE_COUNT)


class _Block(nn.Module):
    def __init__(self, channels: int, step: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=step, dilation=step)
        self.norm = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.dropout(functional.relu(self.norm(self.conv(x))))


@dataclass(frozen=True, eq=False)
class AcousticModel:
    """A trained network and how often each state occurred: (STATE_COUNT,), sums to 1."""

    network: AcousticNet
    prior: np.ndarray

    def log_posteriors(self, audio: np.ndarray) -> np.ndarray:
        """Natural logarithms, float32, shape (ceil(samples / FRAME), STATE_COUNT)."""
        mel = torch.from_numpy(acoustic_features(audio))[None]
        frames = mel.shape[1]
        if frames % 2:
            mel = torch.cat([mel, mel[:, -1:]], dim=1)
        inside = torch.ones(mel.shape[:2], dtype=torch.bool)
        with torch.inference_mode(), _one_thread():
            scores = self.network(centred(mel, inside))
            return functional.log_softmax(scores, dim=2)[0, :frames].numpy()

    def log_likelihoods(self, posteriors: np.ndarray) -> np.ndarray:
        """Log likelihoods, up to a constant per frame, from log posteriors."""
        return posteriors - np.log(np.maximum(self.prior, 1e-5)).astype(np.float32)

    def to_bytes(self) -> bytes:
        """The model as a .npz file; the same weights give the same bytes."""
        arrays = {name: t.cpu().numpy() for name, t in self.network.state_dict().items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, prior=self.prior, sounds=np.array(SOUNDS), **arrays)
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Writes the model; nobody ever sees half a file."""
        with replacing(path) as temporary:
            temporary.write_bytes(self.to_bytes())

    @cached_property
    def digest(self) -> str:
        """A short hash of the weights: the version of the model."""
        state = hashlib.blake2b(self.prior.tobytes(), digest_size=8)
        for name, tensor in sorted(self.network.state_dict().items()):
            state.update(name.encode() + tensor.cpu().numpy().tobytes())
        return state.hexdigest()


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
        network = AcousticNet(channels=len(arrays["first.bias"]))
        network.load_state_dict({name: torch.from_numpy(a) for name, a in arrays.items()})
    except Exception as error:  # a damaged file raises nearly anything
        reason = (str(error).splitlines() or ["?"])[0]
        raise BadInput(
            f"cannot be read as an acoustic model ({reason})",
            where=str(path),
            remedy=f"make it anew: {TRAINING}",
        ) from error
    return AcousticModel(network.eval(), prior)


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


@contextmanager
def _one_thread() -> Iterator[None]:
    """The number of threads changes the last bits, and a worker has one processor anyway."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
