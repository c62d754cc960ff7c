"""Who hears what: leases, overlap, lots, conflicts, and what survives a crash."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from clips import BadInput, BadLabels, BadManifest
from review_ui import desk as desk_module
from review_ui.desk import OPENED, OVERLAP, PASSED, SAMPLING, Desk
from review_ui.journal import Decision, Journal
from tests.review_ui.sets import LABELS, decide, write_set

ALL = 10_000


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """100 near-certain clips in one lot, of which 39 must be heard, and 60 doubtful ones."""
    return write_set(tmp_path_factory.mktemp("set"), sure=100, doubtful=60)


@pytest.fixture
def desk(data, tmp_path) -> Desk:
    return Desk(data, tmp_path)


@pytest.fixture
def nobody_shares(monkeypatch):
    """Without the overlap."""
    monkeypatch.setattr(desk_module, "OVERLAP", 0.0)


def test_what_is_easy_comes_first_and_every_clip_once(desk):
    sheet, one = desk.next("ann", "sheet", ALL), desk.next("ann", "one", ALL)
    assert len(sheet) == 39 and len(one) == 60
    assert len({item.clip_id for item in (*sheet, *one)}) == 99
    assert [item.doubt for item in one] == sorted(item.doubt for item in one)


def test_clips_that_the_page_has_are_not_given_again(desk):
    first = desk.next("ann", "one", 5)
    assert desk.next("ann", "one", 5) == first
    second = desk.next("ann", "one", 5, tuple(item.clip_id for item in first))
    assert not set(first) & set(second)


def test_reviewers_get_different_clips_and_one_hears_them_when_the_lease_ends(
    desk, monkeypatch, nobody_shares
):
    mine, theirs = desk.next("ann", "one", 30), desk.next("ben", "one", ALL)
    assert len(theirs) == 30 and not set(mine) & set(theirs)
    monkeypatch.setattr(desk_module.time, "monotonic", lambda: 1e12)
    assert len(desk.next("ben", "one", ALL)) == 60


def test_a_share_of_the_clips_is_heard_by_two_and_never_by_three(data, tmp_path, monkeypatch):
    monkeypatch.setattr(desk_module, "OVERLAP", 0.3)
    desk = Desk(data, tmp_path)
    heard = {}
    for reviewer in ("ann", "ben", "eve"):
        heard[reviewer] = desk.next(reviewer, "one", ALL)
        for item in heard[reviewer]:
            desk.decide(decide(item, reviewer))
    assert len(heard["ann"]) == 60
    assert 0.1 < len(heard["ben"]) / 60 < 0.5
    assert heard["eve"] == []


def test_the_overlap_is_five_per_cent():
    shared = sum(desk_module._is_shared(f"clip-{number}") for number in range(20_000))
    assert abs(shared / 20_000 - OVERLAP) < 0.005


def test_many_reviewers_at_once_share_the_queue(desk, nobody_shares):
    def work(reviewer: str) -> list[str]:
        done = []
        while items := desk.next(reviewer, "one", 3):
            for item in items:
                desk.decide(decide(item, reviewer))
                done.append(item.clip_id)
        return done

    with ThreadPoolExecutor(4) as pool:
        done = [clip for clips in pool.map(work, ["ann", "ben", "eve", "joe"]) for clip in clips]
    assert len(done) == len(set(done)) == 60


def test_after_a_crash_everything_is_as_before(data, desk, tmp_path):
    items = desk.next("ann", "one", 20)
    for item in items[:10]:
        desk.decide(decide(item, verdict="reject", note="noise"))
    desk.undo("ann", decide(items[0], verdict="reject").key)
    again = Desk(data, tmp_path)
    assert again.progress() == desk.progress()
    assert again.next("ann", "one", 11)[0] == items[0]
    assert again.progress().total.reasons == {"noise": 9}


def test_a_decision_sent_twice_is_one(desk):
    (item,) = desk.next("ann", "one", 1)
    desk.decide(decide(item))
    desk.decide(decide(item))
    assert desk.progress().total.decisions == {"approve": 1}
    assert len(desk.journals.joinpath("ann.jsonl").read_text().splitlines()) == 1


def test_a_lot_passes_with_its_sample_and_only_then(desk):
    (lot,) = desk.queue.lots.values()
    sample = desk.next("ann", "sheet", ALL)
    assert set(sample) == set(lot.members[:39])
    for item in sample:
        assert desk.lot_state(lot) == SAMPLING and desk.lot_approvals() == []
        desk.decide(decide(item))
    assert desk.lot_state(lot) == PASSED
    approvals = desk.lot_approvals()
    assert {d.clip_id for d in approvals} == {item.clip_id for item in lot.members[39:]}
    assert {(d.basis, d.reviewer, d.verdict, d.lot) for d in approvals} == {
        ("lot", "ann", "approve", lot.name)
    }
    assert desk.next("ann", "sheet", ALL) == []
    assert desk.progress().total.minutes == pytest.approx({"listened": 39 / 60, "lot": 61 / 60})


def test_one_defect_opens_the_lot_and_undoing_it_closes_it(desk):
    (lot,) = desk.queue.lots.values()
    sample = desk.next("ann", "sheet", ALL)
    desk.decide(*(decide(item) for item in sample[:-1]))
    bad = decide(sample[-1], verdict="reject")
    desk.decide(bad)
    assert desk.lot_state(lot) == OPENED
    assert len(desk.next("ann", "sheet", ALL)) == 61
    assert desk.lot_approvals() == []
    desk.undo("ann", bad.key)
    assert desk.lot_state(lot) == SAMPLING
    desk.decide(decide(sample[-1]))
    assert desk.lot_state(lot) == PASSED


def test_a_mended_clip_is_a_defect_of_its_lot_too(desk):
    sample = desk.next("ann", "sheet", 1)
    desk.decide(decide(sample[0], verdict="fix", **LABELS))
    assert desk.lot_state(desk.queue.lots[sample[0].lot]) == OPENED


def test_conflicts_are_shown_and_settled(desk):
    item = desk.next("ann", "one", 1)[0]
    desk.decide(decide(item, "ann"))
    desk.decide(decide(item, "ben", "reject"))
    (conflict,) = desk.conflicts()
    assert {d.reviewer for d in conflict.decisions} == {"ann", "ben"}
    final = decide(item, "eve", "reject")
    with pytest.raises(BadInput):
        desk.settle("another", final)
    desk.settle(item.clip_id, final)
    assert desk.conflicts() == []
    assert desk.progress().total.decisions == {"reject": 1}
    desk.undo("eve", final.key)
    assert len(desk.conflicts()) == 1


def test_agreement_counts_the_clips_that_two_heard(desk):
    for number, item in enumerate(desk.next("ann", "one", 10)):
        desk.decide(decide(item, "ann", "approve" if number < 5 else "reject"))
        desk.decide(decide(item, "ben", "approve" if number < 6 else "reject"))
    state = desk.progress()
    assert state.kappas == {("ann", "ben"): pytest.approx(0.8)}
    assert state.kappa == pytest.approx(0.8)
    assert state.conflicts == 1
    assert state.reviewers["ann"].minutes_per_hour == pytest.approx(5 / 60 / (20 / 3600))
    (conflict,) = desk.conflicts()
    (mine,) = (made for made in conflict.decisions if made.reviewer == "ann")
    desk.settle(mine.clip_id, replace(mine, verdict="approve", key="final"))
    after = desk.progress()
    assert after.conflicts == 0 and after.kappa == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"labels": "0" * 16}, BadInput),
        ({"clip_id": "../../etc/passwd"}, BadInput),
        ({"clip_id": "<img src=x onerror=alert(1)>"}, BadInput),
        ({"reviewer": "../ann"}, BadInput),
        ({"key": ""}, BadInput),
        ({"verdict": "fix", **LABELS, "phones": (("P", 0, 9000),)}, BadLabels),
        ({"verdict": "fix", **LABELS, "phones": (("<b>", 0, 16000),)}, BadLabels),
        ({"verdict": "fix", **LABELS, "visemes": (("Boo", 0, 16000),)}, BadLabels),
        ({"verdict": "fix", **LABELS, "visemes": (("Ah", 0, 9000), ("D", 8000, 16000))}, BadLabels),
    ],
)
def test_what_makes_no_sense_is_refused_and_not_written(desk, changes, error):
    (item,) = desk.next("ann", "one", 1)
    with pytest.raises(error):
        desk.decide(decide(item, **changes))
    assert not any(path.stat().st_size for path in desk.journals.glob("*"))


def test_the_page_cannot_claim_that_a_lot_was_passed(desk):
    (item,) = desk.next("ann", "sheet", 1)
    desk.decide(decide(item, basis="lot", lot="another"))
    (made,) = Journal(desk.journals, "ann").decisions().values()
    assert (made.basis, made.lot) == ("listened", item.lot)


def test_decisions_about_other_labels_have_expired(data, tmp_path):
    item = Desk(data, tmp_path).next("ann", "one", 1)[0]
    Journal(tmp_path, "ann").add(decide(item, labels="0" * 16))
    desk = Desk(data, tmp_path)
    assert desk.next("ann", "one", 1) == [item]
    assert desk.progress().total.decisions == {}


def test_a_published_name_never_becomes_a_path(tmp_path):
    datasets = write_set(tmp_path / "set", doubtful=1)
    line = Decision("x", "y", "approve", reviewer="../../x").to_json()
    (datasets / "reviews" / "ann.jsonl").write_text(line + "\n")
    with pytest.raises(BadInput, match="reviewer"):
        Desk(datasets, tmp_path / "journals")
    (datasets / "reviews" / "ann.jsonl").write_text("{}\n")
    with pytest.raises(BadManifest):
        Desk(datasets, tmp_path / "journals")


def test_lines_written_by_hand_count_for_the_one_whose_file_it_is(tmp_path):
    datasets = write_set(tmp_path / "set", sure=30)
    lot = next(iter(Desk(datasets, tmp_path / "journals").queue.lots.values()))
    lines = [Decision(i.clip_id, i.labels, "approve").to_json() for i in lot.members[: lot.sample]]
    (datasets / "reviews" / "ann.jsonl").write_text("\n".join(lines) + "\n")
    desk = Desk(datasets, tmp_path / "journals")
    assert desk.lot_state(lot) == PASSED
    assert desk.progress().reviewers["ann"].minutes["lot"] == pytest.approx(7 / 60)
    assert {d.reviewer for d in desk.to_publish()["ann"]} == {"ann"}


def test_the_desk_says_when_the_queue_is_old_but_not_while_it_is_written(tmp_path, monkeypatch):
    datasets = write_set(tmp_path / "set", doubtful=2)
    desk = Desk(datasets, tmp_path / "journals")
    assert not desk.stale
    write_set(tmp_path / "set", doubtful=3)
    assert not desk.stale
    monkeypatch.setattr(desk_module, "SETTLED", -1.0)
    assert desk.stale
    desk.reload()
    assert not desk.stale and len(desk.queue.items) == 3
