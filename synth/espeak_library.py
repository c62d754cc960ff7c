"""libespeak-ng through ctypes: text in, 16-bit samples and events out.

The library keeps state between calls (phases, flutter, random numbers), so the same text sounds a
little different each time. It is therefore unloaded and loaded anew for every utterance, which
takes 0.7 ms, and both its generators of random numbers are set. Measured: all 104 variants then
give the same bytes in every process, whatever was spoken before; without it none of the ten
that were tried did.
"""

from __future__ import annotations

import _ctypes
import ctypes
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_long, c_short, c_size_t, c_uint, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from clips import EngineFailed, EngineMissing

NATIVE_RATE = 22_050
"""Samples per second that the library makes (Hz)."""

INSTALL = "pip install espeakng-loader"

# Numbers from espeak-ng's public header, speak_lib.h.
_SYNCHRONOUS, _PHONEME_EVENTS_IN_IPA = 2, 1 | 2
_UTF8, _PHONEMES, _END_PAUSE = 1, 0x100, 0x1000
_WORD, _PHONEME = 1, 7
_IPA_WITH_SEPARATOR = 0x02 | ord("_") << 8

PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3, "range": 4, "wordgap": 7}
"""The library's settings; all of them are set for every utterance."""


@dataclass(frozen=True, slots=True)
class Event:
    """A phoneme as it begins. `sample`: at NATIVE_RATE. `name`: IPA with stress, "" for a pause.

    `position`: the place in the text (characters from 0) of the word that it belongs to.
    """

    sample: int
    name: str
    position: int


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", c_int),
        ("identifier", c_uint),
        ("text_position", c_int),
        ("length", c_int),
        ("audio_position", c_int),
        ("sample", c_int),
        ("user_data", c_void_p),
        ("name", ctypes.c_ubyte * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(c_int, POINTER(c_short), c_int, POINTER(_Event))


class EspeakLibrary:
    """The one handle of a process. Threads wait for each other; a forked child may use it too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._library: ctypes.CDLL | None = None
        self._samples: list[bytes] = []
        self._events: list[Event] = []
        self._callback = _CALLBACK(self._collect)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._unlock)

    def version(self) -> str | None:
        """The library's version; None if it is not installed."""
        try:
            with self._lock:
                library = self._library or self._load()
        except (EngineMissing, EngineFailed):
            return None
        library.espeak_Info.restype = c_char_p
        return library.espeak_Info(None).decode("ascii", "replace")

    def synthesize(
        self, text: str, voice: str, parameters: Mapping[str, int], person: str = ""
    ) -> tuple[np.ndarray, list[Event]]:
        """Samples (int16, mono, NATIVE_RATE) and phoneme events in order.

        text: what stands in [[ ]] is named in the library's own letters (see `spelled_phonemes`).
        voice: an accent's file, such as "gmw/en-US", or that and a variant of the library's own:
        "gmw/en-US+f2". person: instead of a variant, the lines of a voice file that describe one.
        Raises EngineFailed, EngineMissing.
        """
        data = text.encode() + b"\0"
        with self._lock:
            library = self._load()
            self._set_voice(library, voice, person)
            for name, number in PARAMETERS.items():
                library.espeak_SetParameter(number, int(parameters[name]), 0)
            self._samples, self._events = [], []
            flags = _UTF8 | _PHONEMES | _END_PAUSE
            status = library.espeak_Synth(data, len(data), 0, 1, 0, flags, None, None)
            samples, events = b"".join(self._samples), self._events
        if status != 0 or not samples:
            raise EngineFailed(
                f"espeak-ng gave status {status} and {len(samples) // 2} samples",
                where=f"text {text[:40]!r} with {voice}",
                remedy="leave this text out",
            )
        return np.frombuffer(samples, dtype=np.int16), events

    def phonemes(self, text: str, voice: str) -> list[str]:
        """The IPA names of the phonemes of a text, without making sound.

        The library starts afresh (0.7 ms): what it said before changes some pronunciations.
        """
        spelled = self._translate(text, voice, _IPA_WITH_SEPARATOR)
        return [name for name in spelled.replace(" ", "_").split("_") if name]

    def spelled_phonemes(self, text: str, voice: str) -> str:
        """The phonemes of a text in the library's own letters, as they may be written in [[ ]]:
        h'A:b@n for "haben" in German."""
        return self._translate(text, voice, 0)

    def _translate(self, text: str, voice: str, form: int) -> str:
        data = ctypes.create_string_buffer(text.encode())
        place = c_void_p(ctypes.addressof(data))
        clauses: list[str] = []
        with self._lock:
            library = self._load()
            self._set_voice(library, voice)
            while place.value:
                clause = library.espeak_TextToPhonemes(ctypes.byref(place), _UTF8, form)
                clauses.append((clause or b"").decode("utf-8", "replace"))
        return " ".join(clauses)

    def _set_voice(self, library: ctypes.CDLL, voice: str, person: str = "") -> None:
        if "+" in voice:
            status = library.espeak_SetVoiceByName(voice.encode())
        else:  # by its name the library would first read all voices that there are: 3 ms
            with _voice_file(f"{_accent(voice)}\n{person}") as name:
                status = library.espeak_ng_SetVoiceByFile(name.encode())
        if status != 0:
            raise EngineFailed(
                f"espeak-ng has no voice {voice!r}",
                where="synth/espeak_voices.yaml",
                remedy=f"install the version that has it: {INSTALL}",
            )

    def _load(self) -> ctypes.CDLL:
        """A library that has spoken nothing yet."""
        try:
            import espeakng_loader
        except ImportError as error:
            raise EngineMissing("espeak-ng is not installed", remedy=INSTALL) from error
        if self._library is not None:
            self._library.espeak_Terminate()
            _unload(self._library)
            self._library = None
        try:
            library = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise EngineFailed(f"espeak-ng does not load ({error})", remedy=INSTALL) from error
        if library.espeak_ng_GetSampleRate() != 0:
            raise EngineFailed(
                "espeak-ng is still loaded, so its output would depend on what it spoke before:"
                " something else in this process uses it, or the system keeps libraries loaded",
                remedy="speak in a process of its own, on Linux with glibc, macOS or Windows",
            )
        ctypes.CDLL(None if sys.platform != "win32" else "ucrtbase").srand(1)
        data_path = espeakng_loader.get_data_path().encode()
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data_path, _PHONEME_EVENTS_IN_IPA)
        if rate != NATIVE_RATE:
            raise EngineFailed(f"espeak-ng started with {rate}, not {NATIVE_RATE}", remedy=INSTALL)
        library.espeak_ng_SetRandSeed(c_long(1))
        library.espeak_SetSynthCallback(self._callback)
        library.espeak_SetVoiceByName.argtypes = [c_char_p]
        library.espeak_TextToPhonemes.restype = c_char_p
        library.espeak_TextToPhonemes.argtypes = [POINTER(c_void_p), c_int, c_int]
        library.espeak_Synth.argtypes = [
            c_char_p, c_size_t, c_uint, c_int, c_uint, c_uint, POINTER(c_uint), c_void_p,
        ]  # fmt: skip
        self._library = library
        return library

    def _collect(self, samples, count: int, events) -> int:
        if samples and count > 0:
            self._samples.append(ctypes.string_at(samples, 2 * count))
        number = 0
        while events[number].type != 0:
            event = events[number]
            if event.type == _PHONEME:
                # Eight bytes, not always ended by a zero.
                name = bytes(event.name).split(b"\0")[0].decode("utf-8", "replace")
                self._events.append(Event(event.sample, name, event.text_position - 1))
            number += 1
        return 0

    def _unlock(self) -> None:
        self._lock = threading.Lock()


@cache
def _accent(voice: str) -> str:
    """The voice file of an accent such as "gmw/en-US"."""
    import espeakng_loader

    try:
        return Path(espeakng_loader.get_data_path(), "lang", *voice.split("/")).read_text("utf-8")
    except OSError as error:
        raise EngineFailed(
            f"espeak-ng has no voice {voice!r} ({error.strerror})",
            where="synth/espeak_voices.yaml",
            remedy=f"install the version that has it: {INSTALL}",
        ) from error


@contextmanager
def _voice_file(lines: str) -> Iterator[str]:
    """The name of a file with these lines, as the library wants it: short, no capitals."""
    if sys.platform == "linux":  # a file in memory: a folder on disk takes 2 ms
        with os.fdopen(os.memfd_create("voice"), "w", encoding="utf-8") as file:
            file.write(lines)
            file.flush()
            yield f"/dev/fd/{file.fileno()}"
        return
    folder = "/tmp" if sys.platform != "win32" else None
    with tempfile.TemporaryDirectory(prefix="visemill-", dir=folder) as place:
        path = Path(place, "voice")
        path.write_text(lines, "utf-8")
        yield str(path)


def _unload(library: ctypes.CDLL) -> None:
    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)
