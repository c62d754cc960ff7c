"""flite: statistical and diphone voices of people, as a program of its own.

Phones come as end times. Stops already include their closure: measured on 4 voices and 8 sentences,
the energy inside P, T and K sinks from 6-18 ms after their start and stays 30-50 dB under the
vowels up to the burst, so no closure is moved. No word times: flite prints none.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from clips import RATE, SILENCE, BadText, Clip, EngineFailed, Segment
from clips.arpabet import ARPABET
from synth.corrections import move_releases
from synth.engine import Engine, Prompt, Voice, base_language, draw_silences, frame_speech
from synth.text import clean_text

_VOICES = (
    Voice("slt", "flite:slt", "en-us", "f"),
    Voice("rms", "flite:rms", "en-us", "m"),
    Voice("awb", "flite:awb", "en-gb-scotland", "m"),
    Voice("kal16", "flite:kal", "en-us", "m"),
)

STRETCHES = (0.85, 1.1)
"""How much slower than the voice's own tempo, drawn on a logarithmic scale. Slower speech is left
to espeak: the slower flite speaks, the less exact it is. With this limit 91 % of its boundaries lie
within 25 ms of where the sound has them (docs/timing.md); up to 1.2 it is 90 %, up to 1.9 86 %."""

_PITCH = {"slt": (169.0, 20.0), "awb": (132.0, 15.0), "kal16": (105.0, 20.0)}
"""Mean and deviation of each voice (Hz, measured with Praat). rms ignores a target: not listed."""

_PHONES = {"pau": SILENCE, "ssil": SILENCE, "ax": "AH", "axr": "ER", "ix": "IH", "dx": "D",
           "el": "L", "em": "M", "en": "N", "nx": "N"}  # fmt: skip

_TIMEOUT = 30.0  # seconds for one utterance, which takes 0.1


@dataclass(frozen=True, slots=True)
class FliteParams:
    """stretch: how much slower than normal. f0_mean, f0_deviation: Hz; 0 keeps the voice's own.

    lead, trail: samples of silence around the speech, 16 kHz; flite's own is cut or zeros added.
    """

    stretch: float
    f0_mean: float
    f0_deviation: float
    lead: int
    trail: int


class Flite(Engine):
    """The program `flite` with the voices that come with it.

    settings: corrections: false leaves its stamps as they are, which shows what is put right.
    """

    name = "flite"
    licence = "CC0-1.0"
    attribution = "synthesized by Flite (Carnegie Mellon University)"
    install_line = "sudo apt-get install flite"
    setting_names = frozenset({"corrections"})

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(settings)
        self._corrected = self.is_on("corrections")

    def version(self) -> str | None:
        return _version()

    def voices(self, language: str) -> tuple[Voice, ...]:
        return tuple(v for v in _VOICES if language in (v.language, base_language(v.language)))

    def draw(self, rng: np.random.Generator, prompt: Prompt, voice: Voice) -> FliteParams:
        mean, deviation = _PITCH.get(voice.name, (0.0, 0.0))
        stretch = round(float(np.exp(rng.uniform(*np.log(STRETCHES)))), 3)
        mean = round(mean * float(rng.uniform(0.85, 1.2)), 1)
        deviation = round(deviation * float(rng.uniform(0.7, 1.4)), 1)
        return FliteParams(stretch, mean, deviation, *draw_silences(rng))

    def speak(self, prompt: Prompt, voice: Voice, params: FliteParams, clip_id: str) -> Clip:
        self.require()
        self.check_language(prompt, voice)
        text = _check_ascii(clean_text(prompt.text, prompt.language))
        audio, printed = _run(text, voice.name, params)
        segments = _read_phones(printed, len(audio), text)
        audio, phones, _ = frame_speech(audio, segments, params.lead, params.trail)
        if self._corrected:
            phones = move_releases(phones, self.name)
        return self.make_clip(prompt, voice, params, clip_id, text=text, audio=audio, phones=phones)


def _run(text: str, voice: str, params: FliteParams) -> tuple[np.ndarray, str]:
    """Audio (float, 16 kHz) and what flite printed."""
    settings = ["--setf", f"duration_stretch={params.stretch}"]
    if params.f0_mean:
        settings += ["--setf", f"int_f0_target_mean={params.f0_mean}"]
        settings += ["--setf", f"int_f0_target_stddev={params.f0_deviation}"]
    with tempfile.TemporaryDirectory(prefix="visemill-") as folder:
        path = Path(folder) / "speech.wav"
        # flite takes whatever follows -t as the text, even if it begins with a dash.
        command = ["flite", "-voice", voice, *settings, "-psdur", "-o", str(path), "-t", text]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT, errors="replace"
            )
            if done.returncode != 0:
                raise EngineFailed(
                    f"flite ended with {done.returncode} ({done.stderr.strip()[:120]})",
                    where=f"text {text[:40]!r}",
                    remedy="leave this text out",
                )
            audio, rate = soundfile.read(path, dtype="float64")
        except (subprocess.TimeoutExpired, soundfile.SoundFileError, OSError) as error:
            raise EngineFailed(
                f"flite gave no sound ({error})",
                where=f"text {text[:40]!r}",
                remedy="leave this text out",
            ) from error
    return (audio if rate == RATE else soxr.resample(audio, rate, RATE)), done.stdout


def _read_phones(printed: str, length: int, text: str) -> list[Segment]:
    """Phones from `name:end` pairs (seconds), cut to `length` samples.

    The last pause is printed up to 115 ms longer than it sounds (kal16); the rest is exact.
    """
    segments: list[Segment] = []
    at = 0
    for name, seconds in re.findall(r"([a-z]+):([0-9.]+)", printed):
        phone = _PHONES.get(name, name.upper())
        if phone != SILENCE and phone not in ARPABET:
            raise EngineFailed(
                f"flite spoke the phone {name!r}, which is not known",
                where=f"text {text[:40]!r}",
                remedy="add it to the table in synth/flite.py",
            )
        end = min(length, round(float(seconds) * RATE))
        if end > at:
            segments.append(Segment(phone, at, end))
            at = end
    if all(segment.label == SILENCE for segment in segments):
        raise EngineFailed(
            "flite spoke nothing", where=f"text {text[:40]!r}", remedy="leave it out"
        )
    return segments


def _check_ascii(text: str) -> str:
    strange = next((character for character in text if not character.isascii()), None)
    if strange:
        raise BadText(
            f"holds {strange!r}, which flite would leave out",
            where=f"text {text[:40]!r}",
            remedy="write it in plain English letters, or let espeak speak it",
        )
    return text


@cache
def _version() -> str | None:
    if not shutil.which("flite"):
        return None
    try:
        done = subprocess.run(
            ["flite", "--version"], capture_output=True, text=True, timeout=_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"version:\s*flite-(\S+)", done.stdout + done.stderr)
    return found.group(1) if found else "unknown"
