"""Training the network, from feature tables to weights; read it from top to bottom.

All frames lie on the device, or, on a CPU, in a file. A batch is a few indexed reads and some
arithmetic on all its sequences at once: where to cut (`Sampler`), what happens to
the sound (`heard`), deltas, labels moved by the lookahead. No table is read and no loop
runs over samples while it trains.

    python -m lipsync.train --features 'features/*.parquet' --out models
    torchrun --nproc-per-node 4 -m lipsync.train --features 'features/*.parquet' --out models

The second line trains on four GPUs (or, without any, in four processes), each with a quarter of
every batch. The same seed, data, device and number of threads and processes give the same weights,
bit for bit on a CPU, also when a run was stopped and went on from its checkpoint: every epoch draws
from numbers of its own, hash(seed, epoch).
"""

from __future__ import annotations

import argparse
import copy
import glob
import io
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from lipsync.dataset import Corpus, load_feature_tables
from lipsync.errors import BadCheckpoint, BadFeatures, BadInput
from lipsync.export import save_cherry, save_onnx
from lipsync.features import AFTER, BEFORE, FLOOR, RATE, band_weights, inner_deltas
from lipsync.frame_file import FrameFile
from lipsync.model import HIDDEN, LOOKAHEAD, OUTPUTS, CherryNet, OfflineNet
from lipsync.optimizer import OPTIMIZERS, Optimizer
from lipsync.recurrence import forget
from lipsync.untrusted import MOST_HIDDEN
from visemes.classes import CLASSES

LIPS = (CLASSES.index("F"), CLASSES.index("M"))
"""Classes whose lips must meet something: F (lip on teeth) and M (lips closed)."""

SHAPES = tuple(
    tuple(CLASSES.index(name) for name in names.split()) for names in ("Oh R Woo", "Ee S", "Ah Uh")
)
"""Classes that show the same shape of the lips: rounded, spread, open; as cherry12.yaml says."""

CONSONANTS = tuple(CLASSES.index(name) for name in "D F L M S".split())
"""Classes that consonants alone show, as cherry12.yaml says; without R, a vowel to the ear."""

LEAN = {"F": 1.2, "Woo": 1.0, "Oh": 0.5, "Ee": 0.5}
"""Nats by which a network with `lean` 1 favours rounded and spread lips and lip on teeth. Where
sound leaves it unsure it names an open mouth, and shows fewer of these than sounds ask for; an open
mouth too few is hardly ever seen. Chosen on held-out speakers and on speech in languages that the
network had not heard (docs/training.md)."""

EARLY, LATE = 3, 1
"""Frames before and after a sound of LIPS in which they may meet, as in visemes.lip_score."""

HELD = 3
"""Frames (30 ms) that a shape of the lips must last to be seen: one of 10 ms is a flicker."""

SOUND = 6
"""Frames of a sound, about: what one whose lips are not shown costs, see `lip_loss`."""

IGNORED = -100
"""The target of an output that counts for nothing: padding, and the first 3 of a sequence."""


ROOM_S, ROOM_DB = 0.3, 30.0
"""Shortest reverberation time, and how far below the voice reverberation lies at least."""

BREATH = 10 ** (-45 / 20)
"""Least noise that goes with the voice, as a share of the strongest band's amplitude."""

BREATH_FLUTTER_DB = 3.0
"""How much that noise varies from frame to frame and band to band (standard deviation)."""

LOWER_HZ, UPPER_HZ, FALL_DB = (50.0, 400.0), (3000.0, 7500.0), (12.0, 96.0)
"""Where the edges of a narrow band lie, and by how many dB an octave it falls beyond them: from
narrower than a telephone's (300 to 3400 Hz, ITU-T G.712) to little narrower than all."""

DB = math.log(10.0) / 10.0
"""A decibel of power, in nats."""


# ---------------------------------------------------------------- parameters


_SPREADS = (
    "gain_db", "tilt_db", "band_db", "noise_tilt_db", "noise_flutter_db", "tract", "contrast",
    "consonants", "reverberation", "breath", "tempo", "masked_bands", "masked_frames", "soften",
    "patience", "meeting", "shaping", "lean", "teachers", "offline_teachers",
)  # fmt: skip
_SHARES = ("narrow", "balance", "carry", "taught")


