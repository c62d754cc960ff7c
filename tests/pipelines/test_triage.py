"""What triage decides, where it says to look, and how people's decisions come in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from clips import BadLabels, Op, Segment, to_grid, write_clips
from clips.store import partition_name, read_rows
from lipsync.export import save_onnx
from lipsync.model import CherryNet
from pipelines import triage, visemes
from pipelines.checks import (
    EVIDENCE,
    CheckLimits,
    chance_wrong,
    evidence,
    find_fault,
    worst_spot,
)
from pipelines.reviews import as_decided
from pipelines.sources import labelled_clips, source_folder
from pipelines.triage import LotParams, sample_size
from review_ui.journal import Decision
from tests.conftest import make_clip

ROOT = Path(__file__).parents[2]
LIMITS = CheckLimits(12.0, 0.8, 3.0, 0.34, 0.4, 30.0)
LABELS = {
    "phones": (("SIL", 0, 5000), ("P", 5000, 9000), ("AA", 9000, 16000)),
    "visemes": (("Neutral", 0, 5000), ("M", 5000, 9000), ("Ah", 9000, 16000)),
}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Two aligned clips, one sure and one not, and a child of each."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISEMILL_WORKERS", "1")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    triage.REVIEWS.mkdir(parents=True)
    clips = [
        make_clip("sure", timing="aligned", scores=(("confidence", 0.95),)),
        make_clip("unsure", timing="aligned", scores=(("confidence", 0.1),)),
    ]
    write_clips(source_folder("recordings") / partition_name(0), clips)
    children = [clip.child("w", Op.of("gain", db=0)) for clip in clips]
    write_clips(source_folder("augmented") / partition_name(0), children)
    visemes.run()
    return tmp_path


def table() -> dict[str, dict]:
    """The rows of the triage table after a run, by clip."""
    triage.run()
    paths = sorted(Path("datasets/triage").glob("*/part-*.parquet"))
    return {row["clip_id"]: row for path in paths for row in read_rows(path)}


def publish(clip_id: str, verdict: str, labels: str, reviewer: str = "ann", **changes) -> None:
    """Adds a line to a reviewer's file."""
    decision = Decision(clip_id, labels, verdict, reviewer, **changes)
    with (triage.REVIEWS / f"{reviewer}.jsonl").open("a") as file:
        file.write(decision.to_json() + "\n")


def test_near_certain_clips_make_a_lot_whether_the_rules_approve_them_or_not(project):
    by_rule = table()
    assert (by_rule["sure"]["status"], by_rule["sure"]["basis"]) == ("approved", "rule")
    settings = yaml.safe_load(Path("params.yaml").read_text())
    settings["triage"]["sure"] = None
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    without = table()
    assert (without["sure"]["status"], without["sure"]["basis"]) == ("waiting", "")
    for rows in (by_rule, without):
        assert rows["sure"]["lot"] == "recordings-part-0000" and rows["sure"]["lot_sample"] == 1
        assert {name for name, row in rows.items() if row["lot"]} == {"sure"}


def test_the_table_says_where_a_clip_lies(project):
    for name, row in table().items():
        part = Path("datasets", row["folder"], "part-0000.parquet")
        assert list(read_rows(part, ["clip_id"]))[row["row"]]["clip_id"] == name


def test_new_labels_reach_the_data_and_the_child_made_of_the_old_ones_is_out(project):
    publish("unsure", "fix", table()["unsure"]["labels"], **LABELS)
    rows = table()
    assert (rows["unsure"]["status"], rows["unsure"]["basis"]) == ("approved", "listened")
    clips = {clip.clip_id: clip for clip in labelled_clips("recordings", "part-0000.parquet")}
    mended = as_decided(clips["unsure"], rows["unsure"]["fix"])
    assert [(s.label, s.start, s.end) for s in mended.phones] == list(LABELS["phones"])
    assert [(s.label, s.start, s.end) for s in mended.visemes] == list(LABELS["visemes"])
    assert as_decided(clips["sure"], rows["sure"]["fix"]) is clips["sure"]
    assert (rows["unsure+w"]["status"], rows["unsure+w"]["reason"]) == (
        "rejected",
        "its parent's labels were mended after it was made",
    )
    assert rows["unsure"]["labels"] == clips["unsure"].labels_digest()  # so the decision holds


def test_labels_that_do_not_fit_stop_the_stage_and_are_named(project):
    short = {**LABELS, "phones": (("P", 0, 9000),)}
    publish("unsure", "fix", table()["unsure"]["labels"], **short)
    with pytest.raises(BadLabels, match=r"unsure.*ann"):
        triage.run()


def test_a_lots_approval_reaches_the_child(project):
    publish("unsure", "approve", table()["unsure"]["labels"], basis="lot", lot="x")
    rows = table()
    assert [(rows[n]["status"], rows[n]["basis"]) for n in ("unsure", "unsure+w")] == [
        ("approved", "lot")
    ] * 2


def test_people_who_disagree_leave_the_clip_waiting_until_one_settles_it(project):
    labels = table()["sure"]["labels"]
    publish("sure", "approve", labels, "ann")
    publish("sure", "reject", labels, "ben")
    row = table()["sure"]
    assert (row["status"], row["reason"]) == ("waiting", "reviewers contradict each other")
    publish("sure", "reject", labels, "eve", settles=True)
    assert table()["sure"]["status"] == "rejected"


