"""Where the partitions of a stage are made; never what comes out.

`serial`: one after the other in this process. `local`: processes on this machine. `ray`: a Ray
cluster, or one that is started here. The block `run` of params.yaml chooses, and the variables
VISEMILL_EXECUTOR, VISEMILL_RAY and VISEMILL_WORKERS go before it. No stage and no partition depends
on any of them. The jobs of an array (Slurm's, or any other's) each make a share: `--rank R
--world-size N` on a stage, or Slurm's own variables. docs/scale.md says how to use all that.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from clips import BadInput, BadParams, EngineFailed, EngineMissing
from pipelines.params import has_block, load_params

EXECUTORS = ("local", "serial", "ray")


@dataclass(frozen=True)
class RunParams:
    """The `run` block of params.yaml. address: of a Ray cluster, such as host:6379; empty: one is
    started on this machine and ends with the stage."""

    executor: str = "local"
    address: str = ""

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise ValueError(f"executor is {self.executor!r}, none of {', '.join(EXECUTORS)}")


@dataclass(frozen=True)
class Share:
    """What one job of an array makes: every `world`-th partition from number `rank` (0 ...) on."""

    rank: int
    world: int

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise BadInput(
                f"rank {self.rank} is not within 0 .. {self.world - 1}",
                where="--rank, --world-size",
                remedy="give every job of the array another rank, from 0 on",
            )


def run_params() -> RunParams:
    """How this run makes partitions. Raises BadParams."""
    params = load_params("run", RunParams) if has_block("run") else RunParams()
    params = replace(params, address=os.environ.get("VISEMILL_RAY", params.address))
    if executor := os.environ.get("VISEMILL_EXECUTOR"):
        try:
            return replace(params, executor=executor)
        except ValueError as error:
            raise BadParams(str(error), where="VISEMILL_EXECUTOR", remedy="mend it") from error
    return params


def workers() -> int:
    """Worker processes: VISEMILL_WORKERS, or the number of processors that this process may use."""
    if wanted := os.environ.get("VISEMILL_WORKERS"):
        return _number("VISEMILL_WORKERS", wanted, 1)
    if hasattr(os, "sched_getaffinity"):  # a job of a cluster may not use the whole machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# ---------------------------------------------------------------- arrays of jobs


def add_share_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --rank and --world-size, which `own_share` finds."""
    for name, about in (("rank", "this job's number, from 0"), ("world-size", "how many jobs")):
        parser.add_argument(f"--{name}", action=_Remember, metavar="N", help=about)


class _Remember(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None) -> None:
        os.environ["VISEMILL_" + self.dest.upper()] = str(values)


def own_share() -> Share | None:
    """The share of this job if it is one of an array: by --rank and --world-size, the variables
    VISEMILL_RANK and VISEMILL_WORLD_SIZE, or Slurm's of an array. Raises BadInput."""
    rank, world = (os.environ.get(f"VISEMILL_{name}", "") for name in ("RANK", "WORLD_SIZE"))
    if rank or world:
        return Share(_number("--rank", rank, 0), _number("--world-size", world, 0))
    if task := os.environ.get("SLURM_ARRAY_TASK_ID"):
        slurm = {"ID": task, "MIN": "0", "STEP": "1", "COUNT": "1"}
        slurm = {name: os.environ.get(f"SLURM_ARRAY_TASK_{name}", v) for name, v in slurm.items()}
        number = {n: _number(f"SLURM_ARRAY_TASK_{n}", value, 0) for n, value in slurm.items()}
        return Share((number["ID"] - number["MIN"]) // number["STEP"], number["COUNT"])
    return None


def _number(name: str, text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise BadInput(
            f"is {text!r}, not a number from {least} on",
            where=name,
            remedy=f"set it to {least} or more",
        )
    return int(text)


# ---------------------------------------------------------------- one function, many calls


def execute(function: Callable, calls: Sequence[tuple]) -> Iterator[Any]:
    """What `function(*call)` returns for each call, in the order in which they are ready.

    function: a top-level function of an importable module. Its errors are raised here; EngineFailed
    if a worker died (and on Ray, if it died again wherever it was tried anew).
    """
    params = run_params()
    count = min(workers(), len(calls))
    if params.executor == "ray" and calls:
        yield from _on_ray(function, calls, params.address)
    elif params.executor == "serial" or count <= 1:
        for call in calls:
            yield function(*call)
    else:
        yield from in_processes(function, calls, count)


def in_processes(function: Callable, calls: Sequence[tuple], count: int) -> Iterator[Any]:
    """As `execute`, in `count` processes of this machine, which end with this one."""
    context = multiprocessing.get_context("spawn")
    with (
        _one_thread_each(),
        ProcessPoolExecutor(
            count, mp_context=context, initializer=_follow, initargs=(os.getpid(),)
        ) as pool,
    ):
        futures = [pool.submit(function, *call) for call in calls]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise _died("memory may be short: try VISEMILL_WORKERS=1") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _died(hint: str) -> EngineFailed:
    return EngineFailed(
        "a worker process died",
        remedy="run the same command again: it goes on where it stopped; if it dies again, " + hint,
    )


def _follow(parent: int) -> None:
    """Ends this worker when its parent has gone, even if that was killed and could not say so."""

    def watch() -> NoReturn:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Workers that start meanwhile use one thread each: together they fill the processors."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# ---------------------------------------------------------------- Ray

_HERE = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
"""Of a Ray that is started here: bytes of its object store, which calls and counts pass through,
never audio."""


def _on_ray(function: Callable, calls: Sequence[tuple], address: str) -> Iterator[Any]:
    ray = _ray(address)
    remote = ray.remote(max_retries=3)(_worker(os.getcwd(), list(sys.path)))
    running = [remote.remote(pickle.dumps((function, call))) for call in calls]
    try:
        while running:
            ready, running = ray.wait(running)
            yield ray.get(ready[0])
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise _died(f"see Ray's own logs ({str(error).splitlines()[0]})") from error
    finally:
        for call in running:
            ray.cancel(call)


def _ray(address: str) -> Any:
    """Ray, connected: to the cluster, or to one that ends with this process."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of each run
    try:
        import ray
    except ImportError as error:
        raise EngineMissing("Ray is not installed", remedy='pip install "visemill[ray]"') from error
    host, _, port = address.rpartition(":")
    try:
        if host and port.isdecimal():  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), 10).close()
        if not ray.is_initialized():
            where = {"address": address} if address else _HERE | {"num_cpus": workers()}
            ray.init(log_to_driver=False, logging_level="warning", **where)
    except (OSError, ValueError, RuntimeError) as error:
        raise BadParams(
            f"Ray does not answer ({str(error).splitlines()[0]})",
            where=address,
            remedy="start it with `ray start --head`, mend `run.address` in params.yaml, or leave"
            " it empty",
        ) from error
    return ray


def _worker(folder: str, path: list[str]) -> Callable[[bytes], Any]:
    """What Ray sends to its workers, by value: they need not know this project before."""

    def call(pickled: bytes) -> Any:
        import os
        import pickle
        import sys

        os.chdir(folder)  # the cluster shares the project's folder
        sys.path[:] = path + [place for place in sys.path if place not in path]
        function, arguments = pickle.loads(pickled)
        return function(*arguments)

    return call
