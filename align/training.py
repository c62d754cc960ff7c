"""Training the acoustic model on speech whose phone times are known.

Synthetic voices are few, clean and stamped by rules, so every sequence is changed at random before
the network sees it: the vocal tract, the spectrum of the channel, the room, noise, and the level
and spectrum of each sound in it, since real speakers' nasals are not as loud as espeak-ng's.
The labels are made more like a phonetician's first: boundaries move up to 15 ms to the change in
the sound (align.refine), stops are divided at their burst, and a stop gives the noise of its
release to a fricative after it, 10 ms behind the burst: there is one stretch of noise, and
phoneticians call it the fricative's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from align.acoustic import BANDS, DILATIONS, FRAME, SCALE, AcousticModel, acoustic_features
from align.refine import HOP, change_features, refine
from align.sounds import FRICATIVES, SOUNDS, STATE_COUNT, STATES, STOPS, sound_of
from align.spectrum import HIGHEST, LOWEST, to_mel
from clips import BadInput, Clip, draw_stream, replacing

_DB = math.log(10.0) / 10.0  # natural logarithm of a power, in dB
_TAIL = 40  # frames of reverberation (200 ms)
_BURST_DB = 8.0  # a burst is a rise of at least this much above 700 Hz
_BLOCK = 100_000  # frames that are hashed at once
_RELEASE = 160  # samples after the burst that stay with a stop before a fricative


@dataclass(frozen=True, slots=True)
class AcousticParams:
    """The `acoustic` block of params.yaml.

    frames: length of a training sequence (5 ms each). learning_rate: the top of the one-cycle
    schedule. tract, contrast: standard deviations of the logarithms of the vocal tract's length
    and of the spectral contrast. tilt_db, band_db, sound_db: standard deviations of the spectral
    slope, of a smooth bend of the channel, and of level and bend of each sound. snr_db: the range
    of the noise under the loud frames. reverberant: share of sequences in a room. hours: the most
    speech that is learned from; of more, clips are drawn.
    """

    epochs: int = 5
    batch: int = 32
    frames: int = 600
    channels: int = 96
    dropout: float = 0.1
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    tract: float = 0.1
    contrast: float = 0.25
    tilt_db: float = 6.0
    band_db: float = 3.0
    sound_db: float = 5.0
    snr_db: tuple[float, float] = (-5.0, 50.0)
    reverberant: float = 0.7
    hours: float = 4.0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.channels) < 1:
            raise ValueError("epochs, batch and channels must be at least 1")
        if self.frames < 2 or self.frames % 2:
            raise ValueError(f"frames is {self.frames}, not an even number")


class Store(Protocol):
    """Frames outside memory, such as lipsync.frame_file.FrameFile."""

    def append(self, rows: np.ndarray) -> None:
        """Adds frames, shape (any, 40)."""

    def __getitem__(self, wanted: slice) -> np.ndarray:
        """Some frames, shape (any, 40)."""

    def gather(self, places: np.ndarray) -> np.ndarray:
        """The frames at `places` (sequences, length), each sequence rising by 0 or 1."""

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """Clips as frames: mel (N, 40) float16, states (N,) int16, and each clip's first frame (and N
    at the end) in `offsets`. mel: an array, or a Store."""

    mel: np.ndarray | Store
    states: np.ndarray
    offsets: np.ndarray

    @property
    def minutes(self) -> float:
        """How much speech this is."""
        return len(self.mel) * FRAME / 16_000 / 60

    def digest(self) -> bytes:
        """A hash of all frames, states and clips."""
        state = blake2b(digest_size=16)
        for first in range(0, len(self.mel), _BLOCK):
            state.update(np.ascontiguousarray(self.mel[first : first + _BLOCK]))
        for array in (self.states, np.asarray(self.offsets, np.int64)):
            state.update(np.ascontiguousarray(array))
        return state.digest()


def collect(clips: Iterable[Clip], store: Store | None = None) -> Speech:
    """The frames of clips with phones; their mel bands in `store` if there is one, which must be
    empty. Raises BadInput if there are no clips."""
    mel, states = [], []
    for clip in clips:
        bands = acoustic_features(clip.audio).astype(np.float16)
        (mel if store is None else store).append(bands)
        states.append(frame_states(clip))
    if not states:
        raise BadInput("there is no speech to train on", remedy="run the stages before this one")
    offsets = np.cumsum([0, *map(len, states)])
    return Speech(np.concatenate(mel) if store is None else store, np.concatenate(states), offsets)


def frame_states(clip: Clip) -> np.ndarray:
    """The state of each frame of a clip with phones: int16, shape (ceil(samples / FRAME),)."""
    sounds = [
        sound_of(phone.label, ipa)
        for phone, ipa in zip(clip.phones, clip.ipa or [""] * len(clip.phones))
    ]
    features = change_features(clip.audio)
    given = [0, *(phone.end for phone in clip.phones)]
    bounds = refine(features, given, reach=6, rounds=1)
    level = features[:, 6:].mean(axis=1)
    cuts: list[tuple[int, int, int]] = []  # sound, where it ends, where its state 0 ends if a stop
    for n, (sound, (start, end)) in enumerate(zip(sounds, pairwise(bounds))):
        burst = 0
        if sound in STOPS:
            burst = min(max(_burst(level, start, end), start + FRAME), end - HOP)
            following = sounds[n + 1] if n + 1 < len(sounds) else 0
            affricate = SOUNDS[sound] in ("tʃ", "dʒ")
            if following in FRICATIVES and not affricate and burst + _RELEASE < end:
                bounds[n + 1] = end = burst + _RELEASE
        cuts.append((sound, end, burst))
    count = -(-len(clip) // FRAME)
    centres = np.arange(count) * FRAME + FRAME // 2
    ends = np.array([end for _, end, _ in cuts])
    which = np.minimum(np.searchsorted(ends, centres, side="right"), len(cuts) - 1)
    sound = np.array([sound for sound, _, _ in cuts])[which]
    burst = np.array([burst for _, _, burst in cuts])[which]
    start, end = np.array([0, *ends[:-1]])[which], ends[which]
    thirds = np.minimum((centres - start) * STATES // np.maximum(end - start, 1), STATES - 1)
    parts = np.where(centres < burst, 0, np.where(2 * (centres - burst) < end - burst, 1, 2))
    state = np.where(burst > 0, parts, thirds)
    return np.where(sound == 0, 0, 1 + (sound - 1) * STATES + state).astype(np.int16)


def _burst(level: np.ndarray, start: int, end: int) -> int:
    """The sample where a stop's closure ends: the steepest rise of `level` (dB, every HOP).

    Where it does not rise by _BURST_DB, 0.7 of the stop: the median share of the closure.
    """
    steps = np.arange(max(start // HOP + 2, 4), min(end // HOP + 1, len(level) - 2))
    if len(steps):
        sums = np.concatenate([[0.0], np.cumsum(level, dtype=np.float64)])
        rise = (sums[steps + 2] - sums[steps]) / 2 - (sums[steps - 1] - sums[steps - 4]) / 3
        best = int(rise.argmax())
        if rise[best] > _BURST_DB:
            return int(steps[best]) * HOP
    return start + round(0.7 * (end - start))


# ---------------------------------------------------------------- the network


class AcousticNet(nn.Module):
    """(batch, frames, 40) to scores (batch, frames, STATE_COUNT); frames must be even."""

    def __init__(self, channels: int = 96, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Conv1d(BANDS, channels, 6, stride=2, padding=2)
        self.first_norm = nn.BatchNorm1d(channels)
        self.blocks = nn.ModuleList(_Block(channels, step, dropout) for step in DILATIONS)
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


def model_of(network: AcousticNet, prior: np.ndarray) -> AcousticModel:
    """The model that a trained network is."""
    state = network.state_dict()
    return AcousticModel({name: t.cpu().numpy().copy() for name, t in state.items()}, prior)


# ---------------------------------------------------------------- what the network sees


def centred(mel: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """What the network sees of mel bands (batch, frames, 40) in dB: the mean of each band over
    the frames that are `inside` (batch, frames) taken off, zeros outside."""
    weight = inside[..., None].to(mel.dtype)
    mean = (mel * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1)
    return (mel - mean) / SCALE * weight


class _Source:
    """Speech on the device, from which sequences are cut."""

    def __init__(self, speech: Speech, device: torch.device) -> None:
        in_memory = isinstance(speech.mel, np.ndarray)
        self.mel = torch.from_numpy(speech.mel).to(device) if in_memory else speech.mel
        self.states = torch.from_numpy(speech.states).to(device)
        self.offsets = torch.from_numpy(np.asarray(speech.offsets, np.int64)).to(device)

    def draw(
        self, count: int, frames: int, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """mel (count, frames, 40), states (count, frames), which frames are inside their clip."""
        device = self.states.device
        middle = torch.rand(count, generator=rng, device=device, dtype=torch.float64)
        middle = (middle * len(self.mel)).long()
        clip = torch.searchsorted(self.offsets, middle, right=True) - 1
        first, end = self.offsets[clip], self.offsets[clip + 1]
        start = torch.maximum(torch.minimum(middle - frames // 2, end - frames), first)
        places = start[:, None] + torch.arange(frames, device=device)
        inside = places < end[:, None]
        places = places.clamp_max(len(self.mel) - 1)
        if isinstance(self.mel, torch.Tensor):
            mel = self.mel[places]
        else:
            mel = torch.from_numpy(self.mel.gather(places.cpu().numpy())).to(device)
        return mel.float(), self.states[places].long(), inside


def augment(
    mel: torch.Tensor,
    states: torch.Tensor,
    inside: torch.Tensor,
    params: AcousticParams,
    rng: torch.Generator,
) -> torch.Tensor:
    """Mel bands (batch, frames, 40) in dB as other people in other rooms would give them."""
    batch, frames, bands = mel.shape
    device = mel.device

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=rng, device=device)

    def even(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand((batch, 1, 1), generator=rng, device=device)

    mel = _stretch_tract(mel, torch.exp(params.tract * normal(batch)).clamp(0.75, 1.35))
    mean = mel.mean(2, keepdim=True)
    mel = mean + (mel - mean) * torch.exp(params.contrast * normal(batch, 1, 1))
    # Level and bend of each sound (silence stays), joined over 35 ms at its ends.
    change = _smooth(normal(batch, len(SOUNDS), bands), 2) * 2.2 + normal(batch, len(SOUNDS), 1)
    change[:, 0] = 0
    sounds = torch.where(states == 0, 0, (states - 1) // STATES + 1)
    change = change.gather(1, sounds[:, :, None].expand(-1, -1, bands)) * params.sound_db
    mel = mel + _smooth(change.transpose(1, 2), 3).transpose(1, 2)
    mel = _reverberate(mel, even(0.1, 0.6), even(-18, -2), even(0, 1) < params.reverberant)
    slope = torch.linspace(-0.5, 0.5, bands, device=device)
    mel = mel + params.tilt_db * normal(batch, 1, 1) * slope
    mel = mel + params.band_db * 1.7 * _smooth(normal(batch, 1, bands), 1)
    # Noise of any slope, as far under the loudest tenth of the frames as is drawn; it flutters,
    # and in a third of the sequences swells.
    heard = torch.where(inside[..., None], mel, -90.0).amax(2)
    loud = heard.topk(max(1, frames // 10), dim=1).values.mean(1)[:, None, None]
    noise = loud - even(*params.snr_db) - 6.0 * normal(batch, 1, 1) * 2 * slope
    noise = noise + 6.0 * _smooth(normal(batch, 1, bands), 2) + 3.0 * normal(batch, frames, bands)
    swell = 24.0 * _smooth(normal(batch, 1, frames), 15).transpose(1, 2)
    noise = noise + torch.where(even(0, 1) < 0.3, swell, 0.0)
    mel = torch.logaddexp(mel * _DB, noise * _DB) / _DB
    # Half of the sequences lose up to 8 neighbouring bands.
    first, width = even(0, bands), torch.where(even(0, 1) < 0.5, even(0, 8), 0.0)
    band = torch.arange(bands, device=device)
    lost = (band >= first) & (band < first + width)
    return torch.where(lost, mel.mean((1, 2), keepdim=True), mel)


def _smooth(x: torch.Tensor, reach: int) -> torch.Tensor:
    """The mean over `reach` neighbours at each side along the last of three axes."""
    padded = functional.pad(x, (reach, reach), mode="replicate")
    return functional.avg_pool1d(padded, 2 * reach + 1, 1)


def _stretch_tract(mel: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Mel bands as a vocal tract `factor` (batch,) times as long gives them: the band at
    frequency f takes what was at factor · f, between the two nearest bands."""
    low, high = float(to_mel(LOWEST)), float(to_mel(HIGHEST))
    step = (high - low) / (BANDS + 1)
    centre = low + step * torch.arange(1, BANDS + 1, device=mel.device)
    hertz = 700 * (10 ** (centre / 2595) - 1)
    wanted = 2595 * torch.log10(1 + hertz * factor[:, None] / 700)
    place = ((wanted - low) / step - 1).clamp(0, BANDS - 1)
    below = place.floor().long().clamp_max(BANDS - 2)
    share = (place - below)[:, None, :]
    index = below[:, None, :].expand(-1, mel.shape[1], -1)
    return mel.gather(2, index) * (1 - share) + mel.gather(2, index + 1) * share


