"""`visemill audition`: what is shown, what is refused, and the page in real Chromium."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest
import soundfile

from clips import BadInput, BadLabels, BadParams, Clip, Segment, write_clips, write_textgrid
from pipelines.audition_command import Version as Shown
from pipelines.audition_command import add_arguments, find_clip, run, write_page
from tests.augment.conftest import make_bursts

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
)
CHANNEL = ["gain", "band", "noise"]


def audition(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args([str(word) for word in words]))


def shown(path: Path) -> list[dict]:
    """The versions in a page."""
    found = re.search(r'id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    return json.loads(found[1])["versions"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with the bursts as a wav and a TextGrid; no params.yaml."""
    monkeypatch.chdir(tmp_path)
    clip = make_bursts()
    soundfile.write("bursts.wav", clip.audio, 16000, subtype="PCM_16")
    write_textgrid("bursts.TextGrid", {"phones": clip.phones}, len(clip))
    return tmp_path


def test_a_sound_file_with_phones_gets_a_version_of_each_transform(folder):
    assert audition("bursts.wav", "-o", "a.html", "--transforms", "world", *CHANNEL) == 0
    versions = shown(folder / "a.html")
    assert [v["name"] for v in versions] == ["as it is", "world", *CHANNEL]
    assert all(v["sound"].startswith("data:audio/wav;base64,") for v in versions)
    assert [p[0] for p in versions[0]["phones"]] == [p.label for p in make_bursts().phones]
    tempo = float(re.search(r"tempo ([\d.]+)", versions[1]["made"][0])[1])
    assert versions[1]["seconds"] == pytest.approx(versions[0]["seconds"] / tempo, abs=0.001)
    for version in versions:
        for tier in ("phones", "mouths"):
            assert version[tier][0][1] == 0
            assert version[tier][-1][2] == pytest.approx(version["seconds"])
    assert audition("bursts.wav", "-o", "b.html", "--transforms", "world", *CHANNEL) == 0
    assert (folder / "a.html").read_bytes() == (folder / "b.html").read_bytes()


def test_without_phones_there_is_sound_alone(folder):
    (folder / "bursts.TextGrid").unlink()
    assert audition("bursts.wav", "-o", "a.html", "--transforms", "gain") == 0
    assert [(v["phones"], v["mouths"]) for v in shown(folder / "a.html")] == [([], []), ([], [])]


def test_what_does_not_fit_says_so_instead_of_a_sound(folder):
    assert audition("bursts.wav", "-o", "a.html", "--transforms", "join", "gain") == 0
    join, gain = shown(folder / "a.html")[1:]
    assert "nothing to draw" in join["fault"]
    assert "sound" not in join
    assert gain["fault"] == ""


def test_a_clip_is_found_by_its_id_and_the_chain_is_that_of_params(folder):
    params = Path(__file__).parents[2] / "params.yaml"
    (folder / "params.yaml").write_text(params.read_text("utf-8"), "utf-8")
    clips = [make_bursts(n).with_(split="train") for n in range(3)]
    write_clips("datasets/synthesize/espeak/part-0000.parquet", clips)
    found, others = find_clip("bursts1")
    assert found == clips[1]
    assert others == clips
    assert audition("bursts1", "-o", "a.html", "--chain", "3") == 0
    assert [v["name"] for v in shown(folder / "a.html")][1:] == ["chain 1", "chain 2", "chain 3"]
    with pytest.raises(BadInput, match="no clip has this id"):
        audition("bursts9", "-o", "a.html")


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (["bursts.wav", "-o", "a.html", "--phones", "none.TextGrid"], BadInput, "not exist"),
        (["bursts.wav", "-o", "a.html", "--phones", "odd.TextGrid"], BadLabels, "not ARPAbet: qq"),
        (["bursts.wav", "-o", "a.html", "--phones", "words.TextGrid"], BadLabels, "no tier"),
        (["bursts.wav", "-o", "a.html", "--chain", "0"], BadInput, "--chain"),
        (["bursts.wav", "-o", "a.html", "--chain", "1"], BadParams, "params.yaml"),
        (["bursts.wav", "-o", "page"], BadInput, "is no page"),
        (["bursts.wav", "-o", "sub.html", "--transforms", "gain"], BadInput, "cannot be written"),
    ],
)
def test_a_mistake_is_named(folder, words, kind, said):
    (folder / "sub.html").mkdir()
    write_textgrid("odd.TextGrid", {"phones": [Segment("qq", 0, 1600)]}, 1600)
    write_textgrid("words.TextGrid", {"words": [Segment("w", 0, 1600)]}, 1600)
    with pytest.raises(kind, match=said):
        audition(*words)


def opened(browser, path):
    page = browser.new_page(viewport={"width": 1280, "height": 700})
    page.faults, page.asked = [], []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda message: page.faults.append(message.text))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(path.as_uri())
    return page


def until(page, true) -> None:
    """Waits up to 20 s."""
    for _ in range(400):
        if true():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never came true")


def time_of(page, number: int) -> float:
    return float(page.locator("section").nth(number).locator("output").inner_text().split()[0])


def test_versions_play_and_the_next_one_goes_on_at_the_same_phone(folder, browser):
    audition("bursts.wav", "-o", "a.html", "--transforms", "world", "gain")
    page = opened(browser, folder / "a.html")
    until(page, lambda: page.locator("output").count() == 3)
    parent, world = shown(folder / "a.html")[:2]
    page.locator("section").nth(0).get_by_role("button").click()
    until(page, lambda: time_of(page, 0) > 0.3)
    page.keyboard.press(" ")
    at = time_of(page, 0)
    page.wait_for_timeout(300)
    assert time_of(page, 0) == at
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    there = time_of(page, 1)

    def place(version, time):
        return next(n for n, (_, start, end) in enumerate(version["phones"]) if start <= time < end)

    assert place(world, there) in (place(parent, at), place(parent, at) + 1)
    assert page.locator("section.playing").count() == 0
    # A click on the picture plays from there: the middle of its width is the middle of its time.
    page.locator("section").nth(2).locator("canvas.strip").click()
    until(page, lambda: time_of(page, 2) > 0.5 * parent["seconds"])
    assert page.locator("section.playing").count() == 1
    assert page.faults == []
    assert all(url.startswith(("file:", "data:")) for url in page.asked)
    page.close()


def test_texts_that_would_be_code_stay_texts(tmp_path, browser):
    bursts = make_bursts()
    clip = Clip(
        "x", bursts.audio, HOSTILE, "en", "s", "t", "CC0-1.0", "", phones=bursts.phones,
        ipa=tuple(HOSTILE for _ in bursts.phones), timing="manual",
    )  # fmt: skip
    write_page(tmp_path / "a.html", [Shown(HOSTILE, clip, (HOSTILE,), HOSTILE)])
    page = opened(browser, tmp_path / "a.html")
    until(page, lambda: page.locator("output").count() == 1)
    assert page.title() == f"x: {HOSTILE}"
    assert page.locator("h2").inner_text() == HOSTILE
    assert page.locator("img").count() == 0
    assert page.faults == []
    page.close()
