"""How fast augmentation is, what the faster pitch tracker costs, and whether memory stays flat.

    python benchmarks/augment_speed.py [--truth FOLDER] [--memory SECONDS …]

Speeds are seconds of audio a second of processor time of one core, so other work on the machine
does not count. The default mix: the steps of params.yaml's chain, a child of every clip, from clips
whose analysis is there, the gate included. Pitch trackers: speed, WORLD's copy of a clip with each
(distance as the gate measures it), and with FOLDER's hand labels the share of vowel frames that are
voiced and of silence and voiceless frames that are not. Memory: the highest that the stage's own
function reaches over so many seconds of clips, each in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from augment import Chain, Pool, Transform, find_transform, world
from augment.quality import frame_distances
from augment.voice import voice_map
from clips import RATE, Clip, Reject, VisemillError, draw_stream, write_clips
from clips.arpabet import VOWELS
from pipelines.augment import AugmentParams, Work, augment_partition
from pipelines.params import load_params
from pipelines.runner import Task

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.augment_channel import read_people, speak

CLIPS = 24
VOICELESS = frozenset("SIL P T K CH F TH S SH HH".split())


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, help="folder of hand-labelled recordings")
    parser.add_argument("--memory", type=float, nargs="*", default=[], metavar="SECONDS")
    parser.add_argument("--child", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print_memory(args.child)
        return
    clips = speak()[:CLIPS]
    world._KEPT = CLIPS  # so that all analyses are there
    print(f"analysis: {speed(clips, world.analyse):.0f} x")
    chain = Chain(load_params("augment", AugmentParams).chain, Pool(clips))
    print(f"default mix, analysed: {speed(clips, lambda clip: child_of(chain, clip)):.0f} x")
    for name, settings in (("world", {}), ("praat", {}), ("praat", {"formants": [1, 1]})):
        rate = speed(clips, partial(apply_drawn, find_transform(name, settings)))
        print(f"{name} {settings or ''}: {rate:.0f} x")
    people = read_people(args.truth) if args.truth else clips
    for name, tracker in (("dio, refined", world.find_pitch), ("harvest", harvest)):
        print(f"{name}: {compare_tracker(tracker, people[:CLIPS])}")
    for seconds in args.memory:
        subprocess.run([sys.executable, __file__, "--child", str(seconds)], check=True)


def apply_drawn(transform: Transform, clip: Clip) -> Clip:
    """One child."""
    rng = draw_stream(1, transform.name, clip.clip_id)
    return transform.apply(clip, transform.draw(rng, clip))


def child_of(chain: Chain, clip: Clip) -> Clip | None:
    """A child, or None where it is refused."""
    try:
        return chain.make(draw_stream(1, "augment", clip.clip_id), clip)
    except VisemillError:
        return None


def speed(clips: list[Clip], work: Callable[[Clip], object]) -> float:
    """Seconds of audio a second of processor time; the first clip, which loads libraries, apart."""
    work(clips[0])
    began = time.process_time()
    for clip in clips[1:]:
        work(clip)
    return sum(clip.seconds for clip in clips[1:]) / (time.process_time() - began)


def harvest(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """WORLD's slower pitch tracker."""
    return world.load_pyworld().harvest(
        sound, RATE, f0_floor=world.F0_FLOOR, f0_ceil=world.F0_CEIL, frame_period=world.PERIOD
    )


def compare_tracker(tracker, clips: list[Clip]) -> str:
    """Speed, distance of an unchanged copy, and agreement with the labels, in words."""
    kept = world.find_pitch
    rate = speed(clips, lambda clip: tracker(clip.audio.astype(np.float64)))
    transform, params = find_transform("world"), world.WorldParams()
    distances, vowels, voiceless = [], [], []
    try:
        world.find_pitch = tracker
        for clip in clips:
            world._cache.clear()
            found = world.analyse(clip)
            moved = voice_map(clip, params)
            far, loud = frame_distances(clip, transform.apply(clip, params), moved)
            distances.append(far.mean(where=loud))
            for phone in clip.phones:
                # The middle half: at their ends phones are partly voiced.
                quarter = phone.samples // 4
                first = (phone.start + quarter) // world.HOP
                voiced = found.f0[first : (phone.end - quarter) // world.HOP] > 0
                if phone.label in VOWELS:
                    vowels.extend(voiced)
                elif phone.label in VOICELESS:
                    voiceless.extend(~voiced)
    finally:
        world.find_pitch = kept
        world._cache.clear()
    return (
        f"{rate:.0f} x; copy {np.mean(distances):.2f} dB from the clip; vowels voiced"
        f" {np.mean(vowels):.1%}, voiceless not {np.mean(voiceless):.1%}"
    )


def print_memory(seconds: float) -> None:
    """The peak of this process over so many seconds of clips, by the stage's own function."""
    root = Path.cwd()
    params = load_params("augment", AugmentParams)
    spoken = speak()[:CLIPS]

    def many() -> Iterator[Clip]:
        made, number = 0.0, 0
        while made < seconds:
            clip = spoken[number % CLIPS]
            yield clip.with_(clip_id=f"{clip.clip_id}-{number}", root_id="", split="train")
            made, number = made + clip.seconds, number + 1

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            place = Path("datasets/synthesize/espeak/part-0000.parquet")
            write_clips(place, many())
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            task = Task(place.name, (place,), ["espeak", place.name])
            children = augment_partition(task, Work(1, params))
            count = write_clips("out.parquet", (c for c in children if not isinstance(c, Reject)))
        finally:
            os.chdir(root)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{seconds:.0f} s, {count} children: peak {peak:.0f} MiB, before {before:.0f} MiB")


if __name__ == "__main__":
    main()
