"""`visemill review`: publishing, the demonstration set, and who can reach the page."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.fs import localfs
from dvc.rwlock import rwlock

from clips import BadInput
from clips.store import read_rows
from pipelines import triage
from pipelines.review_command import add_arguments, check_address, commit, run
from pipelines.review_demo import FAULTS, make_demo
from review_ui.clip_queue import Queue
from review_ui.desk import Desk
from tests.review_ui.sets import LABELS, decide, write_set

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with a lot of 30 clips, of which 23 must be heard, and four doubtful ones."""
    monkeypatch.setenv("VISEMILL_WORKERS", "1")
    write_set(tmp_path, sure=30, doubtful=4)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def desk() -> Desk:
    return Desk(Path("datasets"), Path(".reviews"))


def publish() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(["commit"])) == 0


def statuses() -> dict[str, tuple[str, str]]:
    """(status, basis) of every clip after triage."""
    triage.run()
    rows = read_rows(Path("datasets/triage/recordings/part-0000.parquet"))
    return {row["clip_id"]: (row["status"], row["basis"]) for row in rows}


def test_decisions_reach_the_triage_table_with_their_basis(project):
    at = desk()
    one = at.next("ann", "one", 4)
    at.decide(decide(one[0]), decide(one[1], verdict="reject", note="noise"))
    at.decide(decide(one[2], "ben", verdict="fix", **LABELS))
    at.decide(*(decide(item) for item in at.next("ann", "sheet", 99)))
    publish()
    assert sorted(path.name for path in Path("datasets/reviews").iterdir()) == [
        "ann.jsonl",
        "ben.jsonl",
    ]
    found = statuses()
    assert [found[item.clip_id] for item in one] == [
        ("approved", "listened"),
        ("rejected", "listened"),
        ("approved", "listened"),
        ("waiting", ""),
    ]
    bases = [basis for name, (_, basis) in found.items() if name.startswith("a")]
    assert (bases.count("listened"), bases.count("lot")) == (23, 7)
    assert desk().progress().left == {"one": 1}


def test_publishing_again_touches_nothing(project):
    at = desk()
    at.decide(decide(at.next("ann", "one", 1)[0]))
    publish()
    path = Path("datasets/reviews/ann.jsonl")
    before = path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino
    triage.run()
    publish()
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert [p.name for p in Path(".reviews").iterdir()] == ["ann.jsonl"]


def test_what_is_undone_is_unpublished_and_what_another_machine_said_stays(project):
    at = desk()
    mine, theirs = at.next("ann", "one", 2)
    at.decide(decide(mine))
    publish()
    path = Path("datasets/reviews/ann.jsonl")
    path.write_text(path.read_text() + decide(theirs, key="elsewhere").to_json() + "\n")
    at.undo("ann", decide(mine).key)
    publish()
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["elsewhere"]
    assert [item.clip_id for item in desk().next("ann", "one", 1)] == [mine.clip_id]


def test_a_defect_found_later_takes_the_lots_approvals_back(project):
    at = desk()
    at.decide(*(decide(item) for item in at.next("ann", "sheet", 99)))
    publish()
    assert ("approved", "lot") in statuses().values()
    lot = next(iter(desk().queue.lots.values()))
    desk().decide(decide(lot.members[-1], "ben", "reject"))
    publish()
    found = statuses()
    assert found[lot.members[-1].clip_id] == ("rejected", "listened")
    assert found[lot.members[-2].clip_id] == ("approved", "rule") or found[
        lot.members[-2].clip_id
    ] == ("waiting", "")
    assert ("approved", "lot") not in found.values()


def test_a_contradiction_waits_and_is_said(project, capsys):
    at = desk()
    (item,) = at.next("ann", "one", 1)
    at.decide(decide(item, "ann"))
    at.decide(decide(item, "ben", "reject"))
    publish()
    assert item.clip_id in capsys.readouterr().err
    assert statuses()[item.clip_id] == ("waiting", "")


def test_nothing_is_published_while_a_stage_reads(project):
    at = desk()
    at.decide(decide(at.next("ann", "one", 1)[0]))
    Path(".dvc/tmp").mkdir(parents=True)
    reads = str(Path("datasets/reviews").resolve())
    with (
        rwlock(str(Path(".dvc/tmp").resolve()), localfs, "dvc repro", [reads], [], False),
        pytest.raises(BadInput, match="stage"),
    ):
        commit(Path("datasets"), Path(".reviews"))
    assert not list(Path("datasets/reviews").iterdir())
    publish()
    assert [path.name for path in Path("datasets/reviews").iterdir()] == ["ann.jsonl"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_this_machine_alone_needs_no_password(address):
    check_address(address, None)


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "192.168.1.2", "example.org", "127.0.0.1.nip"]
)
def test_others_need_one(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BadInput, match="password"):
        check_address(address, None)
    check_address(address, "proxy")
    with pytest.raises(BadInput, match=r"\[auth\]"):
        check_address(address, "login")
    Path(".streamlit").mkdir()
    Path(".streamlit/secrets.toml").write_text("[auth]\nredirect_uri = 'x'\n")
    check_address(address, "login")


def test_the_demonstration_has_good_and_spoilt_clips_and_a_lot(tmp_path):
    make_demo(tmp_path)
    queue = Queue.from_folder(tmp_path / "datasets")
    assert len(queue.items) == 60 and len(queue.lots) == 1
    doubts = sorted((item.doubt for item in queue.items), reverse=True)
    assert doubts[len(FAULTS) - 1] > 10 * doubts[30]
    assert {item.view for item in queue.items} == {"sheet", "one"}
    assert queue.clip(queue.items[0]).phones
    at = Desk(tmp_path / "datasets", tmp_path / ".reviews")
    heard = [
        {item.clip_id for view in ("one", "sheet") for item in at.next(name, view, 99)}
        for name in ("ann", "ben")
    ]
    assert len(heard[0] & heard[1]) >= 2, "two people can see whether they agree"


def test_the_page_is_served_to_this_machine_alone(tmp_path):
    pytest.importorskip("streamlit")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = (
        "import argparse, sys; from pipelines import review_command as r;"
        "p = argparse.ArgumentParser(); r.add_arguments(p); sys.exit(r.run(p.parse_args()))"
    )
    command = [sys.executable, "-c", code, "--demo", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        for line in server.stderr:
            if found := re.search(r"http://(\S+):(\d+)", line):
                break
        assert found.groups() == ("127.0.0.1", str(port))
        listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        local = re.findall(rf" (\w+):{port:04X} \w+:0000 0A ", listening)
        assert local == ["0100007F"]
    finally:
        os.kill(server.pid, signal.SIGINT)
        server.communicate(timeout=30)
    assert server.returncode == 0
    with socket.socket() as gone:
        assert gone.connect_ex(("127.0.0.1", port))
