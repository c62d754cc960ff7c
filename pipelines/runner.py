"""Runs a stage over partitions: in parallel, resumable, the same bytes on any number of workers.

Finished partitions wait in `.work/<stage>/<key>/`, where the key is a hash of everything that the
partition depends on: its input bytes, its parameters and the code that makes it. A killed stage
starts again where it stopped; a changed input makes its own partition again and no other.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from clips import Clip, EngineFailed, Reject, VisemillError, replacing, write_rejects
from clips.errors import BadInput
from clips.store import CLIP_SCHEMA, REJECTS, read_rows, to_row, write_table
from clips.store import REJECT_SCHEMA as _REJECT_SCHEMA
from pipelines.times import note

WORK = Path(".work")
"""Where partitions in progress live; git and DVC ignore it; delete it at any time."""

_HERE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Task:
    """One partition to make: its file name, the files that it reads, and what else it needs.

    `details` is anything JSON can say; it goes into the key.
    """

    name: str
    inputs: tuple[Path, ...] = ()
    details: Any = None


@dataclass(frozen=True)
class SideFile:
    """A further file that a task makes: `name` is its path inside the stage's output folder."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Done:
    """What a run made: clips (or rows), their seconds of audio, rejects by reason, time taken."""

    rows: int
    seconds: float
    rejects: Counter
    wall_seconds: float
    reused: int


Work = Callable[[Task, Any], Iterable[Clip | Reject | SideFile | dict]]
"""A top-level pure function of one partition and the stage's parameters."""


def workers() -> int:
    """Worker processes: VISEMILL_WORKERS, or the number of processors. Never changes the output."""
    wanted = os.environ.get("VISEMILL_WORKERS") or str(os.cpu_count() or 1)
    if not wanted.isdecimal() or int(wanted) < 1:
        raise BadInput(
            f"is {wanted!r}, not a number of processes",
            where="VISEMILL_WORKERS",
            remedy="set it to 1 or more, or unset it",
        )
    return int(wanted)


def run_partitions(
    stage: str,
    work: Work,
    tasks: Sequence[Task],
    out: Path,
    params: Any,
    *,
    rooms: Sequence[str],
    schema: pa.Schema = CLIP_SCHEMA,
    max_rejects: float = 1.0,
    versions: Any = None,
) -> Done:
    """Makes every task's partition in `out`, and `out`/rejects.parquet.

    work: yields clips (or rows of `schema`) and rejects. rooms: the packages, and single files of
    others, whose code the result depends on. versions: of the engines used. max_rejects: the share
    of rejects above which the stage fails (BadInput), after everything is written. An error about
    a single clip is `work`'s own business to turn into a Reject; others stop the stage.
    """
    started = time.perf_counter()
    folder = WORK / stage
    common = _digest([_plain(params), _code(work, rooms), _plain(versions), str(schema)])
    folders = {task.name: folder / _task_key(task, common) for task in tasks}
    if len(folders) != len(tasks):
        raise BadInput("two partitions have the same name", where=stage)
    waiting = [task for task in tasks if not (folders[task.name] / "done.json").exists()]
    counts = [_read_done(folders[t.name]) for t in tasks if t not in waiting]
    reused = len(counts)
    with tqdm(
        total=len(tasks),
        initial=reused,
        desc=stage,
        unit="part",
        file=sys.stderr,
        mininterval=1.0,
    ) as bar:
        for count in _execute(work, waiting, folders, params, schema):
            counts.append(count)
            elapsed = time.perf_counter() - started
            bar.set_postfix_str(
                f"{sum(c['rows'] for c in counts[reused:]) / elapsed:.0f} clips/s,"
                f" {sum(c['seconds'] for c in counts[reused:]) / elapsed:.0f} s of audio/s,"
                f" {sum(sum(c['rejects'].values()) for c in counts)} rejected",
                refresh=False,
            )
            bar.update()
    _assemble(out, [(folders[task.name], task.name) for task in tasks])
    for old in folder.glob("*"):
        if old not in folders.values():
            shutil.rmtree(old, ignore_errors=True)
    rejects: Counter = Counter()
    for count in counts:
        rejects.update(count["rejects"])
    done = Done(
        rows=sum(count["rows"] for count in counts),
        seconds=sum(count["seconds"] for count in counts),
        rejects=rejects,
        wall_seconds=time.perf_counter() - started,
        reused=reused,
    )
    note(done.rows, done.seconds, len(tasks), reused)
    _say(stage, done, out)
    total = done.rows + rejects.total()
    if total and rejects.total() > max_rejects * total:
        raise BadInput(
            f"{rejects.total()} of {total} clips were rejected; the limit is {max_rejects:.0%}",
            where=f"stage {stage}",
            remedy=f"see {out / REJECTS} for each reason; mend the input or raise max_rejects",
        )
    return done


