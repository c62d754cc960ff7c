"""coqui: neural voices (VITS) of models that a user brings, with the timing that they speak by.

VITS decides how many frames each symbol lasts and speaks exactly that; synth.coqui_worker hands the
numbers over. Blanks stand between all symbols and hold about half of the time. Whose time that is
was measured with a Piper voice, which is a VITS of the same make (en_US-joe-medium, three sets of
7 to 14 sentences, each 6 to 8 times, against the waveform: the share of high frequencies half-way
between S or SH and a vowel, the level half-way between a vowel and P, K or a pause). Medians of
label minus sound in ms, negative when the label is early:

- Where only a blank stands between two sounds, the first ends with its last symbol: vowel to S +4,
  to P and K +3, S to vowel +1. (If the blank went to the sound before, as is often done: +41, +43
  and +15.)
- Where spaces or stress marks stand between, the first blank belongs to the sound before and the
  rest to the next: vowel to S +10, to P and K +9, S to vowel +2, to a stressed vowel -1, and that
  inside a word +7. (If the sound ended with its last symbol: -2, -5, -23, -34, -13.)
- What stands between a sound and a punctuation mark, and from the mark up to the next sound's own
  symbol (its stress mark first), is silence: vowel to comma -5, to full stop -2, comma to vowel -2,
  beginning of speech +4 to +11. Closures of stops need no move. The last S or F of a sentence
  sounds on for up to 40 ms.

60 sentences of datasets/prompts in that voice, timed by this file, are 17 ms off align.pocketsphinx
inside speech (mean of 1,107 boundaries; bias +2 ms); flite's exact timing is 12 ms off the same.
Other voices may differ: the setting `offset_ms` of a model moves all of its labels.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import queue
import re
import subprocess
import tempfile
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from clips import RATE, SILENCE, BadParams, BadText, Clip, EngineFailed, Segment
from synth.engine import Engine, Prompt, Voice, base_language, draw_silences, frame_speech
from synth.ipa import Part, parts_of, plain_symbol
from synth.settings import check_sex, check_voice
from synth.text import clean_text

PEAK = 0.5
"""The loudest sample of every clip: models differ in level, and some speak near full scale."""

PAUSES = frozenset(';:,.!?¡¿—…"«»“”')
"""The marks that coqui keeps for the network; where one stands there is silence."""

_NO_SOUND = frozenset("ˈˌ-")  # stress, and the joint of words that are said as one
_ROOT = Path(__file__).parents[1]
_WORKER = Path(__file__).with_name("coqui_worker.py")
_CHECKPOINTS = ("model_file.pth", "model_file.pth.tar", "model.pth", "checkpoint.pth",
                "best_model.pth")  # fmt: skip
_LOADING = 900.0  # seconds to load a model, or to download it first
_TEXTS = ("name", "language", "licence", "attribution")
_NEEDED = {
    "model": "write its folder, [model file, config file], or the name of one of coqui's downloads",
    "language": "write the language or accent that it speaks, such as en-gb",
    "licence": "write the licence of its sound",
}


@dataclass(frozen=True, slots=True)
class CoquiParams:
    """length_scale: tempo, 2 is half as fast. noise_scale, noise_scale_dp: VITS's own, of sound
    and of rhythm. seed: of the network's random numbers. lead, trail: samples of silence at 16 kHz.

    lengths: frames of every sound and pause between the first and the last sound, in the order of
    `Coqui.sounds`; empty lets the network decide.
    """

    length_scale: float
    noise_scale: float
    noise_scale_dp: float
    seed: int
    lead: int
    trail: int
    lengths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound as the network spells it. ipa: without stress; "" is a pause. parts: its phones.

    first, last: its symbols among those of the utterance, half-open; sounds tile them.
    """

    ipa: str
    parts: tuple[Part, ...]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Model:
    key: str  # where it stands in params.yaml
    name: str
    place: str | tuple[str, str]  # a download's name, or model file and config file
    language: str
    licence: str
    attribution: str
    speakers: tuple[str, ...]
    sex: Mapping[str, str]
    offset: int  # samples at 16 kHz


@dataclass(frozen=True, slots=True)
class _Utterance:
    audio: np.ndarray
    rate: int
    frames: tuple[int, ...]  # of each symbol
    sounds: tuple[Sound, ...]