@dataclass(frozen=True, slots=True)
class TrainParams:
    """What decides a training run; params.yaml holds the recipe.

    hidden: width of both GRU layers; Cherry's tools read no other than 80. frames: length of a
    training sequence (10 ms each). optimizer: muon or adamw, see lipsync.optimizer. learning_rate:
    the top of the one-cycle schedule.

    The sound, drawn anew for each sequence. gain_db, tilt_db, band_db: standard deviations of
    loudness, of the slope from the lowest to the highest band, and of each band. tract: standard
    deviation of the logarithm of the vocal tract's length (0.1: a third of the sequences sound
    over 10 % longer or shorter). contrast: likewise of the spectral contrast around each frame's
    mean. consonants: standard deviation (dB) of how much louder each class of CONSONANTS is than
    otherwise, and of its slope over the bands; half of it that of each band.
    tempo: likewise of how fast it is spoken; not with `carry`. breath: the most noise that
    goes with the voice, as a share of the amplitude of each frame's strongest band; drawn evenly in
    dB from 45 dB below that band on; its slope over the bands is drawn as tilt_db says, and it
    varies by BREATH_FLUTTER_DB. reverberation: the longest reverberation time (RT60, seconds);
    drawn evenly from 0.3 s on, 30 to 0 dB below the voice. narrow: the share of sequences of which
    only a band of frequencies is left, as telephones do, see `narrowing`. noise_low_db,
    noise_high_db: the noise floor is drawn evenly between them; noise_tilt_db: its slope over the
    bands, as tilt_db; noise_flutter_db: how much that noise varies from frame to frame.
    masked_bands, masked_frames: the most bands in a row, and frames in a row, that the noise takes
    (SpecAugment: Park et al. 2019).

    The target. soften: it is the mean of the labels this many frames to either side. lip_weight:
    how much more a frame of F or M counts. meeting: weight of the loss of lips that do not meet
    once in their sound; shaping: of those that are not once rounded, spread or open in a sound that
    needs it; see `lip_loss`. balance: how far the frequencies of the classes are
    taken out again when training is done (0 not at all, 1 as if all were equally frequent), see
    `balanced`. lean: how far towards mouths that are shown too seldom, see LEAN.

    Teachers. teachers: how many networks are trained first, each from other random numbers; the
    mean of what they think of a frame, heard as it was recorded, is a share `taught` of that
    frame's target. (Distillation: Hinton et al. 2015.) offline_teachers: how many more that hear
    the whole sound forwards and backwards, each in twice the time. teacher_hidden: their width.

    The run. carry: the chance that a sequence goes on where the one before it ended, with the state
    of the network: clips follow each other without a gap then, and no sequence is padded. patience:
    it ends after this many epochs without a better one; 0: never. seed: where all random numbers
    come from; the stage `train` takes that of the whole run, unless params.yaml has one here.
    """

    epochs: int = 30
    hidden: int = HIDDEN
    batch: int = 64
    frames: int = 300
    optimizer: str = "adamw"
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    dropout: float = 0.2
    gain_db: float = 8.0
    tilt_db: float = 6.0
    band_db: float = 2.0
    noise_low_db: float = -60.0
    noise_high_db: float = 10.0
    noise_tilt_db: float = 0.0
    noise_flutter_db: float = 0.0
    tract: float = 0.0
    contrast: float = 0.0
    consonants: float = 0.0
    reverberation: float = 0.0
    breath: float = 0.0
    narrow: float = 0.0
    tempo: float = 0.0
    masked_bands: int = 0
    masked_frames: int = 0
    soften: int = 0
    carry: float = 0.0
    patience: int = 0
    lip_weight: float = 1.0
    meeting: float = 0.0
    shaping: float = 0.0
    balance: float = 0.0
    lean: float = 0.0
    teachers: int = 0
    offline_teachers: int = 0
    teacher_hidden: int = HIDDEN
    taught: float = 0.7
    seed: int = 1
    device: str = "auto"

    def __post_init__(self) -> None:
        wrong = ""
        if min(self.epochs, self.hidden, self.teacher_hidden, self.batch) < 1:
            wrong = "epochs, hidden, teacher_hidden and batch must be at least 1"
        elif self.hidden > MOST_HIDDEN:
            wrong = f"hidden must be at most {MOST_HIDDEN}: larger files are not read"
        elif self.frames <= LOOKAHEAD:
            wrong = f"frames must be more than the lookahead of {LOOKAHEAD}"
        elif not 0 <= self.dropout < 1:
            wrong = "dropout must be in 0..1"
        elif min(self.learning_rate, self.clip_norm, self.lip_weight) <= 0:
            wrong = "learning_rate, clip_norm and lip_weight must be positive"
        elif 0 < self.reverberation < ROOM_S or 0 < self.breath < BREATH:
            wrong = f"reverberation must be 0 or from {ROOM_S} on, breath 0 or from {BREATH:.4f} on"
        elif min(asdict(self)[name] for name in _SPREADS) < 0:
            wrong = f"{', '.join(_SPREADS)} must not be negative"
        elif not all(0 <= getattr(self, name) <= 1 for name in _SHARES):
            wrong = f"{', '.join(_SHARES)} must be in 0..1"
        elif self.carry and self.tempo:
            wrong = "only one of carry and tempo can be more than 0"
        elif self.noise_low_db > self.noise_high_db:
            wrong = "noise_low_db must not be above noise_high_db"
        elif self.optimizer not in OPTIMIZERS:
            wrong = f"optimizer {self.optimizer!r} is none of {', '.join(OPTIMIZERS)}"
        elif self.device not in ("auto", "cpu", "cuda"):
            wrong = f"device {self.device!r} is none of auto, cpu, cuda"
        if wrong:
            raise BadInput(wrong, where="training parameters", remedy="correct params.yaml")

    @property
    def all_teachers(self) -> int:
        """How many networks are trained before the one that is wanted."""
        return self.teachers + self.offline_teachers


@dataclass(frozen=True, slots=True)
class Trained:
    """best and last: networks on the CPU, ready to predict. history: one row for each epoch."""

    best: CherryNet
    last: CherryNet
    history: list[dict[str, float]]


# ---------------------------------------------------------------- batches


class Sequences(NamedTuple):
    """mel: bands (batch, length + 3, 13), with the neighbours that deltas need. inside: whether
    each of those frames counts. target: class of each output (batch, length), or IGNORED. thought:
    what teachers think of it, probabilities (batch, length, 12), if there are any."""

    mel: torch.Tensor
    inside: torch.Tensor
    target: torch.Tensor
    thought: torch.Tensor | None


