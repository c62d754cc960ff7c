"""The command: `python -m tests.fuzz --count N [--seed S] [parser …]`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.parsers import PARSERS
from tests.fuzz.run import ROOT, Failure, make, run

OUT = ROOT / ".work" / "fuzz"
BATCH = 5000
"""Inputs that one child reads."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("parsers", nargs="*", metavar="parser", help=", ".join(PARSERS))
    parser.add_argument("--count", type=int, default=100_000, help="inputs in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="children at a time")
    parser.add_argument("--replay", metavar="NAME", help="read one input again: its saved name")
    args = parser.parse_args()
    if unknown := set(args.parsers) - set(PARSERS):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(PARSERS)}")
    if args.replay:
        name, seed, index = Path(args.replay).name.rsplit("-", 2)
        return _report(list(run([(name, int(index))], int(seed))), 1, 0.0)
    chosen = args.parsers or list(PARSERS)
    inputs = [(name, number) for name in chosen for number in range(-(-args.count // len(chosen)))]
    batches = [inputs[at : at + BATCH] for at in range(0, len(inputs), BATCH)]
    began, failures = time.monotonic(), []
    with ThreadPoolExecutor(args.jobs) as pool:
        results = pool.map(lambda batch: list(run(batch, args.seed)), batches)
        for batch, found in zip(batches, results):
            names = dict.fromkeys(name for name, _ in batch)
            print(f"{', '.join(names)}: {len(batch)} inputs, {len(found)} failures",
                  file=sys.stderr, flush=True)  # fmt: skip
            failures += found
    return _report(failures, len(inputs), time.monotonic() - began)


def _report(failures: list[Failure], count: int, seconds: float) -> int:
    kinds = Counter()
    for failure in failures:
        kind = failure.parser, failure.fault[:90]
        kinds[kind] += 1
        if kinds[kind] <= 3:  # the others are made again by their number
            OUT.mkdir(parents=True, exist_ok=True)
            data = make(PARSERS[failure.parser], failure.seed, failure.index)
            (OUT / failure.name).write_bytes(data)
            print(f"{OUT / failure.name}: {failure.fault}\n{failure.trace}")
    for (name, fault), number in kinds.most_common():
        print(f"{number:6d}  {name}: {fault}")
    print(f"{count} inputs in {seconds:.0f} s: {len(failures)} failures of {len(kinds)} kinds")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
