"""The page's Python side: payloads, the conversation with the browser, and the Streamlit script."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from clips import from_flac
from review_ui.app import script
from review_ui.desk import Desk
from review_ui.exchange import answer
from review_ui.payload import clip_payload, tables
from tests.review_ui.pages import ROOT, bursts, write_queue
from visemes.classes import CLASSES
from visemes.inventory import load_inventory
from visemes.rules import Rules, to_visemes

INVENTORY = load_inventory("cherry12")


@pytest.fixture
def desk(tmp_path):
    write_queue(tmp_path / "datasets", [bursts(f"clip-{n}", 2.0) for n in range(10)], sheet=6)
    return Desk(tmp_path / "datasets", tmp_path / "journals")


def ask(desk, login="", **message):
    return answer(desk, {"serial": 1, "started": True, "reviewer": "anna", **message},
                  inventory=INVENTORY, rules=Rules(), login=login)  # fmt: skip


def entry(desk, clip_id, key, **changes):
    item = desk.queue.by_id[clip_id]
    values = {"id": key, "type": "decide", "reviewer": "anna", "clip": clip_id, "seconds": 2.5}
    return values | {"labels": item.labels, "verdict": "approve", "note": "", "lot": ""} | changes


def test_payload_is_json_and_holds_the_clip_itself(desk):
    item = desk.queue.by_id["clip-3"]
    clip = desk.clip(item)
    sent = json.loads(json.dumps(clip_payload(item, clip)))
    assert np.array_equal(from_flac(base64.b64decode(sent["audio"])), clip.audio)
    assert [p[:3] for p in sent["phones"]] == [[p.label, p.start, p.end] for p in clip.phones]
    assert sent["visemes"] == [[v.label, v.start, v.end] for v in clip.visemes]
    assert sent["samples"] == len(clip)


def test_tables_know_every_viseme():
    found = tables()
    assert found["visemes"] == list(CLASSES)
    assert set(found["lips"]) == set(found["mouth"]["shapes"]) == set(CLASSES)
    assert len(found["phones"]) == 40


def test_clips_come_for_the_first_view_first_and_not_twice(desk):
    first = ask(desk, want={"one": 9, "sheet": 9}, most=6, held=[])
    assert [clip["view"] for clip in first["clips"]] == ["one"] * 4 + ["sheet"] * 2
    held = [clip["id"] for clip in first["clips"]]
    second = ask(desk, want={"one": 9, "sheet": 9}, most=6, held=held)
    assert len(second["clips"]) == 4
    assert not {clip["id"] for clip in second["clips"]} & set(held)


def test_before_a_name_is_given_no_clip_is_handed_out(desk):
    assert ask(desk, started=False, want={"one": 9})["clips"] == []
    assert answer(desk, {}, inventory=INVENTORY, rules=Rules())["serial"] == 0


def test_decisions_are_on_the_disk_when_they_are_done(desk):
    entries = [entry(desk, f"clip-{n}", f"key{n}") for n in range(5)]
    assert ask(desk, entries=entries)["done"] == [f"key{n}" for n in range(5)]
    lines = (desk.journals / "anna.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == [f"key{n}" for n in range(5)]
    again = ask(desk, entries=entries, serial=2)  # the answer was lost
    assert again["done"] == [f"key{n}" for n in range(5)]
    assert len((desk.journals / "anna.jsonl").read_text().splitlines()) == 5


def test_one_bad_decision_does_not_stop_the_others(desk):
    entries = [
        entry(desk, "clip-0", "good"),
        entry(desk, "clip-1", "changed", labels="0" * 16),
        entry(desk, "clip-1", "strange", verdict="perhaps"),
        entry(desk, "clip-1", "endless", seconds=float("inf")),
        entry(desk, "clip-1", "far", verdict="fix", phones=[["P", 0, float("inf")]], visemes=[]),
        entry(desk, "clip-1", "nobody", reviewer="../anna"),
        entry(desk, "clip-1", "listed", note=["noise"]),
        {"id": "empty"},
        "nonsense",
    ]
    found = ask(desk, entries=entries)
    wrong = {"changed", "strange", "endless", "far", "nobody", "listed", "empty"}
    assert set(found["refused"]) == wrong
    assert set(found["done"]) == {"good", *found["refused"]}
    assert [path.name for path in desk.journals.iterdir()] == ["anna.jsonl"]


def test_a_disk_that_cannot_be_written_leaves_decisions_with_the_browser(desk):
    desk.journals.write_text("a file where the folder should be")
    found = ask(desk, entries=[entry(desk, "clip-0", "k")])
    assert found["done"] == [] and found["refused"] == {} and found["trouble"]
    desk.journals.unlink()
    assert ask(desk, entries=[entry(desk, "clip-0", "k")])["done"] == ["k"]


def test_undo_takes_back_and_may_come_twice(desk):
    decided = entry(desk, "clip-0", "k")
    undo = {"id": "undo-k", "type": "undo", "reviewer": "anna", "key": "k"}
    ask(desk, entries=[decided])
    assert ask(desk, entries=[undo])["done"] == ["undo-k"]
    found = ask(desk, entries=[decided, undo], want={"sheet": 9})
    assert found["refused"] == {}
    assert "clip-0" in {clip["id"] for clip in found["clips"]}


def test_a_fix_must_tile_the_clip(desk):
    clip = desk.clip(desk.queue.by_id["clip-0"])
    bare = {"phones": [[p.label, p.start, p.end] for p in clip.phones],
            "visemes": [[v.label, v.start, v.end] for v in clip.visemes]}  # fmt: skip
    torn = bare | {"phones": bare["phones"][:-1]}
    found = ask(desk, entries=[entry(desk, "clip-0", "torn", verdict="fix", **torn),
                               entry(desk, "clip-0", "whole", verdict="fix", **bare)])  # fmt: skip
    assert list(found["refused"]) == ["torn"]


def test_a_login_holds_whatever_the_browser_says(desk):
    found = ask(desk, login="bert", entries=[entry(desk, "clip-0", "k")], want={"sheet": 1})
    assert found["reviewer"] == "bert" and list(found["refused"]) == ["k"]
    assert ask(desk, reviewer="../../x")["fault"]


def test_mouths_of_edited_phones_follow_the_rules(desk):
    phones = [["SIL", 0, 800, ""], ["B", 800, 1600, ""], ["IY", 1600, 8000, ""]]
    found = ask(desk, mouths={"id": "clip-0", "number": 7, "phones": phones})["mouths"]
    clip = to_visemes([_segment(p) for p in phones], INVENTORY)
    assert found["visemes"] == [[v.label, v.start, v.end] for v in clip]
    assert found["number"] == 7
    for wrong in ([["B", 0, 800]], [["B", 0, 0, ""]], [["XX", 0, 800, ""]], "B", None):
        assert ask(desk, mouths={"id": "x", "phones": wrong})["mouths"]["visemes"] is None


def test_conflicts_are_shown_and_settled(desk):
    ask(desk, entries=[entry(desk, "clip-0", "a")])
    ask(desk, entries=[entry(desk, "clip-0", "b", reviewer="bert", verdict="reject", note="noise")])
    shown = ask(desk, progress=True)["progress"]
    assert shown["reasons"] == {"noise": 1} and len(shown["reviewers"]) == 2
    (conflict,) = shown["conflicts"]
    chosen = next(d["key"] for d in conflict["decisions"] if d["reviewer"] == "bert")
    settle = {"id": "s", "type": "settle", "reviewer": "anna", "clip": "clip-0", "chosen": chosen}
    assert ask(desk, entries=[settle], progress=True)["progress"]["conflicts"] == []


def test_the_script_is_one_module_with_one_export():
    whole = script("p")
    assert whole.count("export default") == 1
    assert "innerHTML" not in whole


def test_the_page_runs_and_says_what_is_wrong(desk, monkeypatch):
    testing = pytest.importorskip("streamlit.testing.v1", reason="needs the extra `review`")
    monkeypatch.setenv("VISEMILL_DATASETS", str(desk.datasets))
    monkeypatch.setenv("VISEMILL_JOURNALS", str(desk.journals))
    page = testing.AppTest.from_file(str(ROOT / "review_ui/app.py"), default_timeout=30).run()
    assert not page.exception and not page.error
    monkeypatch.setenv("VISEMILL_DATASETS", str(desk.datasets / "nowhere"))
    page = testing.AppTest.from_file(str(ROOT / "review_ui/app.py"), default_timeout=30).run()
    assert "does not exist" in page.error[0].value


def _segment(phone):
    from clips import Segment

    return Segment(*phone[:3])
