from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clips import BadInput, EngineFailed, Reject, read_clips, read_rejects
from pipelines import runner
from pipelines.runner import SideFile, Task, run_partitions
from tests.conftest import make_clip


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISEMILL_WORKERS", "1")


def make(task: Task, params: dict):
    """Clips named after the task; a file `made.log` counts how often each task ran."""
    with open("made.log", "a") as log:
        log.write(f"{task.name}\n")
    for path in task.inputs:
        yield make_clip(f"c{path.read_text()}", 0.5)
    if Path(f"die-{task.name}").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    yield Reject(f"r{task.details}", "test", "silly", "seen in a test")
    yield SideFile(f"side/{task.details}.txt", str(task.details).encode())


def tasks(count: int = 4) -> list[Task]:
    """Tasks that read one small file each."""
    found = []
    for number in range(count):
        path = Path(f"input-{number}")
        if not path.exists():
            path.write_text(str(number))
        found.append(Task(f"part-{number:04d}.parquet", (path,), number))
    return found


def run(out: str = "out", params: dict | None = None, **more):
    """One run of the test stage."""
    work, found = more.pop("work", make), more.pop("tasks", tasks())
    return run_partitions("test", work, found, Path(out), params or {}, rooms=(), **more)


def content(folder: str) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    root = Path(folder)
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def made() -> list[str]:
    """The tasks that ran since the last look."""
    lines = Path("made.log").read_text().split() if Path("made.log").exists() else []
    Path("made.log").unlink(missing_ok=True)
    return sorted(lines)


def test_partitions_rejects_and_side_files_come_out():
    done = run()
    assert [c.clip_id for n in range(4) for c in read_clips(f"out/part-{n:04d}.parquet")] == [
        "c0", "c1", "c2", "c3",
    ]  # fmt: skip
    assert [r.clip_id for r in read_rejects("out")] == ["r0", "r1", "r2", "r3"]
    assert Path("out/side/2.txt").read_text() == "2"
    assert (done.rows, done.rejects["silly"], done.reused) == (4, 4, 0)
    assert done.seconds == 2.0


def test_any_number_of_workers_gives_the_same_bytes(monkeypatch):
    run("one")
    runner.shutil.rmtree(".work")
    monkeypatch.setenv("VISEMILL_WORKERS", "3")
    run("three")
    assert content("one") == content("three")


def test_finished_partitions_are_not_made_again():
    run()
    before = content("out")
    made()
    assert run().reused == 4
    assert made() == []
    assert content("out") == before


def test_a_changed_input_makes_its_own_partition_again_and_no_other():
    run()
    made()
    Path("input-2").write_text("22")
    run()
    assert made() == ["part-0002.parquet"]
    assert [c.clip_id for c in read_clips("out/part-0002.parquet")] == ["c22"]


def test_changed_parameters_make_everything_again():
    run()
    made()
    run(params={"x": 1})
    assert len(made()) == 4


def test_a_killed_worker_is_reported_and_the_next_run_goes_on(monkeypatch):
    monkeypatch.setenv("VISEMILL_WORKERS", "2")
    Path("die-part-0003.parquet").touch()
    with pytest.raises(EngineFailed, match="a worker process died"):
        run(tasks=tasks(6))
    finished = {path.parent for path in Path(".work/test").glob("[!.]*/done.json")}
    Path("die-part-0003.parquet").unlink()
    made()
    done = run(tasks=tasks(6))
    assert (done.rows, done.reused) == (6, len(finished))
    assert len(made()) == 6 - len(finished)


def test_a_stage_killed_at_any_moment_goes_on_to_the_same_bytes():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.pipelines.test_runner import run, tasks\n"
        "run('killed', tasks=tasks(30))\n"
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "VISEMILL_WORKERS": "1"}
    for wait in (0.3, 0.6, 0.9):
        process = subprocess.Popen(
            [sys.executable, "-c", code, root], env=environment, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 20
        while not Path("made.log").exists() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(wait / 10)
        process.kill()
        process.wait()
    run("killed", tasks=tasks(30))
    runner.shutil.rmtree(".work")
    run("undisturbed", tasks=tasks(30))
    assert content("killed") == content("undisturbed")


def test_too_many_rejects_fail_after_everything_is_written():
    with pytest.raises(BadInput, match=r"4 of 8 clips were rejected.*rejects\.parquet"):
        run(max_rejects=0.4)
    assert len(read_rejects("out")) == 4
    assert run(max_rejects=0.5).rows == 4


def test_half_written_partitions_are_never_used():
    run()
    before = content("out")
    folder = next(Path(".work/test").glob("*/part-0001.parquet")).parent
    (folder / "done.json").unlink()
    (folder / "part-0001.parquet").unlink()
    (folder / "part-0001.parquet").write_bytes(b"half")
    run()
    assert content("out") == before


def test_a_partition_that_lost_some_of_its_bytes_is_made_again():
    run()
    before = content("out")
    made()
    path = next(Path(".work/test").glob("*/part-0002.parquet"))
    whole = path.read_bytes()
    path.unlink()  # its bytes are the output's too
    path.write_bytes(whole[:-9])
    next(Path(".work/test").glob("*/side/3.txt")).unlink()
    assert run().reused == 2
    assert made() == ["part-0002.parquet", "part-0003.parquet"]
    assert content("out") == before


@pytest.mark.parametrize("text", ['{"rows": 1, "fil', "{}", "[]"])
def test_a_partition_whose_note_is_damaged_is_made_again(text):
    run()
    before = content("out")
    made()
    next(Path(".work/test").glob("*/part-0002.parquet")).with_name("done.json").write_text(text)
    assert run().reused == 3
    assert made() == ["part-0002.parquet"]
    assert content("out") == before


def test_what_a_killed_run_left_beside_the_output_is_cleared_away():
    run()
    before = content("out")
    for name in (".out.new.part", ".out.old.part"):
        Path(name).mkdir()
        Path(name, "part-0000.parquet").write_bytes(b"half")
    Path("out").rename(".out.old.part/out")  # killed between the two renames
    run()
    assert content("out") == before
    assert not list(Path().glob(".out*"))


def test_two_runs_of_a_stage_at_once_make_every_partition_once():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.pipelines.test_runner import run, tasks\n"
        "run(tasks=tasks(30))\n"
    )
    root = str(Path(__file__).parents[2])
    tasks(30)
    both = [subprocess.Popen([sys.executable, "-c", code, root]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert made() == [f"part-{number:04d}.parquet" for number in range(30)]


def test_work_of_other_inputs_is_cleared_away():
    run()
    Path("input-0").write_text("00")
    run()
    assert len(list(Path(".work/test").iterdir())) == 4
    assert json.loads(next(Path(".work/test").glob("*/done.json")).read_text())["rows"] == 1
