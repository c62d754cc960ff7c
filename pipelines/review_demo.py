"""A small set for `visemill review --demo`: synthesized clips, some of them with wrong labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, redirect_stderr
from dataclasses import replace
from io import StringIO
from itertools import cycle
from pathlib import Path

import numpy as np
import yaml

from clips import Clip, draw_stream, partition_name, to_grid, warp, write_clips
from pipelines import triage, visemes
from pipelines.params import FILE
from pipelines.sources import source_folder
from synth import Prompt, find_engine
from synth.grammar import generate

CLIPS = 60
SPOILT = 0.1
"""The share of clips that get one of FAULTS."""
FIRST = 230
"""The number of the first clip: from here, 5 of 60 are among those that two people hear."""

_PARAMS = Path(__file__).parent.parent / FILE


def make_demo(folder: Path, count: int = CLIPS) -> None:
    """Fills `folder` with params.yaml and datasets/ up to the triage table.

    The clips are espeak's; their labels pass for an aligner's: a little off, and every
    `1 / SPOILT`-th clip wrong. What that aligner thinks of itself is made up. None is approved by
    rule, so that all are there to be reviewed; the surest make a lot.
    """
    kinds = cycle(FAULTS)
    clips = []
    for number, clip in enumerate(speak(count)):
        rng = draw_stream(1, "demo-labels", clip.clip_id)
        clip = _as_aligned(clip, rng)
        wrong = number % round(1 / SPOILT) == round(1 / SPOILT) // 2
        clips.append(FAULTS[next(kinds)](clip, rng) if wrong else clip)
    with redirect_stderr(StringIO()):  # how far the stages are is of no interest here
        make_set(folder, clips)


def make_set(
    folder: Path,
    aligned: Sequence[Clip],
    partitions: int = 1,
    model: Path | None = None,
    **settings,
) -> None:
    """A project folder whose recordings are these aligned clips, after `visemes` and `triage`.

    model: a network for triage (triage.MODEL). settings: what differs in the `triage` block of
    params.yaml; `sure` is null if not given.
    """
    table = yaml.safe_load(_PARAMS.read_text("utf-8"))
    table["synthesize"].update(engines=["espeak"], settings={})
    table["triage"].update({"sure": None, **settings})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(yaml.safe_dump(table), "utf-8")
    network = model.read_bytes() if model else b""
    with chdir(folder):
        for number in range(partitions):
            path = source_folder("recordings") / partition_name(number)
            write_clips(path, aligned[number::partitions])
        triage.REVIEWS.mkdir(parents=True, exist_ok=True)
        if network:
            triage.MODEL.write_bytes(network)
        visemes.run()
        triage.run()


def speak(count: int, seed: int = 1) -> Iterator[Clip]:
    """English sentences by espeak's speakers in turn, with their exact labels."""
    engine = find_engine("espeak")
    voices = {voice.speaker: voice for voice in engine.voices("en")}
    names = sorted(voices)
    for number, text in enumerate(generate(count, seed)):
        voice = voices[names[number % len(names)]]
        prompt = Prompt(f"demo-{FIRST + number:05d}", text, "en")
        rng = draw_stream(seed, "demo", prompt.prompt_id)
        params = engine.draw(rng, prompt, voice)
        yield engine.speak(prompt, voice, params, prompt.prompt_id).with_(split="train")


def _as_aligned(clip: Clip, rng: np.random.Generator) -> Clip:
    """The clip with boundaries about 6 ms off, and scores as an aligner might give them."""
    edges = np.array([phone.end for phone in clip.phones[:-1]])
    moved = np.maximum.accumulate(edges + rng.normal(0, 96, len(edges)).astype(int))
    targets = dict(zip(edges.tolist(), np.clip(moved, 1, len(clip) - 1).tolist()))
    phones = warp(clip.phones, lambda at: targets.get(at, at))
    return _scored(clip.with_(phones=phones, ipa=(), timing="aligned"), rng, 0.7, 0.99)


def _scored(clip: Clip, rng: np.random.Generator, low: float, high: float) -> Clip:
    """The clip with phone scores between `low` and `high`; match and confidence are their mean."""
    scores = rng.uniform(low, high, len(clip.phones)).round(4).tolist()
    phones = tuple(replace(phone, score=score) for phone, score in zip(clip.phones, scores))
    mean = round(float(np.mean(scores)), 4)
    return clip.with_(phones=phones).with_scores(confidence=mean, align_match=mean)


def _late(clip: Clip, rng: np.random.Generator) -> Clip:
    """Every label comes 150 ms late."""
    end = len(clip)
    phones = warp(clip.phones, lambda at: at if at in (0, end) else min(at + 2400, end - 1))
    return _scored(clip.with_(phones=phones), rng, 0.3, 0.8)


def _wrong_words(clip: Clip, rng: np.random.Generator) -> Clip:
    """The labels of the middle third are those of other sounds."""
    count = len(clip.phones)
    phones = list(clip.phones)
    for at in range(count // 3, 2 * count // 3):
        other = phones[int(rng.integers(1, count - 1))].label
        phones[at] = replace(phones[at], label=other)
    return _scored(clip.with_(phones=tuple(phones)), rng, 0.2, 0.9)


def _cut_off(clip: Clip, rng: np.random.Generator) -> Clip:
    """The recording ends too early, and the aligner has squeezed its phones into it."""
    length = len(clip) * 7 // 10
    phones = warp(clip.phones, lambda at: at * 7 // 10)
    phones = (*phones[:-1], replace(phones[-1], end=length))
    cut = clip.with_(audio=clip.audio[:length], phones=phones, words=())
    return _scored(cut, rng, 0.1, 0.7)


def _noise(clip: Clip, rng: np.random.Generator) -> Clip:
    """Noise louder than the speech covers a third of the clip."""
    audio = clip.audio.copy()
    count = len(audio) // 3
    at = int(rng.integers(len(audio) - count))
    audio[at : at + count] += rng.normal(0, 3 * float(np.std(audio)), count).astype(np.float32)
    return _scored(clip.with_(audio=to_grid(audio.clip(-0.99, 0.99))), rng, 0.4, 0.9)


FAULTS: dict[str, Callable[[Clip, np.random.Generator], Clip]] = {
    "late": _late,
    "wrong words": _wrong_words,
    "cut off": _cut_off,
    "noise": _noise,
}
"""What may be wrong with a clip and its labels."""
