"""Does the gate of the voice transforms catch what is spoilt, and only that?

    python benchmarks/augment_quality.py [--clips N] [--no-aligner]

Sentences that espeak speaks in English; children by `world` and `praat` with their defaults, as
they are and with faults planted into them. Beside the gate stands a forced aligner (pocketsphinx):
it is given each child as it would be a recording, and a child counts as refused by it if the limits
of the stage `align` refuse it, or if they would with `--known`, the limit for a known speaker.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from align import AlignmentLimits, doubt
from align.confidence import confidence
from augment import find_fault, find_transform
from augment.world import analyse, load_pyworld
from clips import Clip, VisemillError, draw_stream, to_grid
from pipelines.aligners import ready_aligner

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.augment_channel import speak


def main() -> None:
    """Prints one line for each fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--no-aligner", action="store_true")
    args = parser.parse_args()
    aligner = None if args.no_aligner else ready_aligner("pocketsphinx")
    spoken = speak()[: args.clips]
    spent: Counter = Counter()
    print("| fault | gate | its reasons | aligner |")
    print("|---|---|---|---|")
    for title, plant in FAULTS.items():
        reasons, refused, count = Counter(), 0, 0
        for number, parent in enumerate(spoken):
            transform = find_transform(("world", "praat")[number % 2])
            rng = draw_stream(1, "quality", parent.clip_id)
            child = plant(transform.apply(parent, transform.draw(rng, parent)), rng)
            began = time.process_time()
            fault = find_fault(parent, child)
            spent["gate"] += time.process_time() - began
            reasons[fault.split(":")[0] if fault else ""] += 1
            count += 1
            if aligner:
                began = time.process_time()
                refused += _refused(aligner, child)
                spent["aligner"] += time.process_time() - began
        caught = count - reasons.pop("", 0)
        said = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common())
        beside = f"{refused / count:.0%}" if aligner else ""
        print(f"| {title} | {caught / count:.0%} | {said} | {beside} |", flush=True)
    seconds = len(FAULTS) * sum(clip.seconds for clip in spoken)
    print({who: f"{seconds / used:.0f} x real time" for who, used in spent.items()})


def _refused(aligner, child: Clip) -> bool:
    """Whether the aligner finds no path, or one that the stage `align` would not believe."""
    bare = child.with_(phones=(), words=(), ipa=(), visemes=(), timing="none")
    try:
        found = aligner.align(bare)
    except VisemillError:
        return True
    return doubt(found.with_scores(**confidence(found)).score, AlignmentLimits()) is not None


# ---------------------------------------------------------------- faults


def keep(child: Clip, rng: np.random.Generator) -> Clip:
    """No fault: what the gate says here is false alarm."""
    return child


def lose_phone(child: Clip, rng: np.random.Generator) -> Clip:
    """One phone of 60 ms or more becomes silent."""
    long = [p for p in child.phones if p.label not in ("SIL", *"PTKBDG") and p.samples >= 960]
    phone = long[rng.integers(len(long))]
    audio = child.audio.copy()
    audio[phone.start : phone.end] *= 1e-3
    return child.with_(audio=to_grid(audio))


def lose_word(child: Clip, rng: np.random.Generator) -> Clip:
    """One word becomes silent."""
    word = child.words[rng.integers(len(child.words))]
    audio = child.audio.copy()
    audio[word.start : word.end] *= 1e-3
    return child.with_(audio=to_grid(audio))


def swap_words(child: Clip, rng: np.random.Generator) -> Clip:
    """The second half comes before the first."""
    return child.with_(audio=np.roll(child.audio, len(child) // 2))


def late(child: Clip, rng: np.random.Generator) -> Clip:
    """All sound comes 100 ms late."""
    return child.with_(audio=np.roll(child.audio, 1600))


def drop_packets(child: Clip, rng: np.random.Generator) -> Clip:
    """Every fourth stretch of 40 ms is missing."""
    return child.with_(audio=child.audio * (np.arange(len(child)) // 640 % 4 > 0))


def bury(child: Clip, rng: np.random.Generator) -> Clip:
    """White noise as loud as the voice."""
    noisy = child.audio + rng.normal(0, child.audio.std(), len(child))
    return child.with_(audio=to_grid(noisy / 2**0.5))


def whisper(child: Clip, rng: np.random.Generator) -> Clip:
    """No pitch is left."""
    return _sung(child, np.zeros, np.ones)


def buzz(child: Clip, rng: np.random.Generator) -> Clip:
    """Everything has a pitch of 120 Hz, fricatives too."""
    return _sung(child, lambda shape: np.full(shape, 120.0), lambda shape: np.full(shape, 1e-6))


def _sung(child: Clip, pitch, noise) -> Clip:
    found = analyse(child)
    envelope = np.exp(found.envelope).astype(np.float64, order="C")
    sound = load_pyworld().synthesize(
        pitch(found.f0.shape), envelope, noise(envelope.shape), 16000, 5.0
    )[: len(child)]
    return child.with_(audio=to_grid(np.clip(sound * child.audio.std() / sound.std(), -1, 0.999)))


def clip_hard(child: Clip, rng: np.random.Generator) -> Clip:
    """20 dB over full scale."""
    return child.with_(audio=to_grid(np.clip(child.audio / np.abs(child.audio).max() * 10, -1, 1)))


def lengthen(child: Clip, rng: np.random.Generator) -> Clip:
    """20 ms too long."""
    return child.with_(audio=np.concatenate([child.audio, np.zeros(320, np.float32)]))


FAULTS = {
    "none": keep, "one phone silent": lose_phone, "one word silent": lose_word,
    "halves swapped": swap_words, "100 ms late": late, "packets lost": drop_packets,
    "noise at 0 dB": bury, "whispered": whisper, "buzzing": buzz, "clipped": clip_hard,
    "20 ms too long": lengthen,
}  # fmt: skip


if __name__ == "__main__":
    main()
