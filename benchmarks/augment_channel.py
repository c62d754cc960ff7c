"""How fast the transforms of level, room, channel and joins are, and whether labels stay true.

    python benchmarks/augment_channel.py [NAME …] [--truth FOLDER]

One process, clips that espeak speaks (or the hand-labelled ones of FOLDER); beside them `world`,
which changes the voice. Two measures of what a child's sound did around each boundary of its
labels: *lag*: cross-correlation with the parent in windows of 100 ms; *edge*: where the boundary is
seen (align/landmarks.py), child against parent. A jump of an edge is no movement: where noise or a
lost band hides one, another change nearby is seen instead.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from augment import Pool, find_transform
from augment.codec import CODECS, CodecParams, find_delay, maker_of
from augment.drawn import DrawnTransform
from clips import Clip, EngineMissing, VisemillError, draw_stream
from pipelines.engines import configured_engine
from pipelines.truth import read_truth
from synth import Prompt
from synth.grammar import generate
from visemes.inventory import load_inventory

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.augment.measure import landmark_shifts, local_lags

CLIPS = 60
NAMES = (
    "gain", "clipping", "equaliser", "band", "noise", "babble", "excerpt", "join", "room", "codec",
    "world",
)  # fmt: skip
MODERATE = {"noise": {"snr_db": [20, 30]}, "babble": {"snr_db": [20, 30]},
            "clipping": {"over_db": [2, 10]}}  # fmt: skip


def main() -> None:
    """Prints one line for each transform, and for each codec at its lowest and highest bitrate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--truth", type=Path, help="folder of hand-labelled recordings")
    args = parser.parse_args()
    clips = read_people(args.truth) if args.truth else speak()
    for name in args.names:
        for settings in [{}, MODERATE[name]] if name in MODERATE else [{}]:
            transform = find_transform(name, settings)
            if isinstance(transform, DrawnTransform):
                transform.pool = Pool(clips)
            print(measure(transform, clips, f"{name} {settings or ''}"))
    for name in CODECS if "codec" in args.names else ():
        for bitrate in sorted({CODECS[name].bitrates[0], CODECS[name].bitrates[-1]}):
            try:
                params = CodecParams(name, bitrate, maker_of(name))
            except EngineMissing as error:
                print(f"{name}: {error}")
                break
            late = find_delay(name, bitrate)
            title = f"{name} {bitrate} (late by {late} samples)"
            print(measure(find_transform("codec"), clips, title, params))


def measure(transform, clips: list[Clip], title: str, params=None) -> str:
    """Speed, and where sound and edges lie, over one child of each clip."""
    seconds = spent = 0.0
    lags, shifts = [], []
    for number, clip in enumerate(clips):
        began = time.perf_counter()
        try:
            drawn = params or transform.draw(draw_stream(1, transform.name, clip.clip_id), clip)
            child = transform.apply(clip, drawn)
        except VisemillError as error:
            return f"{title}: {error}"
        if number:  # the first also loads libraries
            spent += time.perf_counter() - began
            seconds += clip.seconds
        if len(child) == len(clip):
            lags += list(local_lags(clip, child))
            shifts += landmark_shifts(clip, child)
    line = f"{title:45s} {seconds / spent:6.0f} x real time"
    if not lags:
        return line
    lag, shift = np.array(lags) / 16, np.array(shifts)
    return (
        f"{line}; lag {np.median(lag):+.2f} ms, {np.mean(np.abs(lag) <= 1):.1%} within 1 ms;"
        f" edge {np.median(shift):+.1f} ms, {np.mean(np.abs(shift) <= 2):.1%} within 2 ms,"
        f" {np.mean(np.abs(shift) <= 10):.1%} within 10 ms"
    )


def speak() -> list[Clip]:
    """Sentences of espeak's English people."""
    engine = configured_engine("espeak")
    voices = engine.voices("en")
    clips = []
    for number, text in enumerate(generate(CLIPS, 5)):
        prompt, voice = Prompt(f"p{number}", text), voices[number % len(voices)]
        rng = draw_stream(1, "benchmark", f"{voice.name} {text}")
        drawn = engine.draw(rng, prompt, voice)
        clips.append(engine.speak(prompt, voice, drawn, f"c{number}"))
    return clips


def read_people(folder: Path) -> list[Clip]:
    """CLIPS of a folder's hand-labelled recordings, spread over all of them."""
    clips = [truth.clip for truth in read_truth(folder, load_inventory("cherry12"))]
    return clips[:: max(1, len(clips) // CLIPS)][:CLIPS]


if __name__ == "__main__":
    main()
