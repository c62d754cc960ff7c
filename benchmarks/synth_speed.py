"""How fast the speech engines are, with two workers, as the stage `synthesize` runs them.

    python benchmarks/synth_speed.py [ENGINE …]   (default: espeak flite)

Seconds of speech made per second, without the start of the worker processes; beside it the engine
alone in one process, and flite's own program on the same texts, which nothing around it can beat.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from clips import draw_stream
from pipelines.engines import configured_engine
from synth import Prompt, find_engine
from synth.grammar import generate
from synth.guard import Guard

CLIPS = 400
WORKERS = 2


def main() -> None:
    """Prints one line for each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", default=["espeak", "flite"])
    for name in parser.parse_args().engines:
        engine = configured_engine(name)
        if engine.version() is None:
            print(f"{name}: not installed, left out")
            continue
        context = get_context("spawn")
        with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
            list(pool.map(speak, [name] * WORKERS, range(WORKERS), [2] * WORKERS))  # start them
            began = time.perf_counter()
            seconds = sum(
                pool.map(speak, [name] * WORKERS, range(WORKERS), [CLIPS // WORKERS] * WORKERS)
            )
            together = seconds / (time.perf_counter() - began)
        began = time.perf_counter()
        alone = speak(name, 0, CLIPS // 4, guarded=False) / (time.perf_counter() - began)
        line = f"{name}: {together:.0f} x real time with {WORKERS} workers, {alone:.0f} x alone"
        if name == "flite":
            line += f", the program itself {program():.0f} x"
        print(line)


_GUARDS: dict[str, Guard] = {}


def speak(name: str, worker: int, count: int, guarded: bool = True) -> float:
    """Seconds of speech in `count` clips, spoken as the stage does."""
    engine = configured_engine(name)
    voices = engine.voices("en")
    guard = _GUARDS.setdefault(name, Guard(partial(find_engine, name, engine.settings), 60))
    speaker = guard if guarded else engine
    seconds = 0.0
    for number, text in enumerate(generate(CLIPS, 3)[worker::WORKERS][:count]):
        voice = voices[(number * WORKERS + worker) % len(voices)]
        prompt = Prompt(f"p{number}", text)
        rng = draw_stream(1, "benchmark", f"{voice.name} {text}")
        seconds += speaker.speak(prompt, voice, engine.draw(rng, prompt, voice), "c").seconds
    return seconds


def program() -> float:
    """flite alone, one call after the other, its sound thrown away."""
    began, seconds = time.perf_counter(), 0.0
    for number, text in enumerate(generate(CLIPS, 3)[: CLIPS // 8]):
        voice = ("slt", "rms", "awb", "kal16")[number % 4]
        command = ["flite", "-voice", voice, "-psdur", "-o", "/dev/null", "-t", text]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seconds += float(printed.split()[-1].partition(":")[2])
    return seconds / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
