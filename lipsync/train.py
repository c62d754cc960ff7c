"""Training the network, from feature tables to weights; read it from top to bottom.

All frames lie on the device. A batch is a few indexed reads and some arithmetic on all its
sequences at once: where to cut (`Sampler`), what the microphone and the room do to the sound
(`augment`), deltas, labels moved by the lookahead. No file is read and no loop runs over samples
while it trains.

    python -m lipsync.train --features 'features/*.parquet' --out models

The same seed, data, device and number of threads give the same weights, bit for bit on a CPU,
also when a run was stopped and went on from its checkpoint: every epoch draws from numbers of
its own, hash(seed, epoch).
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
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from lipsync.dataset import Corpus, load_feature_tables
from lipsync.errors import BadCheckpoint, BadFeatures, BadInput
from lipsync.export import save_cherry, save_onnx
from lipsync.features import AFTER, BEFORE, FLOOR, inner_deltas
from lipsync.model import LOOKAHEAD, OUTPUTS, CherryNet
from visemes.classes import CLASSES

LIPS = (CLASSES.index("F"), CLASSES.index("M"))
"""Classes whose lips must meet something: F (lip on teeth) and M (lips closed)."""

IGNORED = -100
"""The target of an output that counts for nothing: padding, and the first 3 of a sequence."""


# ---------------------------------------------------------------- parameters


_SPREADS = (
    "gain_db", "tilt_db", "band_db", "noise_tilt_db", "noise_flutter_db", "tract", "contrast",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrainParams:
    """What decides a training run. The recipe is that of a prototype on real speech.

    frames: length of a training sequence (10 ms each). learning_rate: the top of the one-cycle
    schedule. gain_db, tilt_db, band_db: standard deviations, per sequence, of loudness, of the
    slope from the lowest to the highest band, and of each band. noise_low_db, noise_high_db: the
    noise floor is drawn evenly between them, per sequence; noise_tilt_db: its slope over the
    bands, as tilt_db; noise_flutter_db: how much that noise varies from frame to frame. tract:
    standard deviation of the logarithm of the vocal tract's length, per sequence (0.1: a third of
    the sequences sound over 10 % longer or shorter). contrast: likewise of the spectral contrast
    around each frame's mean. lip_weight: how much more a frame of F or M counts. balance: how far
    the frequencies of the classes are taken out again when training is done (0 not at all, 1 as
    if all were equally frequent), see `balanced`.
    """

    epochs: int = 30
    batch: int = 64
    frames: int = 300
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
    lip_weight: float = 1.0
    balance: float = 0.0
    seed: int = 1
    device: str = "auto"

    def __post_init__(self) -> None:
        wrong = ""
        if min(self.epochs, self.batch) < 1:
            wrong = "epochs and batch must be at least 1"
        elif self.frames <= LOOKAHEAD:
            wrong = f"frames must be more than the lookahead of {LOOKAHEAD}"
        elif not 0 <= self.dropout < 1:
            wrong = "dropout must be in 0..1"
        elif min(self.learning_rate, self.clip_norm, self.lip_weight) <= 0:
            wrong = "learning_rate, clip_norm and lip_weight must be positive"
        elif min(asdict(self)[name] for name in _SPREADS) < 0:
            wrong = f"{', '.join(_SPREADS)} must not be negative"
        elif not 0 <= self.balance <= 1:
            wrong = "balance must be in 0..1"
        elif self.noise_low_db > self.noise_high_db:
            wrong = "noise_low_db must not be above noise_high_db"
        elif self.device not in ("auto", "cpu", "cuda"):
            wrong = f"device {self.device!r} is none of auto, cpu, cuda"
        if wrong:
            raise BadInput(wrong, where="training parameters", remedy="correct params.yaml")


@dataclass(frozen=True, slots=True)
class Trained:
    """best and last: networks on the CPU, ready to predict. history: one row for each epoch."""

    best: CherryNet
    last: CherryNet
    history: list[dict[str, float]]


# ---------------------------------------------------------------- batches


class Frames:
    """A corpus on the device: mel (N, 13), labels (N,), first and end frame of each clip."""

    def __init__(self, corpus: Corpus, device: torch.device) -> None:
        self.mel = torch.from_numpy(corpus.mel.copy()).to(device)
        self.labels = torch.from_numpy(corpus.visemes.copy()).to(device)
        offsets = torch.from_numpy(corpus.offsets.copy()).to(device)
        self.first, self.end = offsets[:-1], offsets[1:]
        self.device = device

    def __len__(self) -> int:
        return len(self.mel)

    def cut(
        self, clip: torch.Tensor, start: torch.Tensor, length: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Sequences of `length` frames of the given clips, from the given frames on.

        Returns mel (batch, length + 3, 13) with the neighbours that deltas need, whether each of
        those frames lies inside its clip, and the target of each output (batch, length).
        """
        steps = torch.arange(-BEFORE, length + AFTER, device=self.device)
        places = start[:, None] + steps
        inside = (places >= self.first[clip, None]) & (places < self.end[clip, None])
        places = places.clamp(0, len(self) - 1)
        inner = slice(BEFORE, -AFTER)
        named = self.labels[(places[:, inner] - LOOKAHEAD).clamp_min(0)].long()
        counts = inside[:, inner] & (steps[inner] >= LOOKAHEAD)
        return self.mel[places], inside, torch.where(counts, named, IGNORED)


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


