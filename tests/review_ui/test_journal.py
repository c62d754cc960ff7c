"""The journal: nothing that was acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips import BadInput, BadLabels, BadManifest
from review_ui.journal import Decision, Journal, check_reviewer, fixed, read_decisions, settled
from tests.conftest import make_clip


def decision(number: int, **changes) -> Decision:
    """An approval of clip c<number> with the key k<number>."""
    values = {"clip_id": f"c{number}", "labels": "ab12", "verdict": "approve", "reviewer": "ann"}
    return Decision(**{**values, "key": f"k{number}", "time": "2026-01-02T03:04:05", **changes})


MENDED = decision(
    1,
    verdict="fix",
    phones=(("SIL", 0, 5000), ("P", 5000, 9000), ("AA", 9000, 16000)),
    visemes=(("Neutral", 0, 5000), ("M", 5000, 9000), ("Ah", 9000, 16000)),
)


def test_a_decision_comes_back_as_it_was(tmp_path):
    made = [decision(0, note='ä\n\u2028"', seconds=1.5, lot="x"), MENDED]
    Journal(tmp_path, "ann").add(*made)
    assert list(Journal(tmp_path, "ann").decisions().values()) == made
    assert read_decisions(tmp_path / "ann.jsonl") == made


@settings(deadline=None)  # every step waits for the disk
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "undo", "open"]), st.integers(0, 5), st.integers(0, 3))
    )
)
def test_any_order_of_adding_undoing_and_opening_is_remembered(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("journal")
    journal, known, kept = Journal(folder, "ann"), {}, {}
    for what, key, clip in steps:
        made = decision(key, clip_id=f"c{clip}")
        if what == "open":
            journal = Journal(folder, "ann")
        elif what == "add":
            journal.add(made)
            if made.key not in known:
                known[made.key] = kept[made.key] = made
        elif made.key in known:
            assert journal.undo(made.key) == kept.pop(made.key, None)
        else:
            with pytest.raises(BadInput, match=made.key):
                journal.undo(made.key)
    assert journal.decisions() == {made.clip_id: made for made in kept.values()}
    assert Journal(folder, "ann").decisions() == journal.decisions()


def test_undoing_brings_the_earlier_decision_back(tmp_path):
    journal = Journal(tmp_path, "ann")
    first, second = decision(1), decision(2, clip_id="c1", verdict="reject")
    journal.add(first)
    journal.add(second)
    assert journal.decisions() == {"c1": second}
    journal.undo("k2")
    journal.add(second)  # a browser that sends again what was taken back
    assert journal.decisions() == {"c1": first}


def test_a_line_torn_anywhere_is_cut_off_and_the_next_one_whole(tmp_path):
    journal = Journal(tmp_path, "ann")
    journal.add(decision(1), decision(2))
    data = journal.path.read_bytes()
    start = data.index(b"\n") + 1
    for end in range(start, len(data)):
        journal.path.write_bytes(data[:end])
        assert [d.key for d in read_decisions(journal.path)] == ["k1"]
        again = Journal(tmp_path, "ann")
        again.add(decision(3))
        assert [d.key for d in read_decisions(journal.path)] == ["k1", "k3"]
        assert all(json.loads(line) for line in journal.path.read_bytes().splitlines())


def test_killed_at_50_moments_no_acknowledged_decision_is_lost_and_none_doubled(tmp_path):
    rng = np.random.default_rng(7)
    acknowledged, sent = set(), 0
    for _ in range(50):
        reading, writing = os.pipe()
        writer = os.fork()
        if not writer:  # the server: it sends the last key again, as a browser would
            try:
                journal, number = Journal(tmp_path, "ann"), max(0, sent - 1)
                while True:
                    journal.add(decision(number))
                    os.write(writing, b"%d\n" % number)
                    number += 1
            finally:
                os._exit(1)
        os.close(writing)
        time.sleep(float(rng.uniform(0.001, 0.03)))
        os.kill(writer, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]) == -signal.SIGKILL
        with os.fdopen(reading, "rb") as acknowledgements:
            acknowledged |= {int(line) for line in acknowledgements.read().split()}
        sent = max(acknowledged, default=0) + 2
    assert len(acknowledged) > 50
    Journal(tmp_path, "ann")
    lines = (tmp_path / "ann.jsonl").read_text().splitlines()
    written = [json.loads(line)["clip_id"] for line in lines]
    assert len(written) == len(set(written))
    assert {f"c{number}" for number in acknowledged} <= set(written)


def test_two_processes_may_write_to_one_journal(tmp_path):
    writers = []
    for first in (0, 100):
        writer = os.fork()
        if not writer:
            try:
                journal = Journal(tmp_path, "ann")
                for number in range(first, first + 60):
                    journal.add(decision(number))
                os._exit(0)
            finally:
                os._exit(1)
        writers.append(writer)
    assert [os.waitpid(writer, 0)[1] for writer in writers] == [0, 0]
    assert len(Journal(tmp_path, "ann").decisions()) == 120


def test_a_writer_waits_for_its_turn(tmp_path):
    journal = Journal(tmp_path, "ann")
    with journal.path.open("ab") as half:
        fcntl.flock(half, fcntl.LOCK_EX)
        half.write(b'{"clip_id": ')  # a line that another process is writing
        half.flush()
        writer = threading.Thread(target=lambda: Journal(tmp_path, "ann").add(decision(2)))
        writer.start()
        time.sleep(0.1)
        half.write(decision(1).to_json().encode().removeprefix(b'{"clip_id": ') + b"\n")
    writer.join(10)
    assert set(journal.decisions()) == {"c1", "c2"}


def test_a_journal_sees_what_another_process_wrote(tmp_path):
    mine, theirs = Journal(tmp_path, "ann"), Journal(tmp_path, "ann")
    theirs.add(decision(1))
    assert "c1" in mine.decisions()


def test_a_broken_line_is_named(tmp_path):
    journal = Journal(tmp_path, "ann")
    journal.add(decision(1), decision(2))
    journal.path.write_bytes(journal.path.read_bytes().replace(b'"c2"', b"c2"))
    with pytest.raises(BadManifest, match=r"ann\.jsonl:2"):
        Journal(tmp_path, "ann")


@pytest.mark.parametrize("name", ["", "../ann", "a/b", ".ann", "a b", "a\n", "<b>", "a" * 65, "é"])
def test_a_reviewers_name_never_leads_elsewhere(tmp_path, name):
    with pytest.raises(BadInput, match="reviewer"):
        Journal(tmp_path, name)
    assert not list(tmp_path.iterdir())
    assert check_reviewer("Ann-2_b") == "Ann-2_b"


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "maybe"},
        {"verdict": "fix"},
        {"phones": (("P", 0, 1),)},
        {"basis": "rule"},
        {"seconds": -1.0},
        {"seconds": float("nan")},
    ],
)
def test_what_is_no_decision_is_refused(changes):
    with pytest.raises(ValueError):
        decision(1, **changes)


@pytest.mark.parametrize("changes", [{"key": ""}, {"reviewer": "ben"}])
def test_a_journal_takes_only_its_reviewers_decisions_with_a_key(tmp_path, changes):
    with pytest.raises(BadInput):
        Journal(tmp_path, "ann").add(decision(1, **changes))


YES, NO = decision(1), decision(1, verdict="reject", reviewer="ben", time="2026-01-03")
EARLIER, FINAL = replace(YES, reviewer="ben", time="2025"), replace(YES, settles=True)
BY_LOT = replace(YES, basis="lot")
OTHERWISE = replace(MENDED, reviewer="ben", phones=MENDED.phones[:2])


@pytest.mark.parametrize(
    ("decisions", "counts"),
    [
        ([], None),
        ([YES], YES),
        ([YES, NO], None),
        ([YES, EARLIER], EARLIER),
        ([EARLIER, NO, FINAL], FINAL),
        ([BY_LOT, NO], NO),
        ([BY_LOT], BY_LOT),
        ([MENDED, OTHERWISE], None),
    ],
)
def test_what_counts_of_several_decisions(decisions, counts):
    assert settled(decisions) == counts
    assert settled(decisions[::-1]) == counts


def test_a_fix_gives_the_clip_its_labels_and_says_so():
    clip = make_clip("c1", ipa=("", "p", "a", ""))
    mended = fixed(clip, MENDED)
    assert [(p.label, p.start, p.end) for p in mended.phones] == list(MENDED.phones)
    assert (mended.timing, mended.ipa, mended.ops[-1].name) == ("manual", (), "review")
    with pytest.raises(BadLabels, match="phones"):
        fixed(make_clip("c1", 2.0), MENDED)
