"""How far an aligner's boundaries are from hand labels, and how fast it is.

    python benchmarks/align_truth.py [FOLDER …] [--aligner neural] [--noise] [--pairs]

FOLDER (default ../shared/speech/emu_ae) has manifest.tsv with a column `label`, as
datasets/truth/README.md says. --noise: in a room that rings for 0.4 s, with noise 10 dB under the
speech. --pairs: also the kinds of boundaries that make most of the error.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from align.measure import boundaries, compare, match, total
from clips import RATE, BadInput, Clip, EngineFailed, draw_stream, to_grid
from clips.arpabet import STOPS, VOWELS
from pipelines.aligners import MODEL, ready_aligner
from pipelines.truth import read_truth
from visemes.inventory import load_inventory


def main() -> None:
    """Prints one line for each folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", default=["../shared/speech/emu_ae"])
    parser.add_argument("--aligner", default="pocketsphinx")
    parser.add_argument("--model", type=Path, default=MODEL, help="of the aligner `neural`")
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--pairs", action="store_true")
    args = parser.parse_args()
    aligner = ready_aligner(args.aligner, args.model)
    for folder in args.folders:
        if not Path(folder).is_dir():
            print(f"{folder}: not there, left out")
            continue
        truths = [truth.clip for truth in read_truth(Path(folder), load_inventory("cherry12"))]
        if args.noise:
            truths = [in_noise(clip) for clip in truths]
        pairs, errors, failed, seconds, began = [], [], 0, 0.0, time.perf_counter()
        for clip in truths:
            try:
                aligned = aligner.align(clip)
            except (BadInput, EngineFailed):
                failed += 1
                continue
            pairs.append((clip, aligned))
            seconds += clip.seconds
        taken = time.perf_counter() - began
        errors = [compare(clip.phones, aligned.phones) for clip, aligned in pairs]
        whole = total(errors)
        print(
            f"{folder}: {len(errors)} aligned, {failed} not; boundaries {whole.mean_ms:.1f} ms off"
            f" on average, median {whole.median_ms:.1f} ms, bias {whole.bias_ms:+.1f} ms,"
            f" F1 at 20 ms {whole.f1:.3f}; {seconds / taken:.0f} x real time"
        )
        if args.pairs:
            print_pairs(pairs)


def in_noise(clip: Clip, snr_db: float = 10.0) -> Clip:
    """The clip in a room (tail 3 dB under the sound, 60 dB down after 0.4 s) and noise."""
    rng = draw_stream(1, "align_truth", clip.clip_id)
    time_s = np.arange(round(0.4 * RATE)) / RATE
    tail = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / 0.4)
    tail *= 10 ** (-3 / 20) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    sound = np.convolve(clip.audio, tail)[: len(clip)]
    colour = 1 / np.sqrt(np.maximum(np.fft.rfftfreq(len(clip), 1 / RATE), 200.0))
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(len(clip))) * colour, len(clip))
    noise *= np.sqrt((sound**2).mean() / (noise**2).mean()) * 10 ** (-snr_db / 20)
    mixed = sound + noise
    return clip.with_(audio=to_grid(mixed * min(1.0, 0.95 / np.abs(mixed).max())))


def print_pairs(pairs: list[tuple[Clip, Clip]]) -> None:
    """Kinds of boundaries of the truth: how many, matched, bias and mean error (ms)."""
    found, count = defaultdict(list), defaultdict(int)
    for clip, aligned in pairs:
        kinds = [
            f"{kind_of(a.label)} {kind_of(b.label)}"
            for a, b in zip(clip.phones, clip.phones[1:])
            if a.label != b.label
        ]
        truth, guess = boundaries(clip.phones), boundaries(aligned.phones)
        for kind in kinds:
            count[kind] += 1
        for i, j in match(truth, guess):
            found[kinds[i]].append((guess[j] - truth[i]) * 1000 / RATE)
    for kind, values in sorted(found.items(), key=lambda item: -np.abs(item[1]).sum())[:20]:
        print(
            f"  {kind:24s} {count[kind]:4d}, {len(values):4d} matched,"
            f" bias {np.mean(values):+6.1f}, mean {np.abs(values).mean():5.1f}"
        )


def kind_of(phone: str) -> str:
    """A broad kind of phone.

    >>> kind_of("AA"), kind_of("M"), kind_of("SIL")
    ('vowel', 'nasal', 'silence')
    """
    if phone in VOWELS:
        return "vowel"
    if phone in STOPS | {"CH", "JH"}:
        return "stop"
    if phone in ("M", "N", "NG"):
        return "nasal"
    return {"SIL": "silence", "L": "glide", "R": "glide", "W": "glide", "Y": "glide"}.get(
        phone, "fricative"
    )


if __name__ == "__main__":
    main()
