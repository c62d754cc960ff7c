"""Pictures of the review page for the documents: python -m tests.review_ui.screenshots

Writes docs/pictures/review-{sheet,one,fix,progress,help}-{light,dark}.png from a small queue of
espeak's speech that it makes for the purpose.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from tests.chromium import chromium
from tests.review_ui.pages import (
    ROOT,
    begin,
    inside,
    serving,
    speech,
    wait_inside,
    write_queue,
)


def take(browser, server, theme: str, folder: Path, width: int = 1280, height: int = 720) -> None:
    """Works a little as two reviewers and takes a picture of each view on the way."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
    page = context.new_page()

    def picture(view: str) -> None:
        page.wait_for_timeout(700)
        inside(page, "page.find('#note').classList.remove('shown')")
        page.wait_for_timeout(250)
        path = folder / f"review-{view}-{theme}.png"
        page.screenshot(path=path)
        image = Image.open(path).convert("RGB")
        image.quantize(256, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)  # half the bytes

    begin(page, server, f"{theme}-1")
    wait_inside(page, "page.sheet.cards.length === 12 && page.queues.one.length > 8")
    page.keyboard.press("7")
    wait_inside(page, "page.sheet.cards.filter((card) => card.heard).length === 3")
    picture("sheet")
    page.keyboard.press("Space")
    page.keyboard.press("o")
    wait_inside(page, "page.bench.shown > page.bench.spot[0] + 5000")
    picture("one")
    for keys in ("Space", "Space", "xt", "Space", "xn", "xt"):
        page.wait_for_timeout(900)
        for key in keys if len(keys) == 2 else [keys]:
            page.keyboard.press(key)
    page.keyboard.press("f")
    for key in ("ArrowRight", "Shift+ArrowLeft", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    page.wait_for_timeout(600)
    picture("fix")
    page.keyboard.press("Escape")
    wait_inside(page, "page.outbox.open.size === 0")
    disagree(page)
    page.keyboard.press("g")
    page.wait_for_selector(".conflict")
    picture("progress")
    page.keyboard.press("?")
    picture("help")
    context.close()


def disagree(page) -> None:
    """A second reviewer's decisions about the same clips, by the same way as the first one's."""
    script = """page.history.forEach((one, n) => one.clips.forEach((clip) => page.outbox.add({
      id: String(Math.random()), type: "decide", reviewer: page.reviewer.replace("1", "2"),
      clip: clip.id, labels: clip.labels, verdict: n === 2 ? "reject" : one.verdict,
      note: n === 2 ? "lips wrong" : one.note, seconds: 4.1, lot: "" })))"""
    inside(page, script)
    wait_inside(page, "page.outbox.open.size === 0")


def main() -> None:
    folder = ROOT / "docs/pictures"
    with tempfile.TemporaryDirectory() as made, chromium() as browser:
        write_queue(Path(made) / "datasets", speech(96), 48)
        for theme in ("light", "dark"):
            with serving(Path(made) / "datasets", Path(made) / f"journals-{theme}") as server:
                take(browser, server, theme, folder)


if __name__ == "__main__":
    main()
