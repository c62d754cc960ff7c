"""The review page in Chromium: how soon the next clip sounds, how soon a long queue shows, kills.

    python benchmarks/review_page.py [keys] [queue] [kills] [--moments 50]

keys: 200 clips of 4 s are decided by keys alone, one every 0.4 s: the time from the key (the
browser's time stamp of the event) to the moment at which the next clip leaves the audio clock.
queue: a queue of 10,000 clips: from the request to the first clip on the screen, and the server's
memory after 30 decisions. kills: the server is killed at random moments while keys decide.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from review_ui.journal import read_decisions
from tests.chromium import chromium
from tests.review_ui.pages import (
    begin,
    bursts,
    inside,
    serving,
    speech,
    wait_inside,
    write_queue,
)
from tests.review_ui.reviewing import review_under_fire

LAPTOP = {"width": 1280, "height": 720}


def measure_keys(browser, folder: Path, count: int = 200) -> str:
    """Key to sound, over `count` decisions in One."""
    write_queue(
        folder / "datasets", [bursts(f"clip-{n:02d}", 4.0) for n in range(25)], 0, copies=12
    )
    with serving(folder / "datasets", folder / "journals") as server:
        page = browser.new_page(viewport=LAPTOP)
        begin(page, server, "anna")
        wait_inside(page, "page.queues.one.length > 19", timeout=60_000)
        page.keyboard.press("o")
        page.wait_for_timeout(2000)
        inside(page, "page.log.length = 0")
        for number in range(count):
            if number % 10 == 9:
                page.keyboard.press("x")
                page.keyboard.press("n")
            else:
                page.keyboard.press("Space")
            page.wait_for_timeout(400)
        wait_inside(page, "page.outbox.open.size === 0", timeout=60_000)
        waits = sorted(inside(page, "page.log.map((one) => one.start - one.key)"))
        page.close()
        kept = len(read_decisions(server.journals / "anna.jsonl"))
    assert len(waits) == kept == count, (len(waits), kept)
    return (
        f"{count} decisions by keys: the next clip sounds after {waits[count // 2]:.0f} ms"
        f" (median), {waits[count * 99 // 100]:.0f} ms (99th percentile),"
        f" {waits[-1]:.0f} ms (worst)"
    )


def measure_queue(browser, folder: Path, count: int = 10_000) -> str:
    """First paint and memory with `count` clips of speech."""
    clips = speech(200)
    write_queue(folder / "datasets", clips, count // 2, copies=count // len(clips))
    with serving(folder / "datasets", folder / "journals") as server:
        times = []
        for reviewer in ("anna", "bert"):  # the first visit opens the queue
            page = browser.new_page(viewport=LAPTOP)
            began = time.monotonic()
            page.goto(server.address)
            page.wait_for_selector("#start .box")
            painted = time.monotonic() - began
            page.locator("#reviewer").fill(reviewer)
            page.keyboard.press("Enter")
            page.wait_for_selector(".card")
            times.append((painted, time.monotonic() - began))
            if reviewer == "anna":
                page.close()
        wait_inside(page, "page.queues.one.length > 19", timeout=60_000)
        page.keyboard.press("o")
        for _ in range(30):
            page.keyboard.press("Space")
            page.wait_for_timeout(200)
        page.keyboard.press("g")
        page.wait_for_selector(".tile")
        page.close()
        memory = server.memory() / 2**20
    (cold, card), (warm, warm_card) = times
    return (
        f"{count} clips: first paint after {cold:.1f} s on a server just started,"
        f" {warm:.1f} s later; first clip on the screen {card:.1f} and {warm_card:.1f} s;"
        f" server {memory:.0f} MiB"
    )


def measure_kills(browser, folder: Path, moments: int) -> str:
    """The server killed at random moments."""
    write_queue(
        folder / "datasets", [bursts(f"clip-{n:02d}", 2.0) for n in range(25)], 0, copies=40
    )
    with serving(folder / "datasets", folder / "journals") as server:
        counts = review_under_fire(browser, server, moments, seed=7)
    return f"killed: {counts}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", nargs="*", default=["keys", "queue", "kills"])
    parser.add_argument("--moments", type=int, default=50, help="how often the server is killed")
    args = parser.parse_args()
    measures = {
        "keys": measure_keys,
        "queue": measure_queue,
        "kills": lambda browser, folder: measure_kills(browser, folder, args.moments),
    }
    for name in args.what:
        with tempfile.TemporaryDirectory() as folder, chromium() as browser:
            print(measures[name](browser, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