class Coqui(Engine):
    """VITS models of coqui-tts, in an environment and a process of their own."""

    name = "coqui"
    predicted = True  # the lengths are what VITS was to speak with; its sound strays from them
    licence = ""  # each model has its own
    attribution = ""
    install_line = "make coqui"
    setting_names = frozenset({"models", "timeout_seconds"})

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(settings)
        where = "synthesize.settings.coqui"
        models = self.settings.get("models") or []
        if not isinstance(models, list):
            raise BadParams(
                "is no list", where=f"{where}.models", remedy="see docs/engines-coqui.md"
            )
        self._models = [
            _read_model(model, f"{where}.models[{n}]") for n, model in enumerate(models)
        ]
        self._timeout = self.settings.get("timeout_seconds", 120)
        if type(self._timeout) not in (int, float) or not 0 < self._timeout < math.inf:
            raise BadParams(
                f"is {self._timeout!r}, not a time",
                where=f"{where}.timeout_seconds",
                remedy="write the seconds that one utterance may take",
            )

    def version(self) -> str | None:
        return _version(_python())

    def identity(self) -> str:
        """The version, and the SHA-256 of each model's files."""
        files = [file for model in self._models for file in self._load(model)["files"]]
        return " ".join([self.require(), *map(_digest, files)])

    def voices(self, language: str) -> tuple[Voice, ...]:
        return tuple(
            voice
            for voice, _, _ in self._voices.values()
            if language in (voice.language, base_language(voice.language))
        )

    def draw(self, rng: np.random.Generator, prompt: Prompt, voice: Voice) -> CoquiParams:
        length_scale = round(float(rng.uniform(0.85, 1.25)), 3)
        noise_scale = round(float(rng.uniform(0.4, 0.8)), 3)  # VITS itself takes 0.667
        noise_scale_dp = round(float(rng.uniform(0.5, 1.0)), 3)  # and 0.8
        seed = int(rng.integers(2**31))
        return CoquiParams(length_scale, noise_scale, noise_scale_dp, seed, *draw_silences(rng))

    def prepare(self, voice: Voice) -> None:
        _, model, _ = self._find(voice)
        self._load(model)

    def speak(self, prompt: Prompt, voice: Voice, params: CoquiParams, clip_id: str) -> Clip:
        _, model, _ = self._find(voice)
        self.check_language(prompt, voice)
        text = clean_text(prompt.text, prompt.language)
        spoken = self._utter(text, voice, params)
        audio = soxr.resample(spoken.audio.astype(np.float64), spoken.rate, RATE, quality="HQ")
        timed = list(_phones(spoken, len(audio), model.offset))
        segments = [segment for segment, _ in timed]
        framed, phones, _ = frame_speech(audio, segments, params.lead, params.trail)
        ipa = iter([sign for segment, sign in timed if segment.label != SILENCE])
        return self.make_clip(
            prompt,
            voice,
            params,
            clip_id,
            text=text,
            audio=framed * (PEAK / np.abs(framed).max()),
            phones=phones,
            ipa=tuple("" if phone.label == SILENCE else next(ipa) for phone in phones),
        )

    def sounds(
        self, prompt: Prompt, voice: Voice, params: CoquiParams
    ) -> tuple[tuple[str, int], ...]:
        """What will be spoken, from the first sound to the last: IPA ("" a pause) and its frames.

        Change the frames and give them back as `lengths`: they are kept to the frame, of
        hop / rate seconds (11.6 ms in most models). A pause can be of 0 frames, a sound of 1.
        """
        spoken = self._utter(clean_text(prompt.text, prompt.language), voice, params)
        return tuple(
            (sound.ipa, sum(spoken.frames[sound.first : sound.last]))
            for sound in _inner(spoken.sounds)
        )

    def _utter(self, text: str, voice: Voice, params: CoquiParams) -> _Utterance:
        _, model, speaker = self._find(voice)
        job = {
            "task": "speak",
            "model": model.place,
            "text": text,
            "speaker": speaker,
            "length_scale": params.length_scale,
            "noise_scale": params.noise_scale,
            "noise_scale_dp": params.noise_scale_dp,
            "seed": params.seed,
            "frames": [],
        }
        spoken = self._run(job, model)
        if params.lengths:
            job["frames"] = _impose(spoken, params.lengths, text)
            spoken = self._run(job, model)
        return spoken

    def _run(self, job: dict, model: _Model) -> _Utterance:
        where = f"text {job['text'][:40]!r}"
        self._load(model)
        answer = _process().ask(job, self._timeout, where)
        if "refused" in answer:
            raise BadText(answer["refused"], where=where, remedy="leave it out")
        if "failed" in answer:
            raise EngineFailed(
                f"coqui failed ({answer['failed'][:160]})", where=where, remedy="leave it out"
            )
        spoken = answer["done"]
        strange = [s for s in spoken["missing"] if unicodedata.category(s) in ("Ll", "Lo", "Lu")]
        if strange:
            raise EngineFailed(
                f"the model {model.name} has no symbol for {strange[0]!r} and would leave it out",
                where=where,
                remedy="leave this text out",
            )
        audio = np.frombuffer(base64.b64decode(spoken["audio"]), dtype="<f4")
        frames = tuple(spoken["frames"])
        if not np.isfinite(audio).all() or not audio.any() or len(audio) % sum(frames):
            raise EngineFailed(
                f"the model {model.name} spoke no sound that fits its {sum(frames)} frames",
                where=where,
                remedy="leave this text out, or check the model",
            )
        sounds = sounds_of(spoken["symbols"], spoken["sounds"], model.language)
        if not any(sound.ipa for sound in sounds):
            raise EngineFailed("coqui spoke nothing", where=where, remedy="leave this text out")
        return _Utterance(audio, spoken["rate"], frames, sounds)

    def _load(self, model: _Model) -> dict:
        """Speakers and files of a model. Raises BadParams if it cannot be used."""
        self.require()
        answer = _process().load(model.place)
        if fault := answer.get("refused") or answer.get("failed"):
            raise BadParams(
                fault,
                where=f"{model.key}.model {model.name}",
                remedy="see docs/engines-coqui.md for the models that can be used",
            )
        return answer["done"]

    def _find(self, voice: Voice) -> tuple[Voice, _Model, str]:
        if voice.name not in self._voices:
            raise BadParams(
                f"there is no voice {voice.name!r}",
                where="synthesize.settings.coqui.models",
                remedy=f"there are: {', '.join(self._voices) or 'none'}",
            )
        return self._voices[voice.name]

    @cached_property
    def _voices(self) -> dict[str, tuple[Voice, _Model, str]]:
        """Voices by name, with their model and what the model calls the speaker."""
        found: dict[str, tuple[Voice, _Model, str]] = {}
        for model in self._models:
            known = self._load(model)["speakers"]
            if strangers := set(model.speakers) - set(known):
                raise BadParams(
                    f"the model has no speaker {min(strangers)!r}",
                    where=f"{model.key}.speakers",
                    remedy=f"it has: {', '.join(map(repr, known))}",
                )
            for speaker in model.speakers or known:
                name = _plain_name(f"{model.name}-{speaker}" if speaker else model.name)
                if name in found:
                    raise BadParams(
                        f"two voices have the name {name!r}",
                        where=model.key,
                        remedy="give one model a `name` of its own",
                    )
                voice = Voice(
                    name,
                    f"coqui:{model.name}:{speaker.strip()}",
                    model.language,
                    model.sex.get(speaker) or "",
                    model.licence,
                    model.attribution,
                )
                found[name] = voice, model, speaker
        return found


