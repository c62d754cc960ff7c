"""What ten thousand hours would take: measured costs, put through a simulated cluster.

    python benchmarks/scale_plan.py [--hours 10000] [--workers 64] [--minutes 15] [--picture FILE]

Reads benchmarks/stage_costs_1h.json and _10h.json (benchmarks/stage_costs.py). What a stage costs
an hour of the audio that passes it is the difference of the two runs; what is left of the small run
is its start. Then every stage is simulated: its partitions, of `--minutes` of audio each and as
uneven as a quarter more or less, are given to `--workers` one by one; what one process does alone
(the plan, the hashes of all inputs, putting together, DVC's hashes of what came out) follows; the
next stage begins after that. Prints the plan by stage, and how the whole changes with the number of
workers.
"""

from __future__ import annotations

import argparse
import heapq
import json
from dataclasses import dataclass
from pathlib import Path

from clips import draw_stream

HERE = Path(__file__).parent
SMALL, LARGE = HERE / "stage_costs_1h.json", HERE / "stage_costs_10h.json"

MIX = {"synthetic": 0.5, "recorded": 0.25, "children": 0.25}
"""What the hours consist of."""

PASSES = {
    "synthesize": ("synthetic",),
    "ingest": ("recorded",),
    "align": ("recorded",),
    "augment": ("children",),
    "visemes": tuple(MIX),
    "triage": tuple(MIX),
    "export": tuple(MIX),
    "train": tuple(MIX),
}
"""Which audio passes each stage. Those that are not here cost the same for any number of hours."""

ALONE = ("train",)
"""Stages of one process: nothing of them is shared out."""


@dataclass(frozen=True)
class Cost:
    """Of a stage, for an hour of the audio that passes it: processor seconds that workers share,
    seconds of one process, bytes, files."""

    shared: float
    alone: float
    bytes: float
    objects: float


def main() -> None:
    """Prints the plan and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=10_000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=15, help="of audio in a partition")
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    small, large = (json.loads(path.read_text()) for path in (SMALL, LARGE))
    show_memory(small, large)
    costs = {stage: cost_of(stage, small, large) for stage in PASSES}
    print("| stage | processor s | s alone | MB | objects | hours with workers | hours alone |")
    print("|---|---|---|---|---|---|---|")
    plan = simulate(costs, args.hours, args.workers, args.minutes)
    for stage, cost in costs.items():
        shared, alone = plan[stage]
        size = cost.bytes / 1e6
        print(
            f"| {stage} | {cost.shared:.1f} | {cost.alone:.2f} | {size:.0f}"
            f" | {cost.objects:.0f} | {shared:.1f} | {alone:.1f} |"
        )
    print(f"| whole | | | | | {total(plan, 0):.1f} | {total(plan, 1):.1f} |")
    sweep = {}
    for workers in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512):
        sweep[workers] = simulate(costs, args.hours, workers, args.minutes)
        alone = total(sweep[workers], 1)
        whole = total(sweep[workers], 0) + alone
        print(f"{workers:4d} workers: {whole:8.1f} hours, {alone / whole:.0%} of them alone")
    if args.picture:
        draw(plan, sweep, args)


def show_memory(small: dict, large: dict) -> None:
    """The most that a process of each stage held in the two runs, and their processor seconds."""
    hours = [run["hours"]["out"] for run in (small, large)]
    print(f"| hours of audio | {hours[0]:.1f} | {hours[1]:.1f} | {hours[0]:.1f} | {hours[1]:.1f} |")
    print("|---|---|---|---|---|")
    for stage, row in small["stages"].items():
        rows = row, large["stages"][stage]
        memory = " | ".join(f"{one['largest_mib']:.0f} MiB" for one in rows)
        busy = " | ".join(f"{one['processor_seconds']:.0f} s" for one in rows)
        print(f"| {stage} | {memory} | {busy} |")


def cost_of(stage: str, small: dict, large: dict) -> Cost:
    """A stage's costs, from two runs of different size."""
    hours = [sum(run["hours"][kind] for kind in PASSES[stage]) for run in (small, large)]
    rows = [run["stages"][stage] for run in (small, large)]

    def per_hour(*names: str) -> float:
        sums = [sum(row.get(name, 0.0) for name in names) for row in rows]
        return max(0.0, (sums[1] - sums[0]) / (hours[1] - hours[0]))

    size = per_hour("bytes")
    # DVC hashes what comes out and moves it into its cache: by the bytes of all stages.
    outs = [sum(row["bytes"] for row in run["stages"].values()) for run in (small, large)]
    commit = (large["dvc_commit_seconds"] - small["dvc_commit_seconds"]) / (outs[1] - outs[0])
    busy, again = per_hour("processor_seconds"), per_hour("again_seconds")
    dvc = max(0.0, commit) * size
    if stage in ALONE:
        return Cost(0.0, busy + dvc, size, per_hour("objects"))
    return Cost(max(0.0, busy - again), again + dvc, size, per_hour("objects"))


def simulate(
    costs: dict[str, Cost], hours: float, workers: int, minutes: float
) -> dict[str, tuple[float, float]]:
    """By stage: hours that workers are at it, and hours that one process then is."""
    plan = {}
    for stage, cost in costs.items():
        audio = hours * sum(MIX[kind] for kind in PASSES[stage])
        parts = round(audio * 60 / minutes) if cost.shared else 0
        rng = draw_stream(1, "scale plan", stage)
        seconds = cost.shared * minutes / 60 * rng.uniform(0.75, 1.25, parts)
        free = [0.0] * workers
        for part in seconds:
            heapq.heapreplace(free, free[0] + part)
        plan[stage] = (max(free) / 3600, cost.alone * audio / 3600)
    return plan


def total(plan: dict[str, tuple[float, float]], which: int) -> float:
    """Hours of all stages: 0 with workers, 1 alone."""
    return sum(times[which] for times in plan.values())


def draw(plan: dict, sweep: dict, args: argparse.Namespace) -> None:
    """The picture of docs/scale.md."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    stages = list(plan)[::-1]
    shared, alone = ([plan[stage][n] for stage in stages] for n in (0, 1))
    left.barh(stages, shared, color="#4878a8", label=f"{args.workers} workers")
    left.barh(stages, alone, left=shared, color="#d1784a", label="one process alone")
    left.set_xlabel(f"hours, for {args.hours:,.0f} hours of audio")
    left.legend(frameon=False)
    counts = list(sweep)
    bottom = [total(one, 1) for one in sweep.values()]
    whole = [total(one, 0) + low for one, low in zip(sweep.values(), bottom)]
    right.loglog(counts, whole, "o-", color="#4878a8", label="whole run")
    right.loglog(counts, bottom, "--", color="#d1784a", label="one process alone")
    right.set_xlabel("workers")
    right.set_ylabel("hours")
    right.set_xticks(counts, [str(count) for count in counts])
    right.set_yticks([50, 100, 200, 400], ["50", "100", "200", "400"])
    right.minorticks_off()
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(args.picture, dpi=110)


if __name__ == "__main__":
    main()