def _reverberate(
    mel: torch.Tensor, decay: torch.Tensor, level: torch.Tensor, where: torch.Tensor
) -> torch.Tensor:
    """Adds a tail that falls 60 dB in `decay` seconds, `level` dB under the sound, to some."""
    batch = len(mel)
    power = 10 ** (mel / 10)
    steps = torch.arange(1, _TAIL + 1, device=mel.device)
    kernel = (10 ** (-6 * FRAME / 16_000 / decay)).view(batch, 1) ** steps
    kernel = kernel / kernel.sum(1, keepdim=True)
    past = functional.pad(power.permute(2, 0, 1), (_TAIL, 0))[..., :-1]
    tail = functional.conv1d(past, kernel.flip(1).unsqueeze(1), groups=batch).permute(1, 2, 0)
    wet = torch.where(where, 10 ** (level / 10), 0.0)
    return 10 * torch.log10(power + wet * tail + 1e-9)


# ---------------------------------------------------------------- training


def train(
    speech: Speech,
    params: AcousticParams,
    seed: int,
    on_epoch: Callable[[int, float], None] | None = None,
    checkpoints: Path | None = None,
) -> AcousticModel:
    """A model trained on `speech`, on a GPU if there is one.

    on_epoch: told the number of each epoch and its mean loss. checkpoints: a folder that keeps the
    last epoch, in a file whose name tells speech, parameters and seed; a run that finds its file
    goes on from there. The same speech, parameters, seed and number of threads give the same
    weights on a CPU, also when a run was stopped. Raises BadInput if the file is damaged.
    """
    checkpoint = None
    if checkpoints is not None:
        about = repr((asdict(params), seed, torch.__version__)).encode()
        name = blake2b(about + speech.digest(), digest_size=16).hexdigest()
        checkpoint = checkpoints / f"{name}.pt"
    with _seeded(seed) as rng:
        network = AcousticNet(params.channels, params.dropout).to(rng.device)
        steps = max(1, len(speech.mel) // (params.batch * params.frames))
        _fit(network, _Source(speech, rng.device), steps, params, rng, on_epoch, checkpoint)
    counts = np.bincount(speech.states, minlength=STATE_COUNT)
    return model_of(network, counts / counts.sum())


@contextmanager
def _seeded(seed: int) -> Iterator[torch.Generator]:
    """A generator on the device, and torch's own random numbers, both from the seed."""
    number = int(draw_stream(seed, "acoustic", "train").integers(2**62))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(number)
        yield torch.Generator(device).manual_seed(number)


def _fit(network, source, steps, params, rng, on_epoch, checkpoint) -> None:
    """Trains in place, `steps` batches an epoch."""
    top = params.learning_rate
    optimizer = torch.optim.AdamW(network.parameters(), lr=top, weight_decay=params.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, top, total_steps=params.epochs * steps, pct_start=0.2
    )
    network.train()
    changing = {"network": network, "optimizer": optimizer, "schedule": schedule}
    means = _restore(checkpoint, changing, rng) if checkpoint and checkpoint.exists() else []
    for epoch in range(params.epochs):
        if epoch < len(means):  # done before this run
            if on_epoch:
                on_epoch(epoch, means[epoch])
            continue
        losses = 0.0
        for _ in range(steps):
            mel, states, inside = source.draw(params.batch, params.frames, rng)
            mel = augment(mel, states, inside, params, rng)
            scores = network(centred(mel, inside))
            target = torch.where(inside, states, -100)
            loss = functional.cross_entropy(scores.flatten(0, 1), target.flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses += loss.item()
        means.append(losses / steps)
        if checkpoint:
            _save(checkpoint, changing, rng, means)
        if on_epoch:
            on_epoch(epoch, means[-1])


def _save(path: Path, changing: dict, rng: torch.Generator, means: list[float]) -> None:
    """Writes what training changes: weights, optimizer, schedule, random numbers, mean losses."""
    state = {name: part.state_dict() for name, part in changing.items()}
    state |= {"means": means, "rng": rng.get_state(), "torch": torch.get_rng_state()}
    if rng.device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(rng.device)
    with replacing(path) as temporary:
        torch.save(state, temporary)


def _restore(path: Path, changing: dict, rng: torch.Generator) -> list[float]:
    """Puts back what `_save` has written, and returns the mean losses of the epochs done."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises nearly anything on a damaged file
        reason = (str(error).splitlines() or ["?"])[0]
        raise BadInput(
            f"cannot be read as a checkpoint ({reason})",
            where=str(path),
            remedy="delete it to train from the start",
        ) from error
    for name, part in changing.items():
        part.load_state_dict(state[name])
    rng.set_state(state["rng"])
    torch.set_rng_state(state["torch"])
    if rng.device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], rng.device)
    return state["means"]