def sounds_of(symbols: Sequence[str], numbers: Sequence[int], language: str) -> tuple[Sound, ...]:
    """The sounds and pauses that the network's symbols spell; they tile the symbols.

    symbols: "" for a blank. numbers: for each symbol, which sound of espeak's it was written for.
    A sound of several phones (the vowel and /r/ of "farm") is cut where its symbols say so.
    Raises BadParams for a sound that synth/ipa.yaml lacks.

    >>> [(s.ipa, s.first, s.last) for s in sounds_of(
    ...     ["", "ˈ", "", "a", "", "ɪ", "", " ", "", "m", "", ",", ""],
    ...     [-1, 0, -1, 0, -1, 0, -1, 1, -1, 2, -1, 3, -1], "en-us")]
    [('', 0, 1), ('aɪ', 1, 7), ('m', 7, 10), ('', 10, 13)]
    """
    sounds: list[Sound] = []
    at, pause = 0, True  # the end of the last sound; whether silence follows it
    for places in _groups(symbols, numbers):
        if places is None:
            pause = True
            continue
        places, begin = places
        if pause and begin > at:
            sounds.append(Sound("", (), at, begin))
            at = begin
        elif sounds and not symbols[at] and any(symbols[at : places[0]]):
            at += 1
            sounds[-1] = replace(sounds[-1], last=at)
        pause = False
        symbol = plain_symbol("".join(symbols[place] for place in places))
        if not symbol and sounds:  # a tone, or a length that espeak names apart
            at = places[-1] + 1
            sounds[-1] = replace(sounds[-1], last=at)
            continue
        parts = parts_of(symbol, language)
        if sum(len(part.ipa) for part in parts) != len(places):
            sounds.append(Sound(symbol, parts, at, places[-1] + 1))
        else:
            spelled = 0
            for part in parts:
                spelled += len(part.ipa)
                last = places[spelled - 1] + 1
                sounds.append(Sound(part.ipa, (Part(part.phone, part.ipa, 1.0),), at, last))
                at = last
        at = places[-1] + 1
    if at < len(symbols):
        sounds.append(Sound("", (), at, len(symbols)))
    return tuple(sounds)