def test_a_decision_about_other_labels_has_expired(project):
    before = table()["unsure"]
    publish("unsure", "approve", "0" * 16)
    assert table()["unsure"] == before


def test_a_networks_disagreement_counts_where_somebody_gives_one(project):
    before = table()
    save_onnx(CherryNet().eval(), triage.MODEL)
    after = table()
    assert after["unsure"]["doubt"] != before["unsure"]["doubt"]
    assert after["sure+w"] == before["sure+w"]
    triage.MODEL.unlink()
    assert table() == before


@given(st.integers(1, 400), st.sampled_from([0.01, 0.05, 0.2]), st.sampled_from([0.05, 0.2]))
def test_a_clean_sample_rules_out_bad_lots(members, worst_share, risk):
    drawn = sample_size(members, LotParams(0.1, worst_share, risk))
    bad = int(worst_share * members) + 1
    assert hypergeom(members, bad, drawn).pmf(0) <= risk + 1e-9
    assert hypergeom(members, bad, drawn - 1).pmf(0) > risk - 1e-9


def noisy(start: int, end: int) -> np.ndarray:
    """The audio of make_clip with loud noise between two samples."""
    audio = np.array(make_clip().audio)
    audio[start:end] += np.random.default_rng(1).normal(0, 0.2, end - start).astype(np.float32)
    return to_grid(audio)


SIL, P, AA = Segment("SIL", 0, 4000), Segment("P", 4000, 8000), Segment("AA", 8000, 12000)
REST = Segment("SIL", 12000, 16000)


@pytest.mark.parametrize(
    ("clip", "reason", "where"),
    [
        (make_clip(), "", None),
        (make_clip(seconds=0.2), "length", (0, 3200)),
        (make_clip(phones=(Segment("SIL", 0, 16000),)), "no speech", (0, 16000)),
        (make_clip(seconds=4.0), "too long", (16000, 32000)),
        (make_clip(phones=(Segment("SIL", 0, 8000), Segment("T", 8000, 16000))), "no vowel", None),
        (make_clip(audio=noisy(12000, 16000)), "silence is not quiet", (12000, 16000)),
        (
            make_clip(
                audio=noisy(0, 8000),
                phones=(
                    Segment("B", 0, 2000), Segment("M", 2000, 4000), Segment("P", 4000, 8000),
                    AA, REST,
                ),
            ),
            "lips are closed",
            None,
        ),
    ],
)  # fmt: skip
def test_each_rule_finds_its_fault_and_its_place(clip, reason, where):
    fault = find_fault(clip, LIMITS)
    if not reason:
        assert fault is None
        return
    assert reason in fault.reason and 0.5 <= fault.doubt <= 1
    if where:
        assert (fault.start, fault.end) == where
    start, end = worst_spot(clip, None, np.zeros(len(clip) // 160), fault)
    assert start <= (fault.start + fault.end) // 2 <= end


@given(
    seconds=st.floats(0.05, 3.0),
    cuts=st.lists(st.integers(1, 47_000), max_size=12, unique=True),
    scores=st.lists(st.floats(0, 1), min_size=13, max_size=13),
    network=st.booleans(),
)
def test_the_worst_spot_lies_in_the_clip_and_evidence_between_0_and_1(
    seconds, cuts, scores, network
):
    clip = make_clip(seconds=seconds)
    edges = [0, *sorted(at for at in cuts if at < len(clip)), len(clip)]
    labels = ["AA", "P", "SIL", "S"] * 4
    phones = [Segment(*p) for p in zip(labels, edges, edges[1:], scores)]
    clip = clip.with_(phones=tuple(phones), scores=(("confidence", 0.5),))
    labelled = np.zeros(-(-len(clip) // 160), np.uint8)
    shown = labelled + np.arange(len(labelled)) % 2 if network else None
    start, end = worst_spot(clip, shown, labelled, None)
    assert 0 <= start < end <= len(clip) and end - start == min(len(clip), 8000)
    found = evidence(clip, 1.0, shown, labelled)
    assert ((found >= 0) & (found <= 1)).all() and 0 < chance_wrong(found, network) < 1


def test_the_worst_spot_is_where_the_score_is_lowest():
    phones = [Segment("AA", n * 1600, (n + 1) * 1600, 0.9) for n in range(20)]
    phones[14] = Segment("AA", 14 * 1600, 15 * 1600, 0.1)
    clip = make_clip(seconds=2.0, phones=tuple(phones))
    start, end = worst_spot(clip, None, np.zeros(200), None)
    assert start <= 14 * 1600 and end >= 15 * 1600


def test_all_evidence_speaks_against_the_labels():
    none = np.zeros(len(EVIDENCE))
    for with_model in (False, True):
        for place in range(len(EVIDENCE)):
            more = none.copy()
            more[place] = 1.0
            assert chance_wrong(more, with_model) >= chance_wrong(none, with_model)


def test_old_lines_without_the_newer_fields_are_read(project):
    line = {"clip_id": "unsure", "labels": table()["unsure"]["labels"], "verdict": "reject"}
    (triage.REVIEWS / "decisions.jsonl").write_text(json.dumps(line) + "\n")
    assert table()["unsure"]["status"] == "rejected"