def augment(mel: torch.Tensor, params: TrainParams, rng: torch.Generator) -> torch.Tensor:
    """Mel bands (batch, frames, 13) in dB as other microphones in other rooms would give them.

    Per sequence: gain, tilt over the bands, a bend of each band, then a noise floor that is added
    in power. With it a prototype's accuracy on real speech was equal within 0.01 over ±12 dB of
    gain, where Cherry Lip Sync's went from 11 to 58 % on one sentence.
    """
    batch, frames, bands = mel.shape

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=rng, device=mel.device)

    if params.tract:
        mel = stretch_tract(mel, torch.exp(params.tract * normal(batch)).clamp(0.75, 1.35))
    if params.contrast:
        mean = mel.mean(2, keepdim=True)
        mel = mean + (mel - mean) * torch.exp(params.contrast * normal(batch, 1, 1))
    slope = torch.linspace(-0.5, 0.5, bands, device=mel.device)
    change = params.gain_db * normal(batch, 1, 1)
    change = change + params.tilt_db * normal(batch, 1, 1) * slope
    change = change + params.band_db * normal(batch, 1, bands)
    even = torch.rand((batch, 1, 1), generator=rng, device=mel.device)
    noise = params.noise_low_db + (params.noise_high_db - params.noise_low_db) * even
    if params.noise_tilt_db:
        noise = noise + params.noise_tilt_db * normal(batch, 1, 1) * slope
    if params.noise_flutter_db:
        noise = noise + params.noise_flutter_db * normal(batch, frames, bands)
    # 10·log10(10^(a/10) + 10^(b/10)), without leaving float32's range.
    scale = math.log(10.0) / 10.0
    sum_db = torch.logaddexp((mel + change) * scale, noise * scale) / scale
    return sum_db.clamp_min(10.0 * math.log10(FLOOR))


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
) -> Trained:
    """Trains a network on `corpus`; `valid` chooses the best epoch by frame accuracy.

    With `checkpoint`, every epoch is saved to that file, and a run that finds the file goes on
    from there, reporting the epochs already done again first; the result is the same.
    on_epoch gets {"epoch", "loss", "learning_rate", "valid_loss", "valid_accuracy", "seconds",
    "frames_per_second"} after each epoch; without clips in `valid`, its two numbers are missing
    and the last epoch is the best.
    Raises BadFeatures if there is nothing to train on, BadCheckpoint if the file is of another run.
    """
    if not corpus.frames:
        raise BadFeatures(
            "there are no clips to train on", remedy="check the tables and their split column"
        )
    device = _device(params.device)
    on_epoch = on_epoch or (lambda row: None)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        _seed(params, "weights")
        model = CherryNet(params.dropout).to(device)
        frames = Frames(corpus, device)
        sampler = Sampler(frames, params)
        fit_normalization(model, sampler, params)
        optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=params.learning_rate,
            weight_decay=params.weight_decay,
            fused=device.type == "cuda",
        )
        check = Validation(valid, device) if valid.frames else None
        run = _Run(model, optimizer, params, f"{corpus.digest()}{valid.digest()}")
        if checkpoint is not None and Path(checkpoint).exists():
            run.restore(Path(checkpoint))
            for row in run.history:
                on_epoch(row)
        for epoch in range(len(run.history), params.epochs):
            row = _one_epoch(run, sampler, epoch)
            if check is not None:
                row |= check.measure(model)
            run.keep(row)
            if checkpoint is not None:
                run.save(Path(checkpoint))
            on_epoch(row)
        best, last = _on_cpu(model, run.best), _on_cpu(model, model.state_dict())
        return Trained(balanced(best, corpus, params), balanced(last, corpus, params), run.history)