def _groups(
    symbols: Sequence[str], numbers: Sequence[int]
) -> Iterator[tuple[list[int], int] | None]:
    """Places of the letters of each sound, and of its first sign of any kind; None for a pause."""
    places: list[int] = []
    begin, current = 0, None
    for place, (symbol, number) in enumerate(zip(symbols, numbers)):
        if not symbol:
            continue
        if number != current or symbol.isspace() or symbol in PAUSES:
            if places:
                yield places, begin
            places, begin = [], place
            current = number
        if symbol in PAUSES:
            yield None
            current = None
        elif symbol.isspace():
            current = None
        elif symbol not in _NO_SOUND:
            places.append(place)
    if places:
        yield places, begin


def _inner(sounds: Sequence[Sound]) -> Sequence[Sound]:
    """Without the silence at both ends."""
    return sounds[not sounds[0].ipa : len(sounds) - (not sounds[-1].ipa)]


def _phones(spoken: _Utterance, length: int, offset: int) -> Iterator[tuple[Segment, str]]:
    """Phones with their IPA; they tile `length` samples at 16 kHz, moved by `offset` samples."""
    scale = len(spoken.audio) / sum(spoken.frames) * RATE / spoken.rate
    ends = np.concatenate([[0], np.cumsum(spoken.frames)]) * scale

    def place(at: float) -> int:
        moved = at + offset if 0 < at < ends[-1] else at
        return min(length, max(0, round(float(moved))))

    for sound in spoken.sounds:
        start, whole = ends[sound.first], ends[sound.last] - ends[sound.first]
        share = 0.0
        for part in sound.parts or (Part(SILENCE, "", 1.0),):
            first, share = place(start + share * whole), share + part.share
            last = place(start + share * whole)
            if last > first:
                yield Segment(part.phone, first, last), part.ipa


def _impose(spoken: _Utterance, lengths: Sequence[int], text: str) -> list[int]:
    """Frames for each symbol, so that every inner sound lasts as `lengths` says.

    Inside a sound the network's own proportions are kept; the silence at the ends stays.
    """
    inner = _inner(spoken.sounds)
    good = len(lengths) == len(inner) and all(
        isinstance(wanted, int) and wanted >= bool(sound.ipa)
        for wanted, sound in zip(lengths, inner)
    )
    if not good:
        raise BadParams(
            f"{len(lengths)} lengths do not fit the {len(inner)} sounds of this text",
            where=f"lengths, text {text[:40]!r}",
            remedy="take them from Coqui.sounds: whole frames, at least 1 for a sound",
        )
    frames = list(spoken.frames)
    for sound, wanted in zip(inner, lengths):
        own = np.concatenate([[0], np.cumsum(frames[sound.first : sound.last])])
        cuts = np.rint(own * wanted / own[-1]).astype(int)
        frames[sound.first : sound.last] = np.diff(cuts).tolist()
    return frames


class _Process:
    """synth.coqui_worker in coqui's environment: started when needed, and again after its end."""

    def __init__(self, python: str) -> None:
        self._python = python
        self._lock = threading.Lock()
        self._loaded: dict[str, dict] = {}
        self.child: subprocess.Popen | None = None

    def load(self, place: str | tuple[str, str]) -> dict:
        """The answer to "load"; the model is in memory afterwards. Raises EngineFailed."""
        key = json.dumps(place)
        alive = self.child is not None and self.child.poll() is None
        if alive and key in self._loaded:
            return self._loaded[key]
        answer = self.ask({"task": "load", "model": place}, _LOADING, f"model {place}")
        if "done" in answer:
            self._loaded[key] = answer
        return answer

    def ask(self, job: dict, seconds: float, where: str) -> dict:
        """The worker's answer. Raises EngineFailed if it ends or is silent for `seconds`.

        It is then ended, and the next question starts another.
        """
        with self._lock:
            if self.child is None or self.child.poll() is not None:
                self._start()
            try:
                self.child.stdin.write(json.dumps(job) + "\n")
                self.child.stdin.flush()
                line = self._lines.get(timeout=seconds)
            except queue.Empty:
                self._end()
                raise EngineFailed(
                    f"coqui gave no answer within {seconds:g} s",
                    where=where,
                    remedy="leave this text out, or raise timeout_seconds",
                ) from None
            except OSError:
                line = ""
            if not line.endswith("\n"):
                code = self._end()
                raise EngineFailed(
                    f"coqui's process ended with {code} ({self._last_words()})",
                    where=where,
                    remedy="leave this text out; if it ends each time, check its memory",
                )
            return json.loads(line)

    def _start(self) -> None:
        self._loaded.clear()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._lines: queue.SimpleQueue = queue.SimpleQueue()
        self.child = subprocess.Popen(
            # Isolated: neither this room nor the caller's settings are on the worker's path.
            [self._python, "-I", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            encoding="utf-8",
            # One thread on a processor: the same bytes on every machine of a kind.
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "OMP_WAIT_POLICY": "passive",
                "CUDA_VISIBLE_DEVICES": "",
            },
        )
        threading.Thread(
            target=_pass_lines, args=(self.child.stdout, self._lines), daemon=True
        ).start()

    def _end(self) -> int:
        self.child.kill()
        return self.child.wait()

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:160] if lines else "it said nothing"


