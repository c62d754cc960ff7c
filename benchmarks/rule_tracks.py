"""How good the tracks are that the rules draw from people's hand-labelled phones, and how fast.

    python benchmarks/rule_tracks.py [FOLDER ...] [--model FILE ...] [--rules]

FOLDERs have hand labels (default ../shared/speech/emu_ae and emodb). For each one line a frame
rate: the lip score and its parts (visemes/lip_score.py), changes of shape and one-frame shapes per
second of speech. `--model` puts a network's track beside it (100 per second), such as Cherry's
published weights, at five loudnesses. `--rules` tries each rule that is off at 24 per second.
Last, the processor time for an hour of phones.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from clips.segment import RATE, SILENCE
from lipsync.features import features
from lipsync.infer import Model, frame_classes
from pipelines.truth import TruthClip, read_truth
from visemes.comparison import Motion, motion
from visemes.frames import resample
from visemes.inventory import load_inventory
from visemes.lip_score import PARTS, LipScore, lip_score
from visemes.rules import ANIMATION, Rules, to_visemes

INVENTORY = load_inventory("cherry12")
SWITCHES = (
    "schwa_takes_neighbours", "weak_consonants_yield", "rounding_spreads",
    "static_stretches_move", "closures_begin_early", "minimum_hold",
)  # fmt: skip


def main() -> None:
    """Prints a table for each folder, and the time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folders = [Path("../shared/speech") / name for name in ("emu_ae", "emodb")]
    parser.add_argument("folders", nargs="*", type=Path, default=folders, metavar="FOLDER")
    parser.add_argument("--model", nargs="*", type=Path, default=[], metavar="FILE")
    parser.add_argument("--rules", action="store_true", help="try the rules that are off")
    args = parser.parse_args()
    clips: list[TruthClip] = []
    for folder in args.folders:
        if not folder.is_dir():
            print(f"{folder}: not there, left out")
            continue
        clips = read_truth(folder, INVENTORY)
        seconds = sum(map(speech_seconds, clips))
        print(f"\n{folder.name}: {len(clips)} recordings, {seconds:.0f} s of speech")
        print(f"{'':34} score changes flicker  {'  '.join(f'{p[:9]:>9}' for p in PARTS)}")
        for rate in (24, 25, 30, 60, 100):
            report(f"rules, {rate} per second", clips, drawn(rate, Rules()), rate)
        report("rules.ANIMATION, 24 per second", clips, drawn(24, ANIMATION), 24)
        for switch in SWITCHES if args.rules else ():
            rules = replace(Rules(), **{switch: True})
            report(f"  {switch}", clips, drawn(24, rules), 24)
        for path in args.model:
            model = Model.load(path)
            for gain in (-12, -6, 0, 6, 12):
                report(f"{path.stem}, {gain:+} dB", clips, predicted(model, gain), 100)
    if clips:
        time_an_hour(clips)


def drawn(rate: int, rules: Rules) -> Callable[[TruthClip], np.ndarray]:
    """What the rules draw from a clip's phones at `rate` per second."""
    return lambda truth: resample(
        to_visemes(truth.clip.phones, INVENTORY, rules, truth.clip.ipa), Fraction(rate), INVENTORY
    )


def predicted(model: Model, gain: float) -> Callable[[TruthClip], np.ndarray]:
    """What a network shows for a clip made `gain` dB louder, 100 per second."""

    def track(truth: TruthClip) -> np.ndarray:
        audio = truth.clip.audio * np.float32(10 ** (gain / 20))
        return frame_classes(model.predict_features(features(np.clip(audio, -1, 1))))

    return track


def report(name: str, clips, track: Callable[[TruthClip], np.ndarray], rate: int) -> None:
    """Prints one line."""
    score, moved = LipScore(), Motion()
    for truth in clips:
        classes, clip = track(truth), truth.clip
        score += lip_score(classes, rate, clip.phones, INVENTORY, ipa=clip.ipa, skip=truth.unknown)
        moved += motion(classes, rate, speech_seconds(truth))
    shares = "  ".join(f"{score.shares.get(part, float('nan')):9.3f}" for part in PARTS)
    print(
        f"{name:34} {score.score:.3f} {moved.changes_per_second:7.1f}"
        f" {moved.flickers_per_second:7.2f}  {shares}"
    )


def speech_seconds(truth: TruthClip) -> float:
    """The seconds of a clip that are no silence."""
    return sum(phone.seconds for phone in truth.clip.phones if phone.label != SILENCE)


def time_an_hour(clips: list[TruthClip]) -> None:
    """Prints how long a track of an hour takes, from phones to pictures."""
    phones, ipa, at = [], [], 0
    while at < 3600 * RATE:
        for truth in clips:
            phones += [phone.moved(at) for phone in truth.clip.phones]
            ipa += truth.clip.ipa
            at += len(truth.clip)
    for name, rules in (("Rules()", Rules()), ("ANIMATION", ANIMATION)):
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            resample(to_visemes(phones, INVENTORY, rules, ipa), Fraction(24), INVENTORY)
            best = min(best, time.process_time() - start)
        print(f"\n{at / RATE / 3600:.2f} hours, {len(phones)} phones, {name}: {best:.2f} s")


if __name__ == "__main__":
    main()
