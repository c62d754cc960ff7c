"""Festival: voices cut out of people's recordings in nine languages, as a program of its own.

Diphone voices take their sounds from one person's recording of every pair of phones and give them
the times that the program plans; msu_ru_nsh_clunits joins longer pieces, upc_ca_ona_hts is
statistical. The relation Segment tells when each phone ends. No word times: words of numbers and
prepositions do not match the text one to one. synth/festival.yaml lists voices and phones.
"""

from __future__ import annotations

import os
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
import yaml

from clips import RATE, SILENCE, BadText, Clip, EngineFailed, Segment, merge_equal
from synth.corrections import move_edges
from synth.engine import Engine, Prompt, Voice, base_language, draw_silences, frame_speech
from synth.ipa import parts_of
from synth.text import clean_text

_VOICES = Path(__file__).with_name("festival.yaml")

STRETCHES = (0.8, 1.25)
"""How much slower than the voice's own tempo, drawn on a logarithmic scale."""

PITCHES = (0.88, 1.14)
"""How much higher than the voice's own pitch, drawn on a logarithmic scale. Augmentation
goes further."""

PEAK = 0.5
"""Every clip's loudest sample. The voices' own levels lie 8 dB apart, and Italian ones overflow: so
diphones are made softer first, each once, since those of one name share their sound."""

_TIMEOUT = 60.0  # seconds for one utterance, which takes 0.4, in Russian 1.1

# No voice is loaded at the start: which one it is depends on what is installed, and the Indian
# voices take over what another leaves behind. What `fread` reads stays data, never code.
_START = "(define (voice_visemill) nil)\n(set! voice_default 'voice_visemill)\n"
_BEFORE = """
(Parameter.set 'Int_Method 'Simple)
(set! int_simple_params '((f0_mean 110) (f0_std 10)))
"""
_SPEAK = """
(srand visemill.seed)
(set! visemill.concat us_unit_concat)
(define (us_unit_concat utt)
  (let ((done nil))
    (mapcar (lambda (unit)
              (if (not (member_string (item.name unit) done))
                  (begin (wave.rescale (item.feat unit 'sig) 0.25)
                         (set! done (cons (item.name unit) done)))))
            (utt.relation.items utt 'Unit)))
  (visemill.concat utt))
(define (visemill.vary utt)
  (mapcar (lambda (phone)
            (item.set_feat phone 'end (* visemill.stretch (item.feat phone 'end))))
          (utt.relation.items utt 'Segment))
  (mapcar (lambda (target)
            (item.set_feat target 'pos (* visemill.stretch (item.feat target 'pos)))
            (item.set_feat target 'f0 (* visemill.pitch (item.feat target 'f0))))
          (if (member 'Target (utt.relationnames utt)) (utt.relation.leafs utt 'Target)))
  utt)
(if visemill.varied
    (set! after_analysis_hooks
          (cons visemill.vary (if (consp after_analysis_hooks) after_analysis_hooks))))
(set! after_synth_hooks nil)
(set! visemill.text (fread 16000 (fopen "text" "r")))
(set! visemill.utt (utt.synth (eval (list 'Utterance 'Text visemill.text))))
(utt.save.wave visemill.utt "speech.wav" 'riff)
(mapcar (lambda (phone) (format t "phone %s %f\\n" (item.name phone) (item.feat phone 'end)))
        (utt.relation.items visemill.utt 'Segment))
"""


@dataclass(frozen=True, slots=True)
class FestivalParams:
    """stretch: how much slower, pitch: how much higher than the voice's own; 1 where it has no say.

    seed: of the pauses and melodies that the Czech voices choose at random.
    lead, trail: samples of silence around the speech, 16 kHz; Festival's own is cut.
    """

    stretch: float
    pitch: float
    seed: int
    lead: int
    trail: int


