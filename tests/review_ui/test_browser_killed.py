"""Nothing that was decided is lost or doubled when the server or the browser is killed."""

from __future__ import annotations

import pytest

from review_ui.journal import read_decisions
from tests.review_ui.pages import begin, bursts, inside, serving, wait_inside, write_queue
from tests.review_ui.reviewing import review_under_fire

pytest.importorskip("streamlit", reason="needs the extra `review`")


@pytest.fixture
def server(tmp_path, browser):
    clips = [bursts(f"clip-{n:02d}", 2.0) for n in range(20)]
    write_queue(tmp_path / "datasets", clips, sheet=0, copies=20)
    with serving(tmp_path / "datasets", tmp_path / "journals") as running:
        yield running


def test_a_killed_server_loses_and_doubles_nothing(server, browser):
    counts = review_under_fire(browser, server, moments=3, seed=1)
    print(counts)
    assert counts["made"] > 3
    assert counts["lost"] == counts["doubled"] == counts["strange"] == 0


def test_a_killed_browser_brings_its_decisions_next_time(server, browser):
    context = browser.new_context()
    page = context.new_page()
    begin(page, server, "anna")
    wait_inside(page, "page.queues.one.length > 5")
    page.keyboard.press("o")
    server.kill()
    clips = inside(page, "page.queues.one.map((clip) => clip.id)")
    for _ in range(3):
        page.keyboard.press("Space")
    page.wait_for_timeout(200)
    assert (
        "kept in this browser" in page.locator("#saved").text_content()
        or inside(page, "page.outbox.open.size") == 3
    )
    page.close()
    server.start()
    page = context.new_page()
    page.goto(server.address)
    wait_inside_after(page)
    path = server.journals / "anna.jsonl"
    assert [decision.clip_id for decision in read_decisions(path)] == clips[:3]
    context.close()


def wait_inside_after(page):
    """Waits for a page that was just opened, and for its outbox to be empty."""
    page.wait_for_selector("#start .box")
    wait_inside(page, "page.outbox.open.size === 0")