def balanced(model: CherryNet, corpus: Corpus, params: TrainParams) -> CherryNet:
    """The network with `balance` times the logarithm of each class's share taken off its output.

    A network that is not sure names the class that is frequent in its data; so do lips that
    should close now and then, and stay open. (Logit adjustment: Menon et al. 2021.)
    """
    shares = torch.from_numpy(np.bincount(corpus.visemes, minlength=OUTPUTS) / corpus.frames)
    with torch.no_grad():
        model.net[-1].bias -= params.balance * shares.clamp_min(1e-4).log().float()
    return model


def fit_normalization(model: CherryNet, sampler: Sampler, params: TrainParams) -> None:
    """Sets the normalization's mean and variance from augmented frames, once and for good.

    They stay as they are while it trains: padding never touches them, and training and
    prediction see the same numbers. (Its weight and bias are trained.)
    """
    rng = _generator(params, "normalization", sampler.frames.device)
    total = square = count = 0.0
    for batch, (clip, start) in enumerate(sampler.epoch(rng)):
        mel, inside, _ = sampler.frames.cut(clip, start, params.frames)
        x = network_input(augment(mel, params, rng), inside)
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


def _one_epoch(run: _Run, sampler: Sampler, epoch: int) -> dict[str, float]:
    """Trains for one epoch. Returns its row, without the validation."""
    params, model, frames = run.params, run.model, sampler.frames
    rng = _generator(params, f"epoch {epoch}", frames.device)
    _seed(params, f"epoch {epoch}")  # dropout draws from torch's own generators
    weight = torch.ones(OUTPUTS, device=frames.device)
    weight[list(LIPS)] = params.lip_weight
    model.train()
    model.norm.eval()
    losses = torch.zeros((), dtype=torch.float64, device=frames.device)
    seen = torch.zeros((), dtype=torch.int64, device=frames.device)
    steps, began = params.epochs * sampler.batches, time.perf_counter()
    for batch, (clip, start) in enumerate(sampler.epoch(rng)):
        rate = learning_rate(epoch * sampler.batches + batch, steps, params.learning_rate)
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        mel, inside, target = frames.cut(clip, start, params.frames)
        x = network_input(augment(mel, params, rng), inside)
        logits, _, _ = model(x)
        loss = mean_loss(logits, target, weight)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), params.clip_norm)
        run.optimizer.step()
        losses += loss.detach()
        seen += inside[:, BEFORE:-AFTER].sum()
    mean, count = losses.item() / sampler.batches, seen.item()  # the device is waited for here
    seconds = time.perf_counter() - began
    return {
        "epoch": epoch,
        "loss": mean,
        "learning_rate": rate,
        "seconds": seconds,
        "frames_per_second": count / seconds,
    }