class Festival(Engine):
    """The program `festival` with those of Debian's voices that are installed.

    settings: corrections: false leaves its stamps as they are, which shows what is put right.
    """

    name = "festival"
    licence = "MIT-Festival"  # of the program; each voice has its own
    attribution = "synthesized by Festival (University of Edinburgh)"
    install_line = "sudo apt-get install festival festvox-italp16k   (more voices: docs/engines.md)"
    setting_names = frozenset({"corrections"})

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(settings)
        self._corrected = self.is_on("corrections")

    def version(self) -> str | None:
        return _version()

    def identity(self) -> str:
        return f"{self.require()} with {', '.join(_installed())}"

    def voices(self, language: str) -> tuple[Voice, ...]:
        return tuple(
            _voice(name)
            for name in _installed()
            if language in (_of(name)["language"], base_language(_of(name)["language"]))
        )

    def draw(self, rng: np.random.Generator, prompt: Prompt, voice: Voice) -> FestivalParams:
        stretch, pitch = (
            round(float(np.exp(rng.uniform(*np.log(limits)))), 3) for limits in (STRETCHES, PITCHES)
        )
        if not _of(voice.name)["varied"]:
            stretch = pitch = 1.0
        return FestivalParams(stretch, pitch, int(rng.integers(1, 2**31)), *draw_silences(rng))

    def speak(self, prompt: Prompt, voice: Voice, params: FestivalParams, clip_id: str) -> Clip:
        self.require()
        self.check_language(prompt, voice)
        text = clean_text(prompt.text, prompt.language)
        audio, printed = _run(text, voice.name, params)
        sounds = _read_phones(printed, len(audio), voice, text)
        audio, phones, _ = frame_speech(
            audio, [segment for segment, _ in sounds], params.lead, params.trail
        )
        if self._corrected:
            phones = move_edges(phones, **_read_table()["edges"][_of(voice.name)["speaker"]])
        signs = iter([ipa for segment, ipa in sounds if segment.label != SILENCE])
        ipa = tuple("" if phone.label == SILENCE else next(signs) for phone in phones)
        return self.make_clip(
            prompt, voice, params, clip_id, text=text, audio=audio, phones=phones, ipa=ipa
        )


def phones_of_voice(name: str) -> list[str]:
    """The phones that an installed voice can say, from its own PhoneSet. Raises EngineFailed."""
    printed = _festival(
        f"{_BEFORE}(voice_{name})\n"
        '(mapcar (lambda (phone) (format t "phone %s\\n" (car phone)))'
        " (cadr (assoc 'phones (PhoneSet.description '(phones)))))",
        f"voice {name}",
    )
    return re.findall(r"^phone (\S+)$", printed, re.MULTILINE)


def _run(text: str, voice: str, params: FestivalParams) -> tuple[np.ndarray, str]:
    """Audio (float, 16 kHz) and what Festival printed."""
    script = (
        f"{_BEFORE}(voice_{voice})\n"
        f"(set! visemill.stretch {params.stretch})\n(set! visemill.pitch {params.pitch})\n"
        f"(set! visemill.seed {params.seed})\n"
        f"(set! visemill.varied {'t' if _of(voice)['varied'] else 'nil'})\n{_SPEAK}"
    )
    where = f"voice {voice}, text {text[:40]!r}"
    with tempfile.TemporaryDirectory(prefix="visemill-") as folder:
        (Path(folder) / "text").write_bytes(_encode(text, _of(voice)["encoding"]))
        printed = _festival(script, where, folder)
        try:
            audio, rate = soundfile.read(Path(folder) / "speech.wav", dtype="float64")
        except (soundfile.SoundFileError, OSError) as error:
            raise EngineFailed(
                f"festival gave no sound ({error})", where=where, remedy="leave this text out"
            ) from error
    audio = audio if rate == RATE else soxr.resample(audio, rate, RATE)
    loudest = float(np.abs(audio).max(initial=0.0))
    return audio * (PEAK / loudest if loudest else 1.0), printed


def _festival(script: str, where: str, folder: str | None = None) -> str:
    """What a script prints that runs in `folder`. Raises EngineFailed."""
    printed, said = _start(script, where, folder)
    if "ERROR" in said:  # it ends with 0 even so
        raise EngineFailed(
            f"festival says: {said.strip()[:160]}", where=where, remedy="leave this text out"
        )
    return printed


