"""Inputs read in child processes: what ends, hangs, grows, escapes or raises a foreign error.

A child reads many inputs, one after another, and says which one it begins. When it dies, the input
is read once more in a child of its own, and the batch goes on behind it.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from clips import VisemillError

SECONDS = 5.0
"""Processor time that one input may take; by the clock, on a busy machine, WAIT times as much."""

WAIT = 12

GROWTH = 1 << 30
"""Bytes of address space that reading may add to a child that has read good inputs."""

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that a parser did not survive. fault: how, in one line; trace: where, if known."""

    parser: str
    seed: int
    index: int
    fault: str
    trace: str = ""

    @property
    def name(self) -> str:
        """The name under which it is saved, which is enough to make it again."""
        return f"{self.parser}-{self.seed}-{self.index}"


def make(parser, seed: int, index: int) -> bytes:
    """Input number `index`: depends on nothing but its arguments."""
    return parser.make(Random(f"{seed}/{parser.name}/{index}"))


def run(
    inputs: Iterable[tuple[str, int]], seed: int, seconds: float = SECONDS
) -> Iterator[Failure]:
    """Reads these inputs (parser, index) in children, one after another; gives the failures."""
    left = list(inputs)
    while left:
        found, died, _ = _child(left, seed, seconds)
        yield from found
        if died is None:
            return
        alone, again, status = _child([left[died]], seed, seconds)
        yield from alone
        if again is not None:
            name, index = left[died]
            yield Failure(name, seed, index, _ending(status, seconds))
        left = left[died + 1 :]


def _child(
    inputs: list[tuple[str, int]], seed: int, seconds: float
) -> tuple[list[Failure], int | None, int]:
    """Failures of one child, the place of the input at which it died (None if it did not), and its
    exit status."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.run"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(json.dumps([inputs, seed, seconds]))
    process.stdin.close()
    found, at = [], None
    for line in process.stdout:
        if line.startswith("{"):
            found.append(Failure(**json.loads(line)))
        else:
            at = int(line)
    process.stdout.close()
    status = process.wait()
    if status and at is None:
        raise RuntimeError(f"the child that reads {inputs[0]} could not start")
    return found, at if status else None, status


def _ending(status: int, seconds: float) -> str:
    if status in (-signal.SIGALRM, -signal.SIGPROF):
        return f"took longer than {seconds:g} s"
    return f"died of {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def read(parser, data: bytes, folder: Path) -> str | None:
    """Lets the parser read `data` in an empty folder. Gives what is wrong, None if nothing is.

    A VisemillError is right if it says what and where to do what.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    parser.lay(folder, data)
    _watched.folder, _watched.seen = str(folder), []
    said = io.StringIO()
    try:
        with redirect_stderr(said), redirect_stdout(said):
            parser.read(folder)
    except VisemillError as error:
        text = str(error)
        if "\x1b" in text or "\x00" in text:
            return "the message steers the terminal"
        if len(text) > 5000:
            return f"the message has {len(text)} characters"
        if any(word in text for word in ("malloc", "out of memory", "Unable to allocate")):
            return f"ran out of memory: {text[:200]}"
    finally:
        _watched.folder = ""
    return _watched.seen[0] if _watched.seen else None


class _Watch:
    """What Python's audit events tell of reading: nothing may run, connect or write elsewhere."""

    def __init__(self) -> None:
        self.folder, self.seen = "", []
        prefixes = (ROOT, sys.prefix, os.path.realpath(sys.prefix), sys.base_prefix, "/proc/self")
        self.readable = tuple(map(str, prefixes))

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self.folder:
            return
        if event in ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect",
                     "os.symlink", "os.link"):  # fmt: skip
            self.seen.append(f"{event} {arguments!r}"[:300])
        elif event == "open" and isinstance(arguments[0], str | bytes):
            path, mode, flags = arguments
            path = os.path.abspath(os.fsdecode(path))
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            inside = path.startswith((f"{self.folder}/", f"{tempfile.gettempdir()}/"))
            if not inside and (writes or not path.startswith(self.readable)):
                self.seen.append(f"opened {path} ({mode}) outside its folder"[:300])


_watched = _Watch()


def _serve() -> None:
    from tests.fuzz.parsers import BROKEN, PARSERS

    parsers = {**PARSERS, BROKEN.name: BROKEN}
    inputs, seed, seconds = json.loads(sys.stdin.read())
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    with tempfile.TemporaryDirectory(prefix="visemill-fuzz-") as top:
        folder, tempfile.tempdir = Path(top, "case"), f"{top}/temporary"
        os.mkdir(tempfile.tempdir)
        for name in dict.fromkeys(name for name, _ in inputs):
            for data in parsers[name].seeds():
                if fault := read(parsers[name], data, folder):  # loads what is loaded once
                    raise RuntimeError(f"{name} does not read its own good input: {fault}")
        os.dup2(silent, 2)
        sys.addaudithook(_watched)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + GROWTH, size + GROWTH))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        for place, (name, index) in enumerate(inputs):
            answers.write(f"{place}\n")
            data, trace = make(parsers[name], seed, index), ""
            signal.setitimer(signal.ITIMER_PROF, seconds)
            signal.setitimer(signal.ITIMER_REAL, seconds * WAIT)
            try:
                fault = read(parsers[name], data, folder)
            except BaseException as error:
                fault = f"{type(error).__name__}: {error}"[:300]
                trace = "".join(traceback.format_exception(error)[-4:])[-2000:]
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            if fault:
                answers.write(json.dumps(asdict(Failure(name, seed, index, fault, trace))) + "\n")


if __name__ == "__main__":
    _serve()