def mean_loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted mean of the cross entropy over the outputs that count; 0 if none does."""
    total = functional.cross_entropy(
        logits.flatten(0, 1), target.flatten(), weight, ignore_index=IGNORED, reduction="sum"
    )
    counted = torch.where(target == IGNORED, 0.0, weight[target.clamp_min(0)]).sum()
    return total / counted.clamp_min(1.0)


class Validation:
    """Whole clips of the validation split, as they are; measured without augmentation."""

    def __init__(self, corpus: Corpus, device: torch.device) -> None:
        self.frames = Frames(corpus, device)
        lengths = corpus.offsets[1:] - corpus.offsets[:-1]
        self.groups: list[tuple[torch.Tensor, int]] = []
        group: list[int] = []
        for clip in lengths.argsort(kind="stable"):  # like lengths together: little padding
            longest = int(lengths[clip])
            if group and (len(group) + 1) * longest > 40_000:
                self._add(group, int(lengths[group[-1]]))
                group = []
            group.append(int(clip))
        self._add(group, int(lengths[group[-1]]))

    def _add(self, group: list[int], longest: int) -> None:
        self.groups.append((torch.tensor(group, device=self.frames.device), longest))

    @torch.inference_mode()
    def measure(self, model: CherryNet) -> dict[str, float]:
        """{"valid_loss", "valid_accuracy"}: mean cross entropy and share of right frames."""
        model.eval()
        loss = torch.zeros((), dtype=torch.float64, device=self.frames.device)
        right, count = torch.zeros_like(loss), torch.zeros_like(loss)
        for clip, longest in self.groups:
            mel, inside, target = self.frames.cut(clip, self.frames.first[clip], longest)
            logits, _, _ = model(network_input(mel, inside))
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
        self,
        model: CherryNet,
        optimizer: torch.optim.Optimizer,
        params: TrainParams,
        data: str,
    ) -> None:
        self.model, self.optimizer, self.params = model, optimizer, params
        self.identity = {**asdict(params), "data": data}
        self.history: list[dict[str, float]] = []
        self.best: dict[str, torch.Tensor] = {}

    def keep(self, row: dict[str, float]) -> None:
        """Adds an epoch, and its weights if no earlier one was better."""
        before = max((r.get("valid_accuracy", 0.0) for r in self.history), default=-1.0)
        self.history.append(row)
        if row.get("valid_accuracy", math.inf) > before:
            self.best = {name: t.detach().clone() for name, t in self.model.state_dict().items()}

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


def _on_cpu(model: CherryNet, state: dict[str, torch.Tensor]) -> CherryNet:
    net = copy.deepcopy(model).cpu()
    net.load_state_dict(state)
    return net.eval()


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
    corpus = load_feature_tables(tables, "train")
    valid = load_feature_tables(tables, "valid")
    print(f"{corpus.frames:,} frames of {len(corpus)} clips to train on, {valid.frames:,} valid")
    trained = train(
        corpus,
        valid,
        params,
        checkpoint=args.out / "checkpoint.pt",
        on_epoch=lambda row: print(_line(row), flush=True),
    )
    save_cherry(trained.best, args.out / "best.pt")
    save_cherry(trained.last, args.out / "last.pt")
    save_onnx(trained.best, args.out / "visemill.onnx")
    report = {"params": asdict(params), "history": trained.history}
    (args.out / "history.json").write_text(json.dumps(report, indent=1) + "\n")


def _line(row: dict[str, float]) -> str:
    return (
        f"epoch {row['epoch'] + 1:3d}  loss {row['loss']:.4f}"
        f"  valid loss {row.get('valid_loss', math.nan):.4f}"
        f"  accuracy {row.get('valid_accuracy', math.nan):.4f}"
        f"  {row['frames_per_second']:,.0f} frames/s"
    )


if __name__ == "__main__":
    sys.exit(main())
