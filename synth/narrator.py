"""Speech whose timing is not known, written as a folder of recordings for the aligner.

The system's own voices speak through pyttsx3 where it works. Else espeak speaks and its timing is
withheld: it goes to labels/, which only measurements of the aligner read.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from clips import (
    RATE,
    BadText,
    EngineFailed,
    EngineMissing,
    Reject,
    VisemillError,
    draw_stream,
    replacing,
)
from synth.engine import Prompt, base_language, find_engine
from synth.espeak_library import NATIVE_RATE
from synth.text import clean_text

COLUMNS = (
    "utt", "speaker", "audio", "label", "seconds", "text", "language", "licence", "attribution",
    "split",
)  # fmt: skip
"""The columns of the manifest."""

_TIMEOUT = 30.0  # seconds for one run of pyttsx3, which takes about one
_STAGE = "narrate"


@dataclass(frozen=True, slots=True)
class Narrated:
    """What was written: the driver, the number of utterances, and the texts left out."""

    driver: str
    count: int
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, slots=True)
class _Spoken:
    speaker: str
    audio: np.ndarray  # int16, native rate
    rate: int
    labels: str  # the rows of the label file; "" if nobody knows
    licence: str
    attribution: str


def narrate(
    prompts: Iterable[Prompt],
    folder: str | Path,
    seed: int,
    *,
    engine: str = "auto",
    split: Callable[[str, Prompt], str] | None = None,
) -> Narrated:
    """Writes manifest.tsv, audio/<utt>.wav (16 bit, native rate) and labels/<utt>.tsv to `folder`.

    engine: "pyttsx3", "espeak", or "auto" (pyttsx3 where it works). With espeak the same prompts
    and seed give the same bytes. split(speaker, prompt): the part of an utterance; else the
    prompt's own. Label rows: start, end (seconds), phone; as in corpora labelled by hand.
    Texts that cannot be spoken are left out and returned. Raises EngineMissing, BadText.
    """
    folder = Path(folder)
    prompts = list(prompts)
    driver = _choose(engine)
    speak = _speak_espeak if driver == "espeak" else _pyttsx3_speaker(prompts)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows, rejects, seen = [], [], set()
    for prompt in prompts:
        utt = prompt.prompt_id
        if utt in seen:
            raise BadText(
                "stands twice among the prompts",
                where=f"prompt {utt}",
                remedy="give every prompt an id of its own",
            )
        seen.add(utt)
        try:
            text = clean_text(prompt.text, prompt.language)
            spoken = speak(prompt, seed)
        except EngineMissing:
            raise
        except VisemillError as error:
            rejects.append(Reject(utt, _STAGE, error.what, str(error), prompt.text, driver))
            continue
        audio, label = f"audio/{utt}.wav", ""
        soundfile.write(folder / audio, spoken.audio, spoken.rate, subtype="PCM_16")
        if spoken.labels:
            label = f"labels/{utt}.tsv"
            (folder / "labels").mkdir(exist_ok=True)
            (folder / label).write_text(spoken.labels, "utf-8")
        part = split(spoken.speaker, prompt) if split else prompt.split
        seconds = f"{len(spoken.audio) / spoken.rate:.4f}"
        row = (utt, spoken.speaker, audio, label, seconds, text, prompt.language)
        rows.append((*row, spoken.licence, spoken.attribution, part))
    with replacing(folder / "manifest.tsv") as temporary:
        lines = ["\t".join(row) for row in (COLUMNS, *rows)]
        temporary.write_text("\n".join(lines) + "\n", "utf-8")
    return Narrated(driver, len(rows), tuple(rejects))


def pyttsx3_works() -> str | None:
    """ "<driver> <version>" if pyttsx3 can write a file with sound on this machine, else None."""
    with tempfile.TemporaryDirectory(prefix="visemill-") as folder:
        path = Path(folder) / "try.wav"
        try:
            answer = _ask({"task": "speak", "text": "one two", "path": str(path), "voice": "",
                           "rate": 170})  # fmt: skip
            audio, _ = _read_sound(path)
        except VisemillError:
            return None
    return f"{answer['driver']} {answer['version']}" if len(audio) else None


def _choose(engine: str) -> str:
    if engine == "espeak":
        return "espeak"
    found = pyttsx3_works()
    if found is None and engine == "pyttsx3":
        raise EngineMissing(
            "pyttsx3 cannot speak on this machine",
            remedy="sudo apt-get install espeak-ng libespeak1",
        )
    return f"pyttsx3 {found}" if found else "espeak"


def _speak_espeak(prompt: Prompt, seed: int) -> _Spoken:
    engine = find_engine("espeak")
    rng = draw_stream(seed, _STAGE, prompt.prompt_id)
    voices = engine.voices(prompt.language)
    if not voices:
        raise BadText(
            f"espeak has no voice for {prompt.language!r}",
            where=f"prompt {prompt.prompt_id}",
            remedy="see synth/espeak_voices.yaml",
        )
    voice = voices[int(rng.integers(len(voices)))]
    params = engine.draw(rng, prompt, voice)
    clip, native = engine.speak_native(prompt, voice, params, prompt.prompt_id)
    labels = "".join(f"{p.start / RATE:.6f}\t{p.end / RATE:.6f}\t{p.label}\n" for p in clip.phones)
    return _Spoken(voice.speaker, native, NATIVE_RATE, labels, engine.licence, engine.attribution)


def _pyttsx3_speaker(prompts: list[Prompt]) -> Callable[[Prompt, int], _Spoken]:
    answer = _ask({"task": "voices"})
    driver = answer["driver"]
    by_language: dict[str, list[str]] = {}
    for language in {base_language(prompt.language) for prompt in prompts}:
        by_language[language] = sorted(
            name for name, spoken, _ in answer["voices"] if base_language(spoken) == language
        )

    def speak(prompt: Prompt, seed: int) -> _Spoken:
        rng = draw_stream(seed, _STAGE, prompt.prompt_id)
        voices = by_language[base_language(prompt.language)]
        if not voices:
            raise EngineFailed(
                f"the system has no voice for {prompt.language!r}",
                where=f"prompt {prompt.prompt_id}",
                remedy="install one, or leave these prompts out",
            )
        voice = voices[int(rng.integers(len(voices)))]
        rate = int(rng.integers(140, 201))
        # One process for each file: a second save_to_file in one run loses the first file.
        with tempfile.TemporaryDirectory(prefix="visemill-") as folder:
            path = Path(folder) / "speech.wav"
            text = clean_text(prompt.text, prompt.language)
            _ask({"task": "speak", "text": text, "path": str(path), "voice": voice, "rate": rate})
            audio, rate = _read_sound(path)
        free = driver == "espeak"
        return _Spoken(
            _speaker(driver, voice), audio, rate, "",
            "CC0-1.0" if free else "LicenseRef-system-voice",
            "synthesized by eSpeak" if free else f"synthesized by the system voice {voice}",
        )  # fmt: skip

    return speak


def _speaker(driver: str, voice: str) -> str:
    """Whose voice it is: the languages of espeak's driver share a vocal tract, and so a speaker."""
    return "pyttsx3:espeak" if driver == "espeak" else f"pyttsx3:{driver}:{voice}"


def _ask(job: dict) -> dict:
    """The answer of one run of the worker. Raises EngineFailed if it has none."""
    command = [sys.executable, "-m", "synth.pyttsx3_worker"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            cwd=Path(__file__).parents[1],
        )
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (subprocess.TimeoutExpired, OSError, ValueError, IndexError) as error:
        raise EngineFailed(
            f"pyttsx3 gave no answer ({type(error).__name__})",
            where=job.get("text", "")[:40],
            remedy="choose the engine espeak",
        ) from error


def _read_sound(path: Path) -> tuple[np.ndarray, int]:
    """Samples (int16, mono) and rate. Raises EngineFailed if there is no sound."""
    try:
        audio, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise EngineFailed(
            "pyttsx3 wrote no sound", where=str(path.name), remedy="choose the engine espeak"
        ) from error
    if not len(audio) or not audio.any():
        raise EngineFailed(
            "pyttsx3 wrote silence", where=str(path.name), remedy="choose the engine espeak"
        )
    return audio[:, 0].copy(), rate