def _pass_lines(stream, lines: queue.SimpleQueue) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def _process() -> _Process:
    """The worker of this process: a forked child must not speak into its parent's pipes."""
    return _process_of(_python(), os.getpid())


@cache
def _process_of(python: str, pid: int) -> _Process:
    return _Process(python)


def _python() -> str:
    """The Python of coqui's environment: $VISEMILL_COQUI, else that of `make coqui`."""
    return os.environ.get("VISEMILL_COQUI") or str(_ROOT / ".venv-coqui" / "bin" / "python")


@cache
def _version(python: str) -> str | None:
    """Of all that the sound depends on; None if it is not installed."""
    code = (
        "from importlib.metadata import version\n"
        "for name in ('coqui-tts', 'torch', 'espeakng-loader'): print(name, version(name))"
    )
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True)
    except OSError:
        return None
    return ", ".join(done.stdout.splitlines()) if done.returncode == 0 else None


def _digest(file: str) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_model(model: Any, key: str) -> _Model:
    """One entry of `models`. Raises BadParams that names the key."""
    known = (*_TEXTS, "model", "speakers", "sex", "offset_ms")
    check_voice(model, key, known=known, texts=_TEXTS, needed=_NEEDED)
    sex = {} if model.get("sex") is None else model["sex"]
    if not isinstance(sex, Mapping):
        raise BadParams(
            f"is {sex!r}, not sexes by speaker",
            where=f"{key}.sex",
            remedy='write {speaker: f}; the speaker of a model without names is ""',
        )
    for speaker, one in sex.items():
        check_sex(one, f"{key}.sex.{speaker}")
    place, name = _find_files(model["model"], f"{key}.model")
    name = model.get("name") or name
    offset = model.get("offset_ms", 0)
    if type(offset) not in (int, float) or not abs(offset) <= 200:
        raise BadParams(
            f"is {offset!r}", where=f"{key}.offset_ms", remedy="write milliseconds, -200 to 200"
        )
    return _Model(
        key=key,
        name=name,
        place=place,
        language=model["language"],
        licence=model["licence"],
        attribution=model.get("attribution") or f"synthesized by coqui-tts with the model {name}",
        speakers=tuple(map(str, model.get("speakers") or ())),
        sex=sex,
        offset=round(offset * RATE / 1000),
    )


def _find_files(given: Any, where: str) -> tuple[str | tuple[str, str], str]:
    """The name of a download, or (model file, config file); and a short name for the model."""
    if isinstance(given, list) and len(given) == 2 and all(isinstance(f, str) for f in given):
        files = [Path(file) for file in given]
    elif isinstance(given, str) and given.startswith("tts_models/"):
        return given, _plain_name(given.removeprefix("tts_models/"))
    elif isinstance(given, str):
        folder = Path(given)
        model = next((folder / n for n in _CHECKPOINTS if (folder / n).is_file()), None)
        files = [model or folder / _CHECKPOINTS[0], folder / "config.json"]
    else:
        raise BadParams(f"is {given!r}", where=where, remedy=_NEEDED["model"])
    for file in files:
        if not file.is_file():
            raise BadParams(
                f"there is no file {file}",
                where=where,
                remedy="give a folder with config.json and model_file.pth, the paths of both as"
                " [model, config], or a name such as tts_models/en/vctk/vits",
            )
    model, config = (file.resolve() for file in files)
    return (str(model), str(config)), _plain_name(model.parent.name)


def _plain_name(name: str) -> str:
    """A name that may stand in the name of a clip.

    >>> _plain_name("en/vctk/vits p225")
    'en-vctk-vits-p225'
    """
    return re.sub(r"[^A-Za-z0-9_+=@-]+", "-", name.strip()).strip("-")
