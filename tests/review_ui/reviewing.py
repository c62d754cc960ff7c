"""A scripted reviewer whose server dies: what was decided against what is on the disk."""

from __future__ import annotations

import json
import random

from review_ui.journal import read_decisions
from tests.review_ui.pages import Server, begin, inside, wait_inside

RECORD = """(() => {
  const made = (window.made = []), add = page.outbox.add.bind(page.outbox);
  page.outbox.add = (entry) => {
    made.push([entry.type, entry.key ?? entry.id]);
    add(entry);
  };
})()"""


def review_under_fire(browser, server: Server, moments: int, seed: int) -> dict[str, int]:
    """Kills the server at `moments` random moments while keys decide clips in One.

    After each, the server starts again on its port, and the page has to find it by itself. At the
    end returns counts: decisions made and not undone, undone ones, lost and doubled ones, and
    those in the journal that nobody made.
    """
    draw = random.Random(seed)
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    begin(page, server, "anna")
    wait_inside(page, "page.queues.one.length > 15", timeout=60_000)
    inside(page, RECORD)
    page.keyboard.press("o")
    for _ in range(moments):
        killed = draw.randrange(1, 6)
        for step in range(6):
            page.keyboard.press(draw.choice(["Space", "Space", "Space", "u"]))
            page.wait_for_timeout(draw.uniform(0, 60))
            if step == killed:
                server.kill()
        server.start()
        wait_inside(page, "page.outbox.open.size === 0", timeout=60_000)
        wait_inside(page, "page.queues.one.length > 8", timeout=60_000)
    entries = page.evaluate("window.made")
    context.close()
    path = server.journals / "anna.jsonl"
    undone = {key for kind, key in entries if kind == "undo"}
    made = [key for kind, key in entries if kind == "decide" and key not in undone]
    kept = [decision.key for decision in read_decisions(path)]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    written = [line["key"] for line in lines if "key" in line]
    return {
        "kills": moments,
        "made": len(made),
        "undone": len(undone),
        "lost": len(set(made) - set(kept)),
        "doubled": len(kept) - len(set(kept)) + len(written) - len(set(written)),
        "strange": len(set(kept) - set(made)),
    }