def rejecting(clip_id: str, stage: str, error: VisemillError, **more: str) -> Reject:
    """The reject that stands for an error about one clip."""
    detail = f"{error.where}: {error.remedy}" if error.where else error.remedy
    return Reject(clip_id, stage, error.what, detail, **more)


def _execute(
    work: Work, tasks: list[Task], folders: dict[str, Path], params: Any, schema: pa.Schema
) -> Iterator[dict]:
    count = min(workers(), len(tasks))
    if count <= 1:
        for task in tasks:
            yield _make(work, task, folders[task.name], params, schema)
        return
    context = multiprocessing.get_context("spawn")
    with _one_thread_each(), ProcessPoolExecutor(count, mp_context=context) as pool:
        futures: list[Future] = [
            pool.submit(_make, work, task, folders[task.name], params, schema) for task in tasks
        ]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise EngineFailed(
                "a worker process died",
                remedy="run the same command again: it goes on where it stopped; if it dies again,"
                " memory may be short: try VISEMILL_WORKERS=1",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


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


def _make(work: Work, task: Task, folder: Path, params: Any, schema: pa.Schema) -> dict:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rejects: list[Reject] = []
    files: list[str] = []
    seconds = 0.0

    def rows() -> Iterator[dict]:
        nonlocal seconds
        for item in work(task, params):
            if isinstance(item, Reject):
                rejects.append(item)
            elif isinstance(item, SideFile):
                path = folder / item.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(item.data)
                files.append(item.name)
            elif isinstance(item, Clip):
                seconds += item.seconds
                yield to_row(item.validate())
            else:
                seconds += item.get("seconds") or 0.0
                yield item

    count = write_table(folder / task.name, rows(), schema)
    write_rejects(folder / REJECTS, rejects)
    done = {
        "rows": count,
        "seconds": seconds,
        "rejects": Counter(reject.reason for reject in rejects),
        "files": files,
    }
    with replacing(folder / "done.json") as temporary:
        temporary.write_text(json.dumps(done))
    return done


def _read_done(folder: Path) -> dict:
    return json.loads((folder / "done.json").read_text())


def _assemble(out: Path, parts: list[tuple[Path, str]]) -> None:
    """The finished partitions as links (or copies) in `out`, with one table of all rejects."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for folder, name in parts:
        for file in (name, *_read_done(folder)["files"]):
            (out / file).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(folder / file, out / file)
            except OSError:
                shutil.copyfile(folder / file, out / file)
    rejects = (row for folder, _ in parts for row in read_rows(folder / REJECTS))
    ordered = sorted(rejects, key=lambda row: (row["clip_id"], row["reason"]))
    write_table(out / REJECTS, ordered, _REJECT_SCHEMA)


def _say(stage: str, done: Done, out: Path) -> None:
    print(
        f"{stage}: {done.rows} clips, {done.seconds / 60:.1f} min of audio"
        f" in {done.wall_seconds:.1f} s ({done.reused} partitions were already done)",
        file=sys.stderr,
    )
    if done.rejects:
        print(f"{stage}: {done.rejects.total()} rejected, see {out / REJECTS}", file=sys.stderr)
        for reason, number in done.rejects.most_common(8):
            print(f"  {number:6d}  {reason}", file=sys.stderr)


def _task_key(task: Task, common: str) -> str:
    files = [[path.name, _file_digest(path)] for path in task.inputs]
    return _digest([task.name, _plain(task.details), files, common])[:32]


def _file_digest(path: Path) -> str:
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _code(work: Work, rooms: Sequence[str]) -> list[str]:
    paths = [Path(sys.modules[work.__module__].__file__ or ""), Path(__file__)]
    for room in rooms:
        if (_HERE / room).is_file():
            paths.append(_HERE / room)
        paths += [p for p in (_HERE / room).rglob("*") if p.suffix in (".py", ".yaml", ".npz")]
    return [_file_digest(path) for path in sorted(paths)]


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
