"""How fast the model answers: whole files against their length, and streams frame by frame.

    python benchmarks/lipsync_speed.py [--model FILE]

Whole files: `visemill lipsync` in one process on a minute of WAV, decoding and features included,
start-up not. Streams: pieces of 10 ms, the smallest there are, on one thread: from sound to
probabilities with all state, features and network; the steady track and the cues; and the network
alone, so that figures of two machines can be compared.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from clips import read_audio
from lipsync.features import HOP, RATE
from lipsync.infer import CueStream, Model, usual_model
from lipsync.steady import Steady, steady_classes

SECONDS = 60


def main() -> None:
    """Prints both figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=usual_model())
    args = parser.parse_args()
    model = Model.load(args.model)
    rng = np.random.default_rng(0)
    swell = np.abs(np.sin(np.arange(SECONDS * RATE) * (2 * np.pi * 4 / RATE)))
    sound = (rng.normal(0, 0.1, SECONDS * RATE) * swell).clip(-1, 1).astype(np.float32)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        soundfile.write(path, sound, RATE)
        whole = best(lambda: steady_classes(model.predict(read_audio(path))))
    print(f"whole file: {SECONDS / whole:.0f} x real time on one thread")

    pieces = np.split(sound, len(sound) // HOP)

    def stream() -> None:
        heard = model.stream()
        for piece in pieces:
            heard.push(piece)

    probabilities = model.predict(sound)

    def after() -> None:
        steady, cues = Steady(), CueStream(30, filter=True)
        for row in probabilities:
            cues.push(steady.push(row[None]))

    x, state = np.zeros((1, 26), np.float32), None

    def network() -> None:
        nonlocal state
        for _ in pieces:
            _, state = model.network.run(x, state)

    whole, alone, steadied = best(stream), best(network), best(after)
    per_piece = 1e6 / len(pieces)
    print(
        f"stream: {whole * per_piece:.0f} microseconds for each 10 ms,"
        f" the network alone {alone * per_piece:.0f};"
        f" the steady track and cues {steadied * per_piece:.0f} more"
    )


def best(work, times: int = 3) -> float:
    """The shortest of some runs, seconds."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


if __name__ == "__main__":
    main()