class Frames:
    """A corpus on the device: mel (N, 13), labels (N,), first and end frame of each clip, and
    opinions (N, 12) of its teachers if it has any.

    On a CPU, mel bands and opinions that lie in a file stay there.
    """

    def __init__(self, corpus: Corpus, device: torch.device) -> None:
        self.device = device
        self.mel = self._placed(corpus.mel)
        self.opinions: torch.Tensor | FrameFile | None = None
        self.labels = torch.from_numpy(corpus.visemes.copy()).to(device)
        offsets = torch.from_numpy(corpus.offsets.copy()).to(device)
        self.first, self.end = offsets[:-1], offsets[1:]

    def __len__(self) -> int:
        return len(self.mel)

    def with_opinions(self, opinions: np.ndarray | FrameFile) -> Frames:
        """These frames, and what teachers think of each."""
        taught = copy.copy(self)
        taught.opinions = self._placed(opinions)
        return taught

    def _placed(self, rows: np.ndarray | FrameFile) -> torch.Tensor | FrameFile:
        if isinstance(rows, FrameFile) and self.device.type == "cpu":
            return rows
        return torch.from_numpy(rows[:].copy()).to(self.device)

    def cut(
        self,
        clip: torch.Tensor,
        start: torch.Tensor,
        length: int,
        tempo: torch.Tensor | None = None,
    ) -> Sequences:
        """Sequences of `length` frames of the given clips, from the given frames on. What lies
        outside the clip is silent and does not count. tempo: how many times as fast each is spoken
        (batch,); bands are read between two frames then, labels from the nearest."""
        steps = torch.arange(-BEFORE, length + AFTER, device=self.device)
        moved = steps if tempo is None else steps * tempo[:, None]
        places = start[:, None] + moved.floor().long()
        inside = (places >= self.first[clip, None]) & (places < self.end[clip, None])
        places = places.clamp(0, len(self) - 1)
        inner = slice(BEFORE, -AFTER)
        if tempo is None:
            mel, at = _rows(self.mel, places), places[:, inner] - LOOKAHEAD
        else:
            # The frame after, if it is of the same clip; never before `places`: rows are in order.
            after = torch.minimum(places + 1, self.end[clip, None] - 1).maximum(places)
            both = torch.stack([places, after], 2)
            before, after = _rows(self.mel, both.flatten(1)).unflatten(1, (-1, 2)).unbind(2)
            mel = torch.lerp(before, after, (moved - moved.floor())[..., None])
            at = start[:, None] + ((steps[inner] - LOOKAHEAD) * tempo[:, None]).round().long()
        mel = torch.where(inside[..., None], mel, 10.0 * math.log10(FLOOR))
        at = at.clamp(0, len(self) - 1)
        counts = inside[:, inner] & (steps[inner] >= LOOKAHEAD)
        target = torch.where(counts, self.labels[at].long(), IGNORED)
        return Sequences(mel, inside, target, self._thought_of(at))

    def read(self, places: torch.Tensor) -> Sequences:
        """Sequences of the frames at `places` (batch, length + 3), all of which count."""
        inner = places[:, BEFORE:-AFTER]
        named = functional.pad(self.labels[inner].long(), (LOOKAHEAD, 0), value=IGNORED)
        target = named[:, : inner.shape[1]]
        thought = self._thought_of(inner)
        if thought is not None:
            thought = functional.pad(thought, (0, 0, LOOKAHEAD, 0))[:, : inner.shape[1]]
        inside = torch.ones_like(places, dtype=torch.bool)
        return Sequences(_rows(self.mel, places), inside, target, thought)

    def _thought_of(self, places: torch.Tensor) -> torch.Tensor | None:
        return None if self.opinions is None else _rows(self.opinions, places).float()

    def alike(self) -> Iterator[tuple[torch.Tensor, int]]:
        """Groups of all clips, and the longest one's frames: about as long, for little padding."""
        lengths = (self.end - self.first).cpu().numpy()
        group: list[int] = []
        for clip in lengths.argsort(kind="stable"):
            if group and (len(group) + 1) * int(lengths[clip]) > 40_000:
                yield torch.tensor(group, device=self.device), int(lengths[group[-1]])
                group = []
            group.append(int(clip))
        if group:
            yield torch.tensor(group, device=self.device), int(lengths[group[-1]])


def _rows(table: torch.Tensor | FrameFile, places: torch.Tensor) -> torch.Tensor:
    if isinstance(table, FrameFile):
        return torch.from_numpy(table.gather(places.numpy()))
    return table[places]


