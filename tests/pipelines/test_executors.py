"""Ray, and the jobs of an array: the same stage code, the same bytes, whatever dies."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from clips import BadInput, BadParams, EngineFailed
from pipelines import executors
from pipelines.executors import RunParams, Share, execute, own_share, run_params, workers
from pipelines.runner import Task
from tests.pipelines.test_runner import content, inside, made, make, run, tasks  # noqa: F401

ROOT = Path(__file__).parents[2]


def test_the_block_run_is_read_and_the_environment_goes_before_it(monkeypatch):
    assert run_params() == RunParams("local", "")
    Path("params.yaml").write_text("run: {executor: ray, address: 'head:6379'}\n")
    assert run_params() == RunParams("ray", "head:6379")
    monkeypatch.setenv("VISEMILL_EXECUTOR", "serial")
    monkeypatch.setenv("VISEMILL_RAY", "")
    assert run_params() == RunParams("serial", "")


def test_unknown_executors_are_refused(monkeypatch):
    Path("params.yaml").write_text("run: {executor: dask}\n")
    with pytest.raises(BadParams, match=r"'dask', none of local, serial, ray"):
        run_params()
    Path("params.yaml").unlink()
    monkeypatch.setenv("VISEMILL_EXECUTOR", "slurm")
    with pytest.raises(BadParams, match="VISEMILL_EXECUTOR"):
        run_params()


def test_no_executor_changes_what_a_partition_is_called_or_made_of(monkeypatch):
    run()
    made()
    Path("params.yaml").write_text("run: {executor: serial}\n")
    assert run().reused == 4
    assert made() == []


@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch, value):
    monkeypatch.setenv("VISEMILL_WORKERS", value)
    with pytest.raises(BadInput, match="VISEMILL_WORKERS"):
        workers()


# ---------------------------------------------------------------- arrays of jobs


def test_shares_come_from_arguments_or_from_slurm(monkeypatch):
    assert own_share() is None
    for name, value in {"ID": "7", "MIN": "1", "STEP": "2", "COUNT": "4"}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert own_share() == Share(3, 4)
    monkeypatch.setenv("VISEMILL_RANK", "9")  # so that both are taken away again
    monkeypatch.setenv("VISEMILL_WORLD_SIZE", "9")
    parser = argparse.ArgumentParser()
    executors.add_share_arguments(parser)
    parser.parse_args(["--rank", "0", "--world-size", "2"])
    assert own_share() == Share(0, 2)


@pytest.mark.parametrize(("rank", "world"), [("4", "4"), ("1", ""), ("", "3"), ("-1", "2")])
def test_shares_that_make_no_sense_are_refused(monkeypatch, rank, world):
    monkeypatch.setenv("VISEMILL_RANK", rank)
    monkeypatch.setenv("VISEMILL_WORLD_SIZE", world)
    with pytest.raises(BadInput):
        own_share()


def test_the_jobs_of_an_array_make_every_partition_once_and_a_last_call_puts_them_together(
    monkeypatch,
):
    run("whole")
    made()
    shares = []
    monkeypatch.setattr("pipelines.runner.WORK", Path(".work-of-the-array"))
    for rank in range(3):
        monkeypatch.setenv("VISEMILL_RANK", str(rank))
        monkeypatch.setenv("VISEMILL_WORLD_SIZE", "3")
        done = run("array")
        shares.append(made())
        assert not done.complete
    assert not Path("array").exists()
    assert shares == [
        ["part-0000.parquet", "part-0003.parquet"], ["part-0001.parquet"], ["part-0002.parquet"],
    ]  # fmt: skip
    monkeypatch.delenv("VISEMILL_RANK")
    monkeypatch.delenv("VISEMILL_WORLD_SIZE")
    assert run("array").reused == 4
    assert made() == []
    assert content("array") == content("whole")


# ---------------------------------------------------------------- workers that die


def linger(seconds: float) -> None:
    """Says which process it is in, and takes its time."""
    Path(f"worker-{os.getpid()}").touch()
    time.sleep(seconds)


def test_local_workers_end_with_a_stage_that_was_killed():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pipelines.executors import in_processes\n"
        "from tests.pipelines.test_executors import linger\n"
        "if __name__ == '__main__': list(in_processes(linger, [(60.0,)] * 2, 2))\n"
    )
    Path("stage.py").write_text(code)
    stage = subprocess.Popen([sys.executable, "stage.py", str(ROOT)])
    wait_for(lambda: len(list(Path().glob("worker-*"))) == 2)
    stage.kill()
    stage.wait()
    pids = [int(path.name.partition("-")[2]) for path in Path().glob("worker-*")]
    wait_for(lambda: not any(Path(f"/proc/{pid}/stat").exists() and running(pid) for pid in pids))


def running(pid: int) -> bool:
    """Whether a process is more than a line in the table of processes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, seconds: float = 60.0) -> None:
    """Returns when the condition holds; fails when it takes too long."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited for too long"
        time.sleep(0.05)


# ---------------------------------------------------------------- Ray


@pytest.fixture(scope="module")
def one_ray():
    """One Ray for all tests that need it: the first starts it as a stage does."""
    ray = pytest.importorskip("ray", reason="needs the extra `ray`")
    yield
    ray.shutdown()


@pytest.fixture
def ray_here(one_ray, monkeypatch):
    """Ray with two workers is the executor."""
    monkeypatch.setenv("VISEMILL_EXECUTOR", "ray")
    monkeypatch.setenv("VISEMILL_WORKERS", "2")


def refuse(number: int) -> int:
    """The square of a number, but not of three."""
    if number == 3:
        raise BadInput("was three", where="here", remedy="give another")
    return number * number


def make_or_die(task: Task, params: dict):
    """As `make`, but whoever is first at part 4 kills itself before it is done."""
    yield from make(task, params)
    with suppress(FileNotFoundError):
        Path(f"deadly-{task.name}").unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def test_ray_gives_the_same_bytes_though_a_worker_is_killed_in_the_middle(ray_here, monkeypatch):
    run("ray", tasks=tasks(6), work=make_or_die)
    assert len(made()) == 6
    shutil.rmtree(".work")
    Path("deadly-part-0004.parquet").touch()
    done = run("killed", tasks=tasks(6), work=make_or_die)
    assert made().count("part-0004.parquet") == 2
    assert (done.rows, done.reused) == (6, 0)
    monkeypatch.setenv("VISEMILL_EXECUTOR", "serial")
    shutil.rmtree(".work")
    run("serial", tasks=tasks(6), work=make_or_die)
    assert content("killed") == content("ray") == content("serial")


def test_errors_come_home_from_ray_as_they_are(ray_here):
    assert sorted(execute(refuse, [(1,), (2,)])) == [1, 4]
    with pytest.raises(BadInput, match=r"here: was three\. give another"):
        list(execute(refuse, [(number,) for number in range(5)]))


def die() -> None:
    """Kills its own process, always."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_call_that_kills_every_worker_is_reported(ray_here):
    with pytest.raises(EngineFailed, match=r"a worker process died.*run the same command again"):
        list(execute(die, [()]))


def test_a_cluster_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv("VISEMILL_EXECUTOR", "ray")
    monkeypatch.setenv("VISEMILL_RAY", "127.0.0.1:1")
    with pytest.raises(BadParams, match=r"127\.0\.0\.1:1: Ray does not answer"):
        list(execute(die, [()]))
