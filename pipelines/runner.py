"""Runs a stage over partitions: in parallel, resumable, the same bytes on any number of workers.

Finished partitions wait in `.work/<stage>/<key>/`, where the key is a hash of everything that the
partition depends on: its input bytes, its parameters and the code that makes it. A killed stage
starts again where it stopped; a changed input makes its own partition again and no other. A folder
gets its name when all of it is on the disk, so nobody ever sees half of one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from clips import Clip, Reject, VisemillError, write_rejects
from clips.errors import BadInput
from clips.files import parse_json
from clips.store import CLIP_SCHEMA, REJECTS, read_rows, to_row, write_table
from clips.store import REJECT_SCHEMA as _REJECT_SCHEMA
from pipelines.executors import Share, execute, own_share
from pipelines.times import note

try:
    import fcntl
except ImportError:  # Windows: nobody keeps two runs of a stage apart
    fcntl = None

WORK = Path(".work")
"""Where partitions in progress live; git and DVC ignore it; delete it at any time."""

_HERE = Path(__file__).parent.parent
_DONE = "done.json"


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
    """What a run made: clips (or rows), their seconds of audio, rejects by reason, time taken.

    complete: `out` holds all of it; False for a job of an array, which made its share and no more.
    """

    rows: int
    seconds: float
    rejects: Counter
    wall_seconds: float
    reused: int
    complete: bool


Work = Callable[[Task, Any], Iterable[Clip | Reject | SideFile | dict]]
"""A top-level pure function of one partition and the stage's parameters."""


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
    A job of an array (pipelines.executors.own_share) makes its share and leaves `out` as it is:
    a last call without a share finds all partitions made, and puts them together.
    """
    started = time.perf_counter()
    share = own_share()
    folder = WORK / stage
    common = _digest([_plain(params), _code(work, rooms), _plain(versions), str(schema)])
    folders = {task.name: folder / _task_key(task, common) for task in tasks}
    if len(folders) != len(tasks):
        raise BadInput("two partitions have the same name", where=stage)
    with _locked(folder, shared=share is not None):
        mine = tasks[share.rank :: share.world] if share else tasks
        counts = [count for task in mine if (count := _read_done(folders[task.name]))]
        reused = len(counts)
        waiting = [task for task in mine if not _read_done(folders[task.name])]
        with tqdm(
            total=len(mine),
            initial=reused,
            desc=stage,
            unit="part",
            file=sys.stderr,
            mininterval=1.0,
        ) as bar:
            calls = [(work, task, folders[task.name], params, schema) for task in waiting]
            for count in execute(_make, calls):
                counts.append(count)
                elapsed = time.perf_counter() - started
                bar.set_postfix_str(
                    f"{sum(c['rows'] for c in counts[reused:]) / elapsed:.0f} clips/s,"
                    f" {sum(c['seconds'] for c in counts[reused:]) / elapsed:.0f} s of audio/s,"
                    f" {sum(sum(c['rejects'].values()) for c in counts)} rejected",
                    refresh=False,
                )
                bar.update()
        if share is None:
            _assemble(out, [(folders[task.name], task.name) for task in tasks])
            for old in folder.iterdir():
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
        complete=share is None,
    )
    _say(stage, done, out, share)
    if share:
        return done
    note(done.rows, done.seconds, len(tasks), reused)
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


@contextmanager
def _locked(folder: Path, *, shared: bool) -> Iterator[None]:
    """Waits until no other run of the stage is at work in `folder`; jobs of an array share it.

    Ends with the process, whatever ends that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with folder.with_name(f"{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder.name}: waits for another run of this stage to end", file=sys.stderr)
            fcntl.flock(file, kind)
        yield


def _make(work: Work, task: Task, folder: Path, params: Any, schema: pa.Schema) -> dict:
    """Makes one partition in `folder` and returns its counts.

    Everything goes into a folder of this attempt's own, which gets its name at the very end.
    """
    attempt = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    attempt.mkdir(parents=True)
    try:
        done = _write(work, task, attempt, params, schema)
        _settle(attempt)
        if not _read_done(folder):
            shutil.rmtree(folder, ignore_errors=True)  # damaged
            attempt.rename(folder)
    except OSError as error:
        # Made by another attempt at the same time: the bytes are the same.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    finally:
        shutil.rmtree(attempt, ignore_errors=True)
    return done


def _write(work: Work, task: Task, folder: Path, params: Any, schema: pa.Schema) -> dict:
    rejects: list[Reject] = []
    files = [task.name]
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
        "files": {name: (folder / name).stat().st_size for name in files},
    }
    (folder / _DONE).write_text(json.dumps(done))
    return done


def _settle(folder: Path) -> None:
    """Waits until all of a folder is on the disk: a machine may lose its power after the rename."""
    for path in (*folder.rglob("*"), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read_done(folder: Path) -> dict | None:
    """The counts of a finished partition; None if it is unfinished or damaged, to be made anew."""
    try:
        done = parse_json((folder / _DONE).read_bytes())
        whole = all((folder / n).stat().st_size == size for n, size in done["files"].items())
    except (FileNotFoundError, NotADirectoryError, ValueError, LookupError, TypeError):
        return None
    return done if whole else None


def _assemble(out: Path, parts: list[tuple[Path, str]]) -> None:
    """The finished partitions as links (or copies) in `out`, with one table of all rejects.

    They are put together beside it; `out` is always the old, the new or no folder, never a half.
    """
    new, old = out.with_name(f".{out.name}.new.part"), out.with_name(f".{out.name}.old.part")
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    new.mkdir(parents=True)
    for folder, _ in parts:
        for file in parse_json((folder / _DONE).read_bytes())["files"]:
            (new / file).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(folder / file, new / file)
            except OSError:
                shutil.copyfile(folder / file, new / file)
    rejects = (row for folder, _ in parts for row in read_rows(folder / REJECTS))
    write_table(new / REJECTS, rejects, _REJECT_SCHEMA)
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _say(stage: str, done: Done, out: Path, share: Share | None) -> None:
    print(
        f"{stage}: {done.rows} clips, {done.seconds / 60:.1f} min of audio"
        f" in {done.wall_seconds:.1f} s ({done.reused} partitions were already done)",
        file=sys.stderr,
    )
    if share:
        print(
            f"{stage}: the share of job {share.rank} of {share.world} is made; a call without a"
            " rank puts them together",
            file=sys.stderr,
        )
        return
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
