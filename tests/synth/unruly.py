"""An engine that does to its process what its text says, for the tests of the guard."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
import time
from pathlib import Path

from clips import EngineMissing
from synth import Prompt, Voice
from synth.espeak import Espeak

CHILD = "VISEMILL_TEST_CHILD"
"""Names the file that holds the number and the folder of the program that the engine starts."""


class Unruly(Espeak):
    def speak(self, prompt: Prompt, voice: Voice, params, clip_id: str):
        if "crash" in prompt.text:
            ctypes.string_at(0)  # reads where nothing is
        if "launch" in prompt.text:
            folder = tempfile.mkdtemp()
            child = subprocess.Popen(["sleep", "3600"], cwd=folder)
            Path(os.environ[CHILD]).write_text(f"{child.pid} {folder}\n")
        if "leave" in prompt.text:
            os._exit(3)
        if "hang" in prompt.text:
            time.sleep(3600)
        if "fault" in prompt.text:
            raise KeyError("phone")
        return super().speak(prompt, voice, params, clip_id)


def make() -> Espeak:
    return Unruly()


class SlowToLoad(Unruly):
    loaded = False

    def prepare(self, voice: Voice) -> None:
        if not self.loaded:
            time.sleep(2.5)
        self.loaded = True


def make_slow() -> Espeak:
    return SlowToLoad()


class CannotLoad(Unruly):
    def prepare(self, voice: Voice) -> None:
        raise EngineMissing("has no model", remedy="install it")


def make_unloadable() -> Espeak:
    return CannotLoad()


def make_missing() -> Espeak:
    raise EngineMissing("is not here", remedy="install it")
