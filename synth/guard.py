"""An engine in a process of its own: a crash or a hang costs one clip, never the run."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from clips import Clip, EngineFailed, VisemillError
from synth.engine import Engine, Prompt, Voice

_START_SECONDS = 120.0
"""How long a process may take to start and make its engine, besides the limit of each clip."""

_PREPARE_SECONDS = 3600.0
"""How long Engine.prepare may take: coqui gives itself 15 minutes for each of its models."""

_PREPARED = "prepared"


class Guard:
    """Speaks as its engine does, byte for byte, and outlives it.

    make: gives the engine; a top-level function or a partial of one, called in the new process.
    seconds: the most that one clip may take, once its voice is loaded. The process starts with the
    first clip, and again after a crash. It ends with `close`, and when this process ends for
    whatever reason; with it end the programs that it started (where there are process groups), and
    its temporary files go.
    """

    def __init__(self, make: Callable[[], Engine], seconds: float) -> None:
        self._make, self._seconds = make, seconds
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._folder: tempfile.TemporaryDirectory | None = None

    def speak(self, prompt: Prompt, voice: Voice, params: Any, clip_id: str) -> Clip:
        """The clip, or the engine's own error.

        Raises EngineFailed if the process died or took longer than `seconds`.
        """
        try:
            pipe = self._start()
            pipe.send((prompt, voice, params, clip_id))
            if not pipe.poll(_PREPARE_SECONDS):
                raise EngineFailed(
                    f"loading took longer than {_PREPARE_SECONDS:.0f} s and was ended",
                    where=f"clip {clip_id}, voice {voice.name}",
                    remedy="leave this voice out, or try again when the machine is less busy",
                )
            answer = pipe.recv()
            if answer == _PREPARED:
                if not pipe.poll(self._seconds):
                    raise EngineFailed(
                        f"took longer than {self._seconds:.0f} s and was ended",
                        where=f"clip {clip_id}",
                        remedy="leave this text out, or raise synthesize.seconds_per_clip",
                    )
                answer = pipe.recv()
        except (EOFError, OSError) as error:
            status = self._end()
            raise EngineFailed(
                f"the engine's process died ({_cause(status)})",
                where=f"clip {clip_id}",
                remedy="leave this text out",
            ) from error
        except BaseException:  # Ctrl-C too: an answer that comes late is nobody's
            self.close()
            raise
        if isinstance(answer, VisemillError):
            raise answer
        return answer

    def close(self) -> None:
        """Ends the process."""
        self._end(force=True)

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _start(self) -> Connection:
        if self._pipe is not None:
            return self._pipe
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        # A program that was just killed may still write: what is left then is not worth an error.
        self._folder = tempfile.TemporaryDirectory(prefix="visemill-", ignore_cleanup_errors=True)
        process = context.Process(
            target=_serve, args=(theirs, self._make, os.getpid(), self._folder.name), daemon=True
        )
        process.start()
        self._process = process
        theirs.close()  # so that its death is seen at this end
        if not self._pipe.poll(_START_SECONDS):
            raise EngineFailed(
                f"did not start within {_START_SECONDS:.0f} s",
                remedy="try again when the machine is less busy",
            )
        ready = self._pipe.recv()
        if isinstance(ready, VisemillError):
            raise ready
        return self._pipe

    def _end(self, *, force: bool = False) -> int | None:
        """Closes everything; the process's exit status."""
        process, pipe, folder = self._process, self._pipe, self._folder
        self._process = self._pipe = self._folder = None
        if pipe is not None:
            pipe.close()
        if process is None:
            return None
        if not force:
            wait([process.sentinel], 10)  # its own end is the status that is asked for
        _kill_group(process.pid)
        process.kill()
        process.join(10)
        status = process.exitcode
        process.close()
        folder.cleanup()
        return status


def _serve(pipe: Connection, make: Callable[[], Engine], parent: int, folder: str) -> None:
    """The process: answers every request with a clip or an error until the pipe closes.

    Before each clip it says that the voice is loaded. folder: for its temporary files.
    """
    if hasattr(os, "setsid"):
        os.setsid()  # a group of its own: what it starts ends with it
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    threading.Thread(target=_end_with, args=(parent, folder), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with contextlib.suppress(EOFError, BrokenPipeError):
        try:
            engine = make()
        except VisemillError as error:
            pipe.send(error)
            return
        pipe.send("ready")
        while True:
            request = pipe.recv()
            try:
                engine.prepare(request[1])
                pipe.send(_PREPARED)
                answer: Clip | VisemillError = engine.speak(*request)
            except VisemillError as error:
                answer = error
            except Exception as error:  # a fault of the engine on this text
                what = f"the engine failed ({type(error).__name__}: {error})"
                answer = EngineFailed(
                    what, where=f"clip {request[3]}", remedy="leave this text out"
                )
            pipe.send(answer)


def _end_with(parent: int, folder: str) -> None:
    """Ends this process and its group when its parent has gone, even if the engine hangs."""
    while os.getppid() == parent:
        time.sleep(1.0)
    shutil.rmtree(folder, ignore_errors=True)
    _kill_group(os.getpid())
    os._exit(1)


def _kill_group(leader: int) -> None:
    """Kills the processes of a group; there may be none: not yet, no longer, or never here."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: only zombies
            os.killpg(leader, signal.SIGKILL)


def _cause(status: int | None) -> str:
    if status is None:
        return "no exit status"
    if status < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-status).name
    return f"exit status {status}"