def _start(script: str, where: str, folder: str | None = None) -> tuple[str, str]:
    """Standard output and errors of a script, away from the user's own start files.

    Raises EngineFailed.
    """
    with tempfile.TemporaryDirectory(prefix="visemill-") as home:
        (Path(home) / ".festivalrc").write_text(_START, "ascii")
        path = Path(home) / "script.scm"
        path.write_text(script, "ascii")
        try:
            done = subprocess.run(
                ["festival", "-b", str(path)],
                cwd=folder or home,
                env={**os.environ, "HOME": home, "LC_ALL": "C"},
                capture_output=True,
                timeout=_TIMEOUT,
            )
        except (subprocess.TimeoutExpired, OSError) as error:
            raise EngineFailed(
                f"festival did not end ({error})", where=where, remedy="leave this text out"
            ) from error
    said = done.stderr.decode("ascii", "replace")
    if done.returncode != 0:
        raise EngineFailed(
            f"festival ended with {done.returncode} ({said.strip()[:160]})",
            where=where,
            remedy="leave this text out",
        )
    return done.stdout.decode("ascii", "replace"), said


def _read_phones(printed: str, length: int, voice: Voice, text: str) -> list[tuple[Segment, str]]:
    """Phones and their IPA, from lines of names and ends (seconds), cut to `length` samples.

    Neighbours of one name are one phone: Italian writes its long consonants as two.
    """
    table = _read_table()["phones"][_of(voice.name)["phones"]]
    named: list[Segment] = []
    at = 0
    ends = re.findall(r"^phone (\S+) ([0-9.]+)$", printed, re.MULTILINE)
    scale = float(RATE)
    if ends and not _of(voice.name)["varied"]:
        # Pieces of recordings overlap where they are joined: 26 ms are lost in 4 s of Russian.
        scale = length / float(ends[-1][1])
    for name, seconds in ends:
        end = min(length, round(float(seconds) * scale))
        if name not in table:
            raise EngineFailed(
                f"{voice.name} spoke the phone {name!r}, which is not known",
                where=f"text {text[:40]!r}",
                remedy="add it to synth/festival.yaml",
            )
        if end > at:
            named.append(Segment(name, at, end))
            at = end
    sounds: list[tuple[Segment, str]] = []
    for sound in merge_equal(named):
        if not table[sound.label]:
            sounds.append((Segment(SILENCE, sound.start, sound.end), ""))
            continue
        share, start = 0.0, sound.start
        for part in parts_of(table[sound.label], voice.language):
            share += part.share
            end = sound.start + round(share * sound.samples)
            if end > start:
                sounds.append((Segment(part.phone, start, end), part.ipa))
            start = end
    if all(segment.label == SILENCE for segment, _ in sounds):
        raise EngineFailed(
            "festival spoke nothing", where=f"text {text[:40]!r}", remedy="leave it out"
        )
    return sounds


def _encode(text: str, encoding: str) -> bytes:
    """The text as the voice reads it. Raises BadText for a letter that it does not know."""
    # The Indian voices read a letter with a dot below as the plain one, and crash at the dot.
    text = text.replace("\N{DEVANAGARI SIGN NUKTA}", "")
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        raise BadText(
            f"holds {text[error.start]!r}, which this voice would leave out",
            where=f"text {text[:40]!r}",
            remedy="write it in the plain letters of the language, or let espeak speak it",
        ) from error


def _voice(name: str) -> Voice:
    of = _of(name)
    attribution = f"{Festival.attribution}, voice {name} ({of['holder']})"
    return Voice(
        name, f"festival:{of['speaker']}", of["language"], of["sex"], of["licence"], attribution
    )


def _of(name: str) -> dict[str, Any]:
    return _read_table()["voices"][name]


@cache
def _read_table() -> dict[str, Any]:
    return yaml.safe_load(_VOICES.read_text("utf-8"))


@cache
def _installed() -> tuple[str, ...]:
    """The voices of the table that Festival can load: some need a package besides their own."""
    if _version() is None:
        return ()
    names = tuple(_read_table()["voices"])
    script = "".join(
        f'(unwind-protect (begin (voice_{name}) (format t "voice {name}\\n")) nil)\n'
        for name in names
    )
    printed, _ = _start(_BEFORE + script, "the list of voices")
    found = re.findall(r"^voice (\S+)$", printed, re.MULTILINE)
    return tuple(name for name in names if name in found)


@cache
def _version() -> str | None:
    if not shutil.which("festival"):
        return None
    try:
        done = subprocess.run(
            ["festival", "--version"], capture_output=True, text=True, timeout=_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"System: ([\d.]+)", done.stdout + done.stderr)
    return found.group(1) if found else "unknown"
