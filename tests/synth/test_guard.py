"""A crash or hang of an engine costs the clip that it was speaking, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from clips import BadText, EngineFailed, EngineMissing, draw_stream
from synth import Prompt, find_engine
from synth.guard import Guard
from tests.synth.unruly import CHILD, make, make_missing, make_slow, make_unloadable

ENGINE = find_engine("espeak")
VOICE = ENGINE.voices("en-us")[0]


def ask(guard: Guard, text: str):
    prompt = Prompt("p", text)
    params = ENGINE.draw(draw_stream(1, "s", text), prompt, VOICE)
    return guard.speak(prompt, VOICE, params, "c1"), (prompt, VOICE, params, "c1")


def ends(process: int) -> bool:
    """Whether a process ends within 10 s."""
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        # Nobody may be there to collect the process: a zombie has ended too.
        state = Path(f"/proc/{process}/stat")
        if state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.1)
    os.kill(process, 9)
    return False


@pytest.fixture(scope="module")
def guard():
    with Guard(make, 60) as made:
        yield made


def test_a_guarded_engine_gives_the_same_bytes(guard):
    clip, request = ask(guard, "Bob keeps a big puppy.")
    here = ENGINE.speak(*request)
    assert clip.audio.tobytes() == here.audio.tobytes()
    assert (clip.phones, clip.ops, clip.text) == (here.phones, here.ops, here.text)


def test_the_engines_own_errors_come_through(guard):
    with pytest.raises(BadText, match="no letters"):
        ask(guard, "...")
    with pytest.raises(EngineFailed, match="KeyError"):
        ask(guard, "A fault.")
    assert ask(guard, "It goes on.")


@pytest.mark.parametrize(
    ("text", "cause"), [("A crash.", "SIGSEGV"), ("I leave now.", "exit status 3")]
)
def test_a_crash_costs_one_clip(guard, text, cause):
    with pytest.raises(EngineFailed, match=cause) as caught:
        ask(guard, text)
    assert caught.value.where == "clip c1"
    assert ask(guard, "It goes on.")


def test_a_hang_costs_one_clip_and_its_process_ends():
    with Guard(make, 1.0) as guard:
        ask(guard, "First.")
        process = guard._process.pid
        with pytest.raises(EngineFailed, match="took longer than 1 s"):
            ask(guard, "Now hang.")
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
        assert ask(guard, "It goes on.")


@pytest.mark.parametrize(
    ("text", "said"),
    [("I launch and hang.", "longer than 3 s"), ("I launch and leave.", "status 3")],
)
def test_what_the_engine_started_ends_with_it(tmp_path, monkeypatch, text, said):
    child = tmp_path / "child"
    monkeypatch.setenv(CHILD, str(child))
    with Guard(make, 3.0) as guard:
        with pytest.raises(EngineFailed, match=said):
            ask(guard, text)
        process, folder = child.read_text().split()
        assert ends(int(process)), "the program outlived its clip"
        assert not Path(folder).exists()


def test_what_the_engine_started_ends_when_waiting_is_interrupted(tmp_path, monkeypatch):
    child = tmp_path / "child"
    monkeypatch.setenv(CHILD, str(child))

    def interrupt():
        while not child.exists() or not child.read_text().endswith("\n"):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    with Guard(make, 60) as guard:
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            ask(guard, "I launch and hang.")
        process, folder = child.read_text().split()
        assert ends(int(process)) and not Path(folder).exists()
        assert ask(guard, "It goes on.")


def test_loading_is_not_part_of_a_clips_time():
    with Guard(make_slow, 2.0) as guard:
        assert ask(guard, "First.") and ask(guard, "Second.")
        with pytest.raises(EngineFailed, match="took longer than 2 s"):
            ask(guard, "Now hang.")
    with Guard(make_unloadable, 2.0) as guard, pytest.raises(EngineMissing, match="no model"):
        ask(guard, "First.")


def test_an_engine_that_is_missing_says_so():
    with Guard(make_missing, 5) as guard, pytest.raises(EngineMissing, match="install it"):
        ask(guard, "Hello there.")


def test_a_hanging_engine_does_not_outlive_its_parent(tmp_path):
    child = tmp_path / "child"
    code = """
import os, threading, time
from tests.synth.test_guard import ENGINE, Guard, ask, make
guard = Guard(make, 3600)
if __name__ == "__main__":
    ask(guard, "First.")
    print(guard._process.pid, flush=True)
    threading.Thread(target=ask, args=(guard, "I launch and hang."), daemon=True).start()
    while not os.path.exists(os.environ["VISEMILL_TEST_CHILD"]):
        time.sleep(0.05)
    time.sleep(0.5)
    os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, timeout=60, cwd=Path(__file__).parents[2],
        env={**os.environ, CHILD: str(child)},
    )  # fmt: skip
    assert ends(int(done.stdout)), "the engine's process went on without its parent"
    program, folder = child.read_text().split()
    assert ends(int(program)), "a program that it had started went on"
    assert not Path(folder).exists()
