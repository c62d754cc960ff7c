"""The run report: what it shows, that it asks for nothing, and what strangers may not do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from clips import BadInput, Reject, read_clips, write_clips
from clips.store import partition_name, write_rejects
from pipelines import report_command, times
from pipelines.command import main
from pipelines.report import markup
from pipelines.run_summary import changes, flat, remember, summarise
from pipelines.sources import source_folder
from tests.conftest import make_clip
from tests.pipelines.test_export import project, run_all

__all__ = ["project"]  # a fixture

ATTACK = "<script>alert(1)</script><img src=http://example.com/x onerror=alert(2)>"


@pytest.fixture
def run(project) -> Path:
    """A project whose last three stages have run; one recording was rejected before."""
    ingested = Path("datasets/ingest/recordings")
    write_clips(ingested / partition_name(0), [make_clip("r-false", 1.5, text="as it was said")])
    reject = Reject("r-false", "align", "the text does not fit", "found: 0.1", ATTACK, "r")
    write_rejects(Path("datasets/align/recordings") / "rejects.parquet", [reject])
    reject = Reject("e-silent", "synthesize", "the engine made no sound", "", "pa", "espeak")
    write_rejects(source_folder("espeak") / "rejects.parquet", [reject])
    run_all()
    return project


def page() -> str:
    """The page that the command writes."""
    assert main(["report"]) == 0
    return Path("reports/index.html").read_text("utf-8")


def block(text: str, reason: str) -> str:
    """What the page says about a reason."""
    found = re.search(rf"<(details|p)[^>]*>(?:(?!</\1>).)*{re.escape(reason)}.*?</\1>", text, re.S)
    assert found, reason
    return found[0]


def test_a_reject_can_be_heard_where_its_sound_was_kept(run):
    text = page()
    assert '<audio controls preload=metadata src="data:audio/mpeg;base64,' in block(
        text, "the text does not fit"
    )
    silent = block(text, "the engine made no sound")
    assert "its sound was not kept" in silent and "<audio" not in silent
    assert "<audio" in block(text, "silence is not quiet"), "what waits can be heard too"


def test_what_strangers_wrote_stays_text(run):
    path = source_folder("espeak") / partition_name(0)
    clips = [clip.with_(speaker=ATTACK, attribution=ATTACK, licence="CC0-1.0")
             if clip.clip_id == "s-short" else clip for clip in read_clips(path)]  # fmt: skip
    write_clips(path, clips)
    run_all()
    Path("metrics").mkdir()
    figures = {"frame_accuracy": 0.5}
    truth = {ATTACK: {"visemill": {**figures, "by_speaker": {ATTACK: figures}}}}
    metrics = {"held_out": {ATTACK: figures}, "truth": truth, "alignment": {}}
    Path("metrics/evaluate.json").write_text(json.dumps(metrics))
    text = page()
    assert text.count("&lt;script&gt;alert(1)") >= 5
    assert "<script" not in text and "<img src=http" not in text


def test_the_page_asks_nobody_for_anything(run):
    text = page()
    assert "default-src 'none'" in text
    links = re.findall(r"""<[^>]*\b(?:src|href)=["']?([^"'>\s]+)""", text)
    assert "url(" not in text
    assert links and all(link.startswith(("data:", "#")) for link in links)


def test_a_browser_shows_it_without_a_request_or_a_complaint(run, browser):
    page()
    tab = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
    asked, said = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: said.append(message.text))
    tab.goto(Path("reports/index.html").resolve().as_uri())
    tab.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    plays = """async () => { const a = document.querySelector('audio'); a.muted = true;
        await a.play(); return a.duration; }"""
    assert tab.evaluate(plays) > 0.9
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390, "nothing sticks out"
    tab.close()
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert said == []


def test_it_says_what_changed_since_the_run_before(run):
    assert "first run that is remembered" in page()
    assert "first run that is remembered" in page(), "the same run again is no other run"
    path = source_folder("espeak") / partition_name(0)
    write_clips(path, [*read_clips(path), make_clip("t-new", 3.0, speaker="newcomer")])
    params = Path("params.yaml").read_text().replace("sure: 0.6", "sure: 0.97")
    Path("params.yaml").write_text(params)
    before = summarise()
    run_all()
    rows = {key: (old, new) for key, old, new in changes(before, summarise())}
    assert rows["made.speaker"] == (3, 4)
    assert rows["made.split.train.clips"] == (5, 4), "one came, a-sure and its child went"
    assert sum(new - (old or 0) for key, (old, new) in rows.items() if "left_out" in key) == 2
    for text in (page(), page()):
        changed = re.search(r"<section id=changes>.*?</section>", text, re.S)[0]
        assert "triage.sure" in changed and "0.97" in changed


def test_times_of_stages_are_shown_and_are_no_change(run, monkeypatch):
    assert "No stage has run on this machine" in page()
    monkeypatch.setattr(times, "_made", dict.fromkeys(times._made, 0))
    times.note(10, 120.0, 2, 0)
    times.write_times("export")
    text = page()
    row = re.search(r"<tr><td class=text>export<td>.*", text)[0]
    assert "<td>2.0<td>" in row and "<td>2 of 2" in row
    assert "first run that is remembered" in text


@pytest.mark.parametrize(
    "name",
    [
        "metrics/evaluate.json",
        "datasets/export/dataset.json",
        "reports/evaluation/example.json",
        ".runs/run-000001.json",
        ".runs/times/export.json",
    ],
)
def test_a_damaged_file_is_named(run, name, capsys):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"half": ')
    if "evaluation" in name:
        Path("metrics").mkdir()
        Path("metrics/evaluate.json").write_text('{"held_out": {}, "truth": {}}')
    assert main(["report"]) == 1
    assert f"{name}: is no JSON" in capsys.readouterr().err


def test_a_figure_that_is_new_or_gone_has_no_difference():
    before = {"made": {"speaker": {}}, "metrics": {"a": 1, "b": 2}}
    now = {"made": {"speaker": {}}, "metrics": {"b": 3, "c": [1]}}
    assert changes(before, now) == [
        ("metrics.b", 2, 3), ("metrics.c", None, [1]), ("metrics.a", 1, None)
    ]  # fmt: skip
    assert flat({"a": {}}) == {}


def test_only_the_newest_summaries_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(60):
        _, before = remember({"n": number})
        assert (before or {"summary": {"n": -1}})["summary"]["n"] == number - 1
    assert len(list(Path(".runs").glob("run-*.json"))) == 50


def test_without_a_run_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="no run to report on"):
        report_command.run(None)


def test_markup_escapes_everything_but_markup():
    assert markup("{}{}", "<&", markup("<b>{}</b>", '"')) == "&lt;&amp;<b>&quot;</b>"
