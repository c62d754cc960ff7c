"""The HTML preview in real Chromium: keys, pictures, sound, and names that would be code."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from clips import Segment, read_audio, write_textgrid
from pipelines.preview.page import write_page
from pipelines.preview.tracks import Track, read_track
from pipelines.preview_command import add_arguments, run
from tests.pipelines.preview_clip import CLOSURES, SECONDS, clip  # noqa: F401
from tests.pipelines.test_preview import gaping

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
)


def until(page, true) -> None:
    """Waits up to 10 s; the page's own policy forbids what playwright would do for it."""
    for _ in range(400):
        if true():
            return
        page.wait_for_timeout(25)
    raise AssertionError("it never came true")


def opened(browser, path):
    """The page at `path`, ready; its faults go into `page.faults`, its requests `page.asked`."""
    page = browser.new_page(viewport={"width": 900, "height": 620})
    page.faults, page.asked = [], []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda message: page.faults.append(message.text))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(path.as_uri())
    until(page, lambda: "picture" in page.inner_text("#where"))
    return page


@pytest.fixture
def page(browser, clip):  # noqa: F811
    """The page of the clip, at 24 a second."""
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = [str(clip / "speech.wav"), "-o", str(clip / "a.html")]
    assert run(parser.parse_args([*words, "--cues", str(clip / "cues.json")])) == 0
    page = opened(browser, clip / "a.html")
    yield page
    assert page.faults == []
    page.close()


def where(page) -> tuple[float, int]:
    """The time in seconds and the number of the picture, from 1, that the page says."""
    words = page.inner_text("#where").split()
    return float(words[0]), int(words[words.index("picture") + 1])


def dark(page, number: int = 0) -> int:
    """How much of the open mouth the canvas of a track shows."""
    shot = page.locator("figure canvas").nth(number).screenshot()
    return gaping(np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")))


def test_arrows_step_through_the_very_pictures_of_the_film(page, clip):  # noqa: F811
    audio = read_audio(clip / "speech.wav")
    classes, _ = read_track(clip / "cues.json", "t", len(audio), Fraction(24)).pictures(
        Fraction(24)
    )
    assert where(page) == (0.0, 1)
    for number in range(1, 20):
        page.keyboard.press("ArrowRight")
        assert where(page)[1] == number + 1
        assert (dark(page) < 10) == (classes[number] == 5), number
        assert (
            page.inner_text(".shape").split()
            == [["D", "Ah"], ["A", "M"]][int(classes[number] == 5)]
        )
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    assert where(page)[1] == 20 - 11
    page.keyboard.press("End")
    assert where(page) == (SECONDS, round(SECONDS * 24))
    page.keyboard.press("Home")
    assert where(page) == (0.0, 1)


def test_space_plays_at_the_speed_chosen_and_stops(page):
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert page.input_value("#speed") == "0.5"
    page.keyboard.press(" ")
    until(page, lambda: where(page)[0] > 0.2)
    assert page.inner_text("#play") == "Pause"
    rate = page.evaluate(
        """() => new Promise(done => {
            const now = () => parseFloat(document.getElementById("where").textContent);
            const begun = performance.now(), from = now();
            setTimeout(() => done(1000 * (now() - from) / (performance.now() - begun)), 800);
        })"""
    )
    assert 0.35 < rate < 0.65
    page.keyboard.press(" ")
    until(page, lambda: page.inner_text("#play") == "Play")
    stopped = where(page)
    page.wait_for_timeout(150)
    assert where(page) == stopped
    page.keyboard.press("+")
    assert page.input_value("#speed") == "0.75"
    page.focus("#play")
    page.keyboard.press(" ")
    until(page, lambda: page.inner_text("#play") == "Pause")
    page.wait_for_timeout(100)
    assert page.inner_text("#play") == "Pause", "one key is one press, also on the button"


def test_the_end_stops_and_the_loop_does_not(page):
    page.keyboard.press("End")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press(" ")
    # It says "Play" before the sound begins, too.
    until(page, lambda: where(page)[1] == round(SECONDS * 24))
    until(page, lambda: page.inner_text("#play") == "Play")
    page.keyboard.press("l")
    assert page.is_checked("#loop")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press(" ")
    until(page, lambda: 0.2 < where(page)[0] < 1)
    assert page.inner_text("#play") == "Pause"


def test_a_click_on_the_strip_goes_there_and_a_closure_is_seen_shut(page):
    start, end = CLOSURES[1]
    box = page.locator("#strip").bounding_box()
    middle = 96 + (box["width"] - 96) / 3
    page.mouse.click(box["x"] + middle + 240 * 0.5, box["y"] + 30)
    assert abs(where(page)[0] - 0.5) < 0.005
    page.mouse.click(box["x"] + middle + 240 * ((start + end) / 2 - 0.5), box["y"] + 30)
    assert abs(where(page)[0] - (start + end) / 2) < 0.01 and dark(page) < 10


def test_the_page_asks_for_nothing_but_itself(page, clip):  # noqa: F811
    page.keyboard.press(" ")
    page.wait_for_timeout(300)
    assert [url for url in page.asked if not url.startswith("data:")] == [
        (clip / "a.html").as_uri()
    ]
    text = (clip / "a.html").read_text("utf-8")
    assert "http://" not in text and "https://" not in text


def test_hostile_names_and_labels_are_only_words(browser, tmp_path):
    samples = 32_000
    write_textgrid(tmp_path / "p.TextGrid", {HOSTILE: (Segment(HOSTILE, 0, samples),)}, samples)
    phones = [Segment(HOSTILE, 0, samples // 2), Segment("{{script}}", samples // 2, samples)]
    tracks = [Track(HOSTILE, (Segment("Ah", 0, samples),)), Track("", (Segment("M", 0, samples),))]
    path = tmp_path / "hostile.html"
    audio = np.zeros(samples, np.float32)
    write_page(path, audio, tracks, phones, Fraction(24), title=HOSTILE + "{{data}}")
    page = opened(browser, path)
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    assert page.title() == HOSTILE + "{{data}}" and page.inner_text("h1") == page.title()
    assert page.locator("figcaption").first.inner_text() == HOSTILE
    assert page.locator("img").count() == 0 and page.locator("script").count() == 3
    assert page.faults == [] and dark(page, 0) > 500 and dark(page, 1) < 10
    page.close()


def test_a_page_on_a_phone_in_the_dark(browser, tmp_path):
    samples = 16_000
    tracks = [Track(str(n), (Segment("Ah", 0, samples),)) for n in range(3)]
    path = tmp_path / "a.html"
    write_page(path, np.zeros(samples, np.float32), tracks, (), Fraction(60), title="a")
    page = browser.new_page(
        viewport={"width": 360, "height": 740}, color_scheme="dark", device_scale_factor=2
    )
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert min(dark(page, number) for number in range(3)) > 500
    picture = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"))
    assert np.median(picture) < 40
    page.close()