class Sampler:
    """Which sequences an epoch sees: every clip in proportion to its length.

    The clips of an epoch are drawn at even steps through all frames, so that chance hardly
    changes how much of each clip is seen; the start within the clip is free, with some more
    weight on both ends. A sequence never leaves its clip: a shorter clip is padded.
    """

    def __init__(self, frames: Frames, params: TrainParams) -> None:
        self.frames, self.params = frames, params
        lengths = (frames.end - frames.first).double()
        used = (lengths * lengths.clamp_max(params.frames)).sum() / lengths.sum()
        self.batches = max(1, math.ceil(len(frames) / (params.batch * used.item())))

    def epoch(self, rng: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Clips and first frames, (batch,) each: together about as many frames as there are."""
        frames, device = self.frames, self.frames.device
        count = self.batches * self.params.batch
        even = torch.arange(count, device=device, dtype=torch.float64)
        even += torch.rand(count, generator=rng, device=device, dtype=torch.float64)
        place = (even * (len(frames) / count)).long().clamp_max(len(frames) - 1)
        place = place[torch.randperm(count, generator=rng, device=device)]
        clip = torch.searchsorted(frames.end, place, right=True)
        room = (frames.end - frames.first)[clip] - self.params.frames
        # Beyond 0..1 and cut off: about 8 % of the sequences begin where their clip begins, as
        # every sound that the network will hear does, and 8 % end where it ends.
        share = torch.rand(count, generator=rng, device=device, dtype=torch.float64) * 1.2 - 0.1
        start = frames.first[clip] + (share.clamp(0, 1) * room.clamp_min(0)).round().long()
        return zip(clip.split(self.params.batch), start.split(self.params.batch))

    def sequences(self, rng: torch.Generator, rows: slice) -> Iterator[Sequences]:
        """The sequences of an epoch, a batch at a time; of each batch those in `rows`."""
        for clip, start in self.epoch(rng):
            tempo = None
            if self.params.tempo:
                drawn = torch.randn(len(clip), generator=rng, device=clip.device)
                tempo = (self.params.tempo * drawn).exp().clamp(0.5, 2.0)[rows]
            yield self.frames.cut(clip[rows], start[rows], self.params.frames, tempo)


class Stream:
    """Which sequences an epoch sees when state is carried: all clips in one line, in any order,
    cut into as many rows as a batch has. A batch is the next sequence of every row."""

    def __init__(self, frames: Frames, params: TrainParams) -> None:
        self.frames, self.params = frames, params
        self.batches = math.ceil(len(frames) / (params.batch * params.frames))

    def sequences(self, rng: torch.Generator, rows: slice) -> Iterator[Sequences]:
        """The sequences of an epoch, a batch at a time; of each batch those in `rows`."""
        frames, device, length = self.frames, self.frames.device, self.params.frames
        order = torch.randperm(len(frames.first), generator=rng, device=device)
        lengths = (frames.end - frames.first)[order]
        moved = frames.first[order] - (lengths.cumsum(0) - lengths)
        line = torch.arange(len(frames), device=device) + moved.repeat_interleave(lengths)
        steps = torch.arange(-BEFORE, length + AFTER, device=device)
        row = torch.arange(self.params.batch, device=device)[rows, None] * self.batches * length
        for batch in range(self.batches):
            yield frames.read(line[(row + batch * length + steps) % len(frames)])


def heard(
    mel: torch.Tensor,
    inside: torch.Tensor,
    target: torch.Tensor,
    params: TrainParams,
    rng: torch.Generator,
) -> torch.Tensor:
    """Features (batch, length, 26) of sequences to whose sound something happened, drawn anew."""
    if params.consonants:
        mel = vary_consonants(mel, target, params.consonants, rng)
    return network_input(augment(mel, params, rng), inside)


def vary_consonants(
    mel: torch.Tensor, target: torch.Tensor, spread_db: float, rng: torch.Generator
) -> torch.Tensor:
    """Mel bands (batch, length + 3, 13) with the consonants of other people.

    Synthetic voices differ in their vocal tracts and pitch, but all make consonants by the same
    recipe, and not by that of people. So each class is louder or softer, brighter or darker in each
    sequence. Between two classes it changes within 3 frames.
    """
    batch, _, bands = mel.shape

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn((batch, len(CONSONANTS), *shape), generator=rng, device=mel.device)

    slope = torch.linspace(-0.5, 0.5, bands, device=mel.device)
    drawn = normal(1) + normal(1) * slope + 0.5 * normal(bands)
    change = mel.new_zeros(batch, OUTPUTS + 1, bands)
    change[:, list(CONSONANTS)] = spread_db * drawn
    # Frame k of the bands is named by output k + 1; of the first two and the last four none is.
    named = functional.pad(target[:, LOOKAHEAD:], (BEFORE, LOOKAHEAD + AFTER), value=IGNORED)
    named = torch.where(named == IGNORED, OUTPUTS, named)
    moved = change.gather(1, named[..., None].expand(-1, -1, bands))
    return mel + functional.avg_pool1d(moved.mT, 3, 1, 1).mT


def augment(mel: torch.Tensor, params: TrainParams, rng: torch.Generator) -> torch.Tensor:
    """Mel bands (batch, frames, 13) in dB as other microphones in other rooms would give them.

    Per sequence: vocal tract, contrast, breath, room, gain, tilt over the bands, a bend of each
    band, a narrow band, masks, then a noise floor that is added in power. With it a prototype's
    accuracy on real speech was equal within 0.01 over ±12 dB of gain, where Cherry Lip Sync's went
    from 11 to 58 % on one sentence.
    """
    batch, frames, bands = mel.shape

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=rng, device=mel.device)

    if params.tract:
        mel = stretch_tract(mel, torch.exp(params.tract * normal(batch)).clamp(0.75, 1.35))
    if params.contrast:
        mean = mel.mean(2, keepdim=True)
        mel = mean + (mel - mean) * torch.exp(params.contrast * normal(batch, 1, 1))

    def even(low: float, high: float) -> torch.Tensor:
        drawn = torch.rand((batch, 1, 1), generator=rng, device=mel.device)
        return low + (high - low) * drawn

    slope = torch.linspace(-0.5, 0.5, bands, device=mel.device)
    sound = power(mel)
    if params.breath:
        breath = even(20 * math.log10(BREATH), 20 * math.log10(params.breath))
        breath = breath + params.tilt_db * normal(batch, 1, 1) * slope
        breath = breath + BREATH_FLUTTER_DB * normal(batch, frames, bands)
        sound = sound + sound.amax(2, keepdim=True) * power(breath)
    if params.reverberation:
        seconds, level = even(ROOM_S, params.reverberation), even(-ROOM_DB, 0.0)
        sound = reverberate(sound, seconds, power(level))
    change = params.gain_db * normal(batch, 1, 1)
    change = change + params.tilt_db * normal(batch, 1, 1) * slope
    change = change + params.band_db * normal(batch, 1, bands)
    noise = even(params.noise_low_db, params.noise_high_db)
    if params.noise_tilt_db:
        noise = noise + params.noise_tilt_db * normal(batch, 1, 1) * slope
    if params.noise_flutter_db:
        noise = noise + params.noise_flutter_db * normal(batch, frames, bands)
    sound = sound * power(change)
    if params.narrow:
        sound = sound * narrowing(batch, params.narrow, rng, mel.device)
    for most, axis in ((params.masked_frames, 1), (params.masked_bands, 2)):
        if most:
            place, width = torch.rand((2, batch), generator=rng, device=mel.device)
            width = (width * (most + 1)).floor().clamp_max(mel.shape[axis])
            first = (place * (mel.shape[axis] + 1 - width)).floor()[:, None]
            steps = torch.arange(mel.shape[axis], device=mel.device)
            gone = (steps >= first) & (steps < first + width[:, None])
            sound = torch.where(gone.unsqueeze(3 - axis), FLOOR, sound)
    return (sound + power(noise)).clamp_min(FLOOR).log() / DB


def power(db: torch.Tensor) -> torch.Tensor:
    """Decibels as power. Of sound it stays far inside float32's range, 1e±38 or ±380 dB."""
    return torch.exp(db * DB)


def narrowing(batch: int, share: float, rng: torch.Generator, device: torch.device) -> torch.Tensor:
    """Gain of each band (batch, 1, 13), in power: for a `share` of them what a telephone, a small
    microphone or a low sampling rate leaves, for the others 1.

    Both edges are drawn evenly in octaves within LOWER_HZ and UPPER_HZ and fall like Butterworth
    filters, by FALL_DB an octave. A band counts as if its spectrum were flat.
    """
    drawn = torch.rand((4, batch, 1), generator=rng, device=device)
    (low, high), (first, last), (gentle, steep) = LOWER_HZ, UPPER_HZ, FALL_DB
    lower, upper = low * (high / low) ** drawn[0], first * (last / first) ** drawn[1]
    twice_order = (gentle + (steep - gentle) * drawn[2]) / 3.01
    weights = torch.from_numpy(band_weights()).to(device, torch.float32)
    hertz = torch.linspace(0.0, RATE / 2, len(weights), device=device).clamp_min(1.0)
    passed = 1 / ((1 + (lower / hertz) ** twice_order) * (1 + (hertz / upper) ** twice_order))
    gains = passed @ (weights / weights.sum(0))
    return torch.where(drawn[3] < share, gains, 1.0)[:, None]


def reverberate(sound: torch.Tensor, seconds: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Power of bands (batch, frames, 13) in a room: every frame also sounds on in those after it.

    seconds (batch, 1, 1): until it has fallen by 60 dB. level (batch, 1, 1): power of all that is
    heard again of a sound, as a share of the sound itself.
    """
    kept = torch.exp(-6.0 * math.log(10.0) / (100.0 * seconds))  # of the power, after 10 ms
    summed, reach, share = sound, 1, kept
    while reach < sound.shape[1]:  # what sounds on from twice as many frames each time
        tail = torch.addcmul(summed[:, reach:], summed[:, :-reach], share)
        summed = torch.cat([summed[:, :reach], tail], 1)
        reach, share = 2 * reach, share * share
    again = torch.addcmul(sound[:, 1:], summed[:, :-1], level * (1 - kept))
    return torch.cat([sound[:, :1], again], 1)


def stretch_tract(mel: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Mel bands (batch, frames, 13) as a vocal tract `factor` (batch,) times as long gives them.

    Band at frequency f takes what was at factor · f, between the two nearest bands; a longer tract
    has lower resonances.
    """
    bands = mel.shape[2]
    top = 2595.0 * math.log10(1 + 8000 / 700)
    centre = torch.arange(1, bands + 1, device=mel.device) * (top / (bands + 1))
    hertz = 700 * (10 ** (centre / 2595) - 1)
    wanted = 2595 * torch.log10(1 + hertz * factor[:, None] / 700)
    place = (wanted / (top / (bands + 1)) - 1).clamp(0, bands - 1)
    low = place.floor().long().clamp_max(bands - 2)
    share = (place - low)[:, None, :]
    index = low[:, None, :].expand(-1, mel.shape[1], -1)
    return mel.gather(2, index) * (1 - share) + mel.gather(2, index + 1) * share


def network_input(mel: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Features (batch, frames, 26) from mel bands with 2 frames before and 1 after.

    Frames outside the clip count as 0 dB, as lipsync.features says.
    """
    mel = torch.where(inside[..., None], mel, 0.0)
    return torch.cat([mel[:, BEFORE:-AFTER], inner_deltas(mel)], dim=2)


# ---------------------------------------------------------------- one run


def train(
    corpus: Corpus,
    valid: Corpus,
    params: TrainParams,
    *,
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    team: Team | None = None,
) -> Trained:
    """Trains a network on `corpus`; `valid` chooses the best epoch by frame accuracy.

    With `checkpoint`, every epoch is saved to that file, and a run that finds the file goes on
    from there, reporting the epochs already done again first; the result is the same. Teachers
    have files beside it (checkpoint.teacher1.pt).
    on_epoch gets {"epoch", "loss", "learning_rate", "valid_loss", "valid_accuracy", "seconds",
    "frames_per_second"} after each epoch; without clips in `valid`, its two numbers are missing
    and the last epoch is the best. Teachers come first, offline ones last of them, with "teacher"
    (from 1) in their rows.
    team: the processes that share the work, see `Team.joined`;
    each of them calls this with the same arguments and gets the same network.
    Raises BadFeatures if there is nothing to train on, BadCheckpoint if the file is of another run.
    """
    if not corpus.frames:
        raise BadFeatures(
            "there are no clips to train on", remedy="check the tables and their split column"
        )
    device = _device(params.device)
    on_epoch = on_epoch or (lambda row: None)
    checkpoint = None if checkpoint is None else Path(checkpoint)
    team = team or Team()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        check = Validation(valid, device) if valid.frames else None
        data = f"{corpus.digest()}{valid.digest()}"
        frames, teachers = Frames(corpus, device), []
        if params.all_teachers and checkpoint is not None and checkpoint.exists():
            _Run(CherryNet, params, frames, data).restore(checkpoint)  # another run's: says so now
        for number in range(1, params.all_teachers + 1):
            run = _Run(*teacher(params, number), frames, data)
            file = checkpoint and checkpoint.with_suffix(f".teacher{number}{checkpoint.suffix}")
            _fit(run, check, file, lambda row, n=number: on_epoch({"teacher": n, **row}), team)
            teachers.append(run.network(run.best))
            forget()
        if teachers:
            frames = frames.with_opinions(opinions_of(teachers, frames, corpus))
        run = _Run(CherryNet, params, frames, data)
        _fit(run, check, checkpoint, on_epoch, team)
        best, last = (run.network(of).cpu() for of in (run.best, run.model.state_dict()))
        return Trained(balanced(best, corpus, params), balanced(last, corpus, params), run.history)


def _fit(
    run: _Run,
    check: Validation | None,
    checkpoint: Path | None,
    on_epoch: Callable[[dict[str, float]], None],
    team: Team,
) -> None:
    """Trains one network to the end, from its checkpoint on if there is one."""
    if checkpoint is not None and checkpoint.exists():
        run.restore(checkpoint)
        for row in run.history:
            on_epoch(row)
    for epoch in range(len(run.history), run.params.epochs):
        if run.params.patience and run.waited() >= run.params.patience:
            break
        row = _one_epoch(run, epoch, team)
        if check is not None:
            row |= check.measure(run.model)
        run.keep(row)
        if checkpoint is not None and team.rank == 0:
            run.save(checkpoint)
        on_epoch(row)


def teacher(params: TrainParams, number: int) -> tuple[type[nn.Module], TrainParams]:
    """Kind and recipe of a teacher (from 1). The recipe is the pupil's, with other random numbers,
    and without what is changed in the finished network: a teacher thinks what it heard."""
    offline = number > params.teachers
    recipe = replace(
        params,
        hidden=params.teacher_hidden,
        seed=_number(params, f"teacher {number}"),
        carry=0.0 if offline else params.carry,
        teachers=0,
        offline_teachers=0,
        taught=0.0,
        balance=0.0,
        lean=0.0,
    )
    return OfflineNet if offline else CherryNet, recipe


@torch.inference_mode()
def opinions_of(
    teachers: Sequence[nn.Module], frames: Frames, corpus: Corpus
) -> np.ndarray | FrameFile:
    """Mean probabilities (N, 12) that teachers give each frame of the corpus, unchanged, float16.

    They lie where the mel bands of the corpus lie, in memory or in a file. A clip's last frames,
    which no output is about, get their labels. Clips of like length are heard together; what pads a
    shorter one an offline teacher hears before its end, as it did while it was trained.
    """
    opinions: np.ndarray | FrameFile = np.zeros((len(frames), OUTPUTS), np.float16)
    if isinstance(corpus.mel, FrameFile):
        opinions = FrameFile(OUTPUTS, np.float16, corpus.mel.folder)
    known = np.eye(OUTPUTS, dtype=np.float16)
    for clips, longest in frames.alike():
        mel, inside, *_ = frames.cut(clips, frames.first[clips], longest)
        x = network_input(mel, inside)
        likely = sum(network(x)[0].softmax(2) for network in teachers) / len(teachers)
        for clip, heard_of in zip(clips.tolist(), likely.cpu().numpy()):
            first, end = corpus.offsets[clip : clip + 2]
            last = known[corpus.visemes[first:end][-LOOKAHEAD:]]
            rows = [heard_of[LOOKAHEAD : end - first].astype(np.float16), last]
            opinions[first:end] = np.concatenate(rows)
    return opinions


def balanced(model: CherryNet, corpus: Corpus, params: TrainParams) -> CherryNet:
    """The network with `balance` times the logarithm of each class's share taken off its output,
    and `lean` times LEAN added.

    A network that is not sure names the class that is frequent in its data; so do lips that
    should close now and then, and stay open. (Logit adjustment: Menon et al. 2021.)
    """
    shares = torch.from_numpy(np.bincount(corpus.visemes, minlength=OUTPUTS) / corpus.frames)
    with torch.no_grad():
        model.net[-1].bias -= params.balance * shares.clamp_min(1e-4).log().float()
        for name, nats in LEAN.items():
            model.net[-1].bias[CLASSES.index(name)] += params.lean * nats
    return model


def fit_normalization(model: nn.Module, sampler: Sampler | Stream, params: TrainParams) -> None:
    """Sets the normalization's mean and variance from augmented frames, once and for good.

    They stay as they are while it trains: padding never touches them, and training and
    prediction see the same numbers. (Its weight and bias are trained.)
    """
    rng = _generator(params, "normalization", sampler.frames.device)
    total = square = count = 0.0
    for batch, (mel, inside, target, *_) in enumerate(sampler.sequences(rng, slice(None))):
        x = heard(mel, inside, target, params, rng)
        x = x[inside[:, BEFORE:-AFTER]].double()
        total, square, count = total + x.sum(0), square + (x * x).sum(0), count + len(x)
        if batch == 15:  # some 300,000 frames say enough
            break
    mean = total / count
    model.norm.running_mean.copy_(mean)
    model.norm.running_var.copy_((square / count - mean * mean).clamp_min(1e-3))


def learning_rate(step: int, steps: int, top: float) -> float:
    """One cycle: from top/25 up to top in 30 % of the steps, then down to top/250,000; cosines."""
    rise = max(1.0, 0.3 * steps)
    if step < rise:
        low, high, share = top / 25, top, 1 - step / rise
    else:
        low, high, share = top / 250_000, top, (step - rise) / max(1.0, steps - rise)
    return low + (high - low) * 0.5 * (1 + math.cos(math.pi * share))


@dataclass(frozen=True, slots=True)
class Team:
    """The processes that train together, and which of them this is, from 0."""

    rank: int = 0
    size: int = 1

    @classmethod
    def joined(cls, device: str) -> Team:
        """The team that torchrun started, on a GPU each or, without any, on the CPU; alone where
        it did not. Leave it with torch.distributed.destroy_process_group()."""
        if "RANK" not in os.environ:
            return cls()
        gpu = device != "cpu" and torch.cuda.is_available()
        if gpu:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        torch.distributed.init_process_group("nccl" if gpu else "gloo")
        return cls(torch.distributed.get_rank(), torch.distributed.get_world_size())

    def wrapped(self, model: nn.Module) -> nn.Module:
        """The network, whose gradients are the team's mean."""
        return DistributedDataParallel(model) if self.size > 1 else model


def _one_epoch(run: _Run, epoch: int, team: Team) -> dict[str, float]:
    """Trains for one epoch. Returns its row, without the validation."""
    params, model, sampler = run.params, run.model, run.sampler
    device = sampler.frames.device
    rng = _generator(params, f"epoch {epoch}", device)
    changes = rng  # what happens to the sound: in each process something else
    if team.size > 1:
        changes = _generator(params, f"epoch {epoch} of {team.rank}", device)
    _seed(params, f"epoch {epoch} of {team.rank}" if team.rank else f"epoch {epoch}")  # dropout
    weight = torch.ones(OUTPUTS, device=device)
    weight[list(LIPS)] = params.lip_weight
    network = team.wrapped(model.train())
    model.norm.eval()
    losses = torch.zeros((), dtype=torch.float64, device=device)
    seen = torch.zeros((), dtype=torch.int64, device=device)
    steps, began = params.epochs * sampler.batches, time.perf_counter()
    states: tuple[torch.Tensor, ...] = ()
    rows = slice(team.rank, None, team.size)
    for batch, (mel, inside, target, thought) in enumerate(sampler.sequences(rng, rows)):
        rate = learning_rate(epoch * sampler.batches + batch, steps, params.learning_rate)
        if states:
            kept = torch.rand((len(mel), 1), generator=changes, device=device) < params.carry
            states = tuple(state.detach() * kept for state in states)
        logits, *after = network(heard(mel, inside, target, params, changes), *states)
        states = tuple(after) if params.carry else ()
        likely = log_chances(logits)
        loss = mean_loss(likely, target, weight, params.soften, thought, params.taught)
        if params.meeting or params.shaping:
            loss = loss + lip_loss(likely, target, params.meeting, params.shaping)
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), params.clip_norm)
        run.optimizer.step(rate)
        losses += loss.detach()
        seen += inside[:, BEFORE:-AFTER].sum()
    mean, count = losses.item() / sampler.batches, seen.item()  # the device is waited for here
    seconds = time.perf_counter() - began
    return {
        "epoch": epoch,
        "loss": mean,
        "learning_rate": rate,
        "seconds": seconds,
        "frames_per_second": team.size * count / seconds,
    }


def log_chances(logits: torch.Tensor) -> torch.Tensor:
    """Log probabilities of (batch, length, 12), class by class in memory: over twelve numbers
    that lie side by side a CPU takes eight times as long, and the losses pick single classes."""
    return logits.movedim(2, 0).contiguous().log_softmax(0).movedim(0, 2)


def mean_loss(
    likely: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor,
    soften: int = 0,
    thought: torch.Tensor | None = None,
    taught: float = 0.0,
) -> torch.Tensor:
    """Weighted mean of the cross entropy over the outputs that count; 0 if none does.

    likely: log probabilities (batch, length, 12). soften: the target of an output is the mean of
    the targets this many outputs to either side. thought: what teachers think of each output, as
    probabilities in the shape of `likely`, which is a share `taught` of the target.
    """
    counts = target != IGNORED
    named = target.clamp_min(0)
    weights = torch.where(counts, weight[named], 0.0)
    if soften:
        chosen = functional.one_hot(named, likely.shape[2]) * counts[..., None].to(likely)
        near = functional.avg_pool1d(chosen.mT, 2 * soften + 1, stride=1, padding=soften).mT
        share = near / near.sum(2, keepdim=True).clamp_min(1e-6)
        losses = -(share * likely).sum(2)
    else:
        losses = -likely.gather(2, named[..., None])[..., 0]
    if thought is not None:
        losses = torch.lerp(losses, -(thought * likely).sum(2), taught)
    return (losses * weights).sum() / weights.sum().clamp_min(1.0)


def lip_loss(
    likely: torch.Tensor, target: torch.Tensor, meeting: float = 1.0, shaping: float = 0.0
) -> torch.Tensor:
    """What lips owe that do not show once what their sound needs: the mean cross entropy of the
    best HELD frames in a row of each sound, times SOUND, per output that counts.

    likely: log probabilities (batch, length, 12). meeting: weight of sounds of LIPS; the middle of
    their best frames may lie EARLY before to LATE after them. shaping: weight of sounds of one of
    SHAPES; any class of that shape will do. A closure must be seen once, and need not be right in
    every frame: so with weight 1 its best frames are worth what all of its frames are worth in
    `mean_loss`.
    """
    of = likely.unbind(2)  # picking classes one by one is slow to differentiate
    owed = likely.new_zeros(())
    if meeting:
        for lips in LIPS:
            owed = owed + meeting * _owed(of[lips], target == lips, target, EARLY, LATE)
    if shaping:
        for shape in SHAPES:
            one_of, chance = target == shape[0], of[shape[0]]
            for other in shape[1:]:
                one_of = one_of | (target == other)
                chance = torch.logaddexp(chance, of[other])
            owed = owed + shaping * _owed(chance, one_of, target, 0, 0)
    return SOUND * owed / (target != IGNORED).sum().clamp_min(1)


def _owed(
    likely: torch.Tensor, sounds: torch.Tensor, target: torch.Tensor, early: int, late: int
) -> torch.Tensor:
    """The sum over sounds, which are runs of `sounds` (batch, length), of the best log probability
    of HELD frames from `early` before to `late` after each, negative. No loop, and nothing waits
    for the device: a tensor gathers the best that has a place for every frame."""
    likely = functional.avg_pool1d(likely, HELD, 1, HELD // 2, count_include_pad=False)
    near = functional.pad(sounds.to(likely), (late, early))[:, None]
    near = (functional.max_pool1d(near, early + late + 1, 1)[:, 0] > 0) & (target != IGNORED)
    first = near.clone()
    first[:, 1:] &= ~near[:, :-1]
    place = torch.where(near.flatten(), first.flatten().cumsum(0), 0)  # 0: in no sound
    worst = likely.new_full((len(place) + 1,), -torch.inf)
    best = worst.scatter_reduce(0, place, likely.flatten(), "amax")[1:]
    return -torch.where(best > -torch.inf, best, 0.0).sum()


class Validation:
    """Whole clips of the validation split, as they are; measured without augmentation."""

    def __init__(self, corpus: Corpus, device: torch.device) -> None:
        self.frames = Frames(corpus, device)
        self.groups = list(self.frames.alike())

    @torch.inference_mode()
    def measure(self, model: nn.Module) -> dict[str, float]:
        """{"valid_loss", "valid_accuracy"}: mean cross entropy and share of right frames."""
        model.eval()
        loss = torch.zeros((), dtype=torch.float64, device=self.frames.device)
        right, count = torch.zeros_like(loss), torch.zeros_like(loss)
        for clip, longest in self.groups:
            mel, inside, target, *_ = self.frames.cut(clip, self.frames.first[clip], longest)
            logits, *_ = model(network_input(mel, inside))
            loss += functional.cross_entropy(
                logits.flatten(0, 1), target.flatten(), ignore_index=IGNORED, reduction="sum"
            )
            right += (logits.argmax(2) == target).sum()
            count += (target != IGNORED).sum()
        total = max(1.0, count.item())
        return {"valid_loss": loss.item() / total, "valid_accuracy": right.item() / total}


# ---------------------------------------------------------------- keeping and going on


class _Run:
    """What changes while it trains, and its checkpoint."""

    def __init__(
        self, kind: type[nn.Module], params: TrainParams, frames: Frames, data: str
    ) -> None:
        _seed(params, "weights")
        self.model = kind(params.dropout, params.hidden).to(frames.device)
        self.sampler = Stream(frames, params) if params.carry else Sampler(frames, params)
        fit_normalization(self.model, self.sampler, params)
        self.optimizer = Optimizer(params.optimizer, self.model, params.weight_decay)
        self.params = params
        self.identity = {**asdict(params), "network": kind.__name__, "data": data}
        self.history: list[dict[str, float]] = []
        self.best: dict[str, torch.Tensor] = {}

    def keep(self, row: dict[str, float]) -> None:
        """Adds an epoch, and its weights if no earlier one was better."""
        before = max((r.get("valid_accuracy", 0.0) for r in self.history), default=-1.0)
        self.history.append(row)
        if row.get("valid_accuracy", math.inf) > before:
            self.best = {name: t.detach().clone() for name, t in self.model.state_dict().items()}

    def waited(self) -> int:
        """Epochs since the best one."""
        reached = [row.get("valid_accuracy", math.inf) for row in self.history]
        return reached[::-1].index(max(reached)) if reached and max(reached) < math.inf else 0

    def network(self, state: dict[str, torch.Tensor]) -> nn.Module:
        """The network with these weights, ready to predict."""
        net = copy.deepcopy(self.model)
        net.load_state_dict(state)
        for layer in net.modules():
            if isinstance(layer, nn.GRU):
                layer.flatten_parameters()  # a copy's weights lie apart, which cuDNN warns of
        return net.eval()

    def save(self, path: Path) -> None:
        buffer = io.BytesIO()
        state = {
            "identity": self.identity,
            "history": self.history,
            "best": self.best,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, buffer)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        temporary.write_bytes(buffer.getvalue())
        os.replace(temporary, path)

    def restore(self, path: Path) -> None:
        remedy = "delete it to train from the start"
        device = next(self.model.parameters()).device
        try:
            state = torch.load(path, map_location=device, weights_only=True)
            identity = dict(state["identity"])
        except Exception as error:  # torch.load raises nearly anything on a damaged file
            reason = (str(error).splitlines() or ["?"])[0]
            raise BadCheckpoint(
                f"cannot be read as a checkpoint ({reason})", where=str(path), remedy=remedy
            ) from error
        changed = sorted(
            name
            for name in {*identity, *self.identity}
            if identity.get(name) != self.identity.get(name)
        )
        if changed:
            raise BadCheckpoint(
                f"belongs to a run with another {' and '.join(changed)}",
                where=str(path),
                remedy=remedy,
            )
        self.history, self.best = state["history"], state["best"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput(
            "there is no CUDA device on this machine",
            where="training parameters",
            remedy='use device "auto" or "cpu"',
        )
    use_cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return torch.device("cuda", torch.cuda.current_device()) if use_cuda else torch.device("cpu")


def _number(params: TrainParams, purpose: str) -> int:
    digest = blake2b(f"{params.seed}\x1ftrain\x1f{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1  # 63 bits: torch takes no larger seed


def _generator(params: TrainParams, purpose: str, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(_number(params, purpose))


def _seed(params: TrainParams, purpose: str) -> None:
    torch.manual_seed(_number(params, purpose))


# ---------------------------------------------------------------- on its own


def main(arguments: list[str] | None = None) -> int:
    """Trains from feature tables and writes best.pt, last.pt, visemill.onnx and history.json."""
    parser = argparse.ArgumentParser(prog="python -m lipsync.train", description=main.__doc__)
    parser.add_argument(
        "--features", required=True, nargs="+", metavar="GLOB", help="feature tables, in quotes"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument(
        "--threads", type=int, help="CPU threads (default: torch's choice; 1 on a busy machine)"
    )
    for field in fields(TrainParams):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(field.default),
            default=field.default,
            help=f"default {field.default}",
        )
    args = parser.parse_args(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        _train_files(args)
    except BadInput as error:
        print(f"lipsync.train: {error}", file=sys.stderr)
        return 1
    return 0


def _train_files(args: argparse.Namespace) -> None:
    params = TrainParams(**{field.name: getattr(args, field.name) for field in fields(TrainParams)})
    tables = sorted({name for pattern in args.features for name in glob.glob(pattern)})
    if not tables:
        raise BadFeatures(
            f"no file matches {' '.join(args.features)}", remedy="put the pattern in quotes"
        )
    corpus, valid = (load_feature_tables(tables, split, args.out) for split in ("train", "valid"))
    print(f"{corpus.frames:,} frames of {len(corpus)} clips to train on, {valid.frames:,} valid")
    team = Team.joined(params.device)
    trained = train(
        corpus,
        valid,
        params,
        checkpoint=args.out / "checkpoint.pt",
        on_epoch=lambda row: print(_line(row), flush=True) if team.rank == 0 else None,
        team=team,
    )
    if team.size > 1:
        torch.distributed.destroy_process_group()
    if team.rank:
        return
    save_cherry(trained.best, args.out / "best.pt")
    save_cherry(trained.last, args.out / "last.pt")
    save_onnx(trained.best, args.out / "visemill.onnx")
    report = {"params": asdict(params), "history": trained.history}
    (args.out / "history.json").write_text(json.dumps(report, indent=1) + "\n")


def _line(row: dict[str, float]) -> str:
    teacher = f"teacher {row['teacher']}  " if "teacher" in row else ""
    return (
        f"{teacher}epoch {row['epoch'] + 1:3d}  loss {row['loss']:.4f}"
        f"  valid loss {row.get('valid_loss', math.nan):.4f}"
        f"  accuracy {row.get('valid_accuracy', math.nan):.4f}"
        f"  {row['frames_per_second']:,.0f} frames/s"
    )


if __name__ == "__main__":
    sys.exit(main())
