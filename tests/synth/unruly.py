"""An engine that does to its process what its text says, for the tests of the guard."""

from __future__ import annotations

import ctypes
import os
import time

from clips import EngineMissing
from synth import Prompt, Voice
from synth.espeak import Espeak


class Unruly(Espeak):
    def speak(self, prompt: Prompt, voice: Voice, params, clip_id: str):
        if "crash" in prompt.text:
            ctypes.string_at(0)  # reads where nothing is
        if "leave" in prompt.text:
            os._exit(3)
        if "hang" in prompt.text:
            time.sleep(3600)
        if "fault" in prompt.text:
            raise KeyError("phone")
        return super().speak(prompt, voice, params, clip_id)


def make() -> Espeak:
    return Unruly()


def make_missing() -> Espeak:
    raise EngineMissing("is not here", remedy="install it")
