"""piper: neural voices that a user brings, with the time of every phoneme from the voice itself.

A voice is an ONNX file (VITS) with its configuration beside it; docs/engines-piper.md tells how to
get one. The package has a copy of espeak-ng of its own linked into it. That one and ours
(synth.espeak_library) do not disturb each other in one process, and what it said before does not
change its phonemes (2,081 sentences forwards and backwards: all alike), so no process of its own
is needed. Python's imports are absolute: `piper`, imported elsewhere, is the tool.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from clips import RATE, SILENCE, BadParams, Clip, EngineFailed, Segment
from synth.engine import Engine, Prompt, Voice, base_language, draw_silences, frame_speech
from synth.piper_model import config_path, read_config, read_model, say
from synth.piper_phones import read_sounds
from synth.settings import check_sex, check_voice
from synth.text import clean_text

_SETTING = "synthesize.settings.piper.voices"
_TEXTS = ("model", "licence", "attribution", "language")
_NEEDED = {
    "model": "write the path of the voice's .onnx file",
    "licence": "write the licence of the voice, as its model card gives it",
}


@dataclass(frozen=True, slots=True)
class PiperParams:
    """length_scale: how much slower than the voice learned. noise_scale, noise_w_scale: how much
    the sound and the lengths of phonemes vary (0: not at all). seed: of that noise.

    lead, trail: samples of silence around the speech, 16 kHz; the voice's own is cut or zeros
    added.
    """

    length_scale: float
    noise_scale: float
    noise_w_scale: float
    seed: int
    lead: int
    trail: int


@dataclass(frozen=True, slots=True)
class _Speaker:
    """A voice of ours and where piper finds it: its model, and its number if there are several."""

    voice: Voice
    model: Path
    number: int | None


class Piper(Engine):
    """The package `piper-tts` with the voices that the settings name; without them it has none.

    settings: `voices`, a list of {model: path of the .onnx, licence, and where wanted attribution,
    language, speakers (some of the model's), sex}.
    Raises BadParams: for the settings at once, for files when voices or speech are asked for.
    """

    name = "piper"
    predicted = True  # the lengths are what the voice was to speak with; its sound strays from them
    licence = ""  # each voice has its own
    attribution = ""
    install_line = 'pip install "piper-tts>=1.8"'
    setting_names = ("voices",)

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(settings)
        self._entries = self.settings.get("voices") or []
        if not isinstance(self._entries, list):
            raise BadParams("is not a list", where=_SETTING, remedy="write `- model: voice.onnx`")
        for number, entry in enumerate(self._entries):
            where = f"{_SETTING}[{number}]"
            known = (*_TEXTS, "speakers", "sex")
            check_voice(entry, where, known=known, texts=_TEXTS, needed=_NEEDED)
            check_sex(entry.get("sex"), f"{where}.sex")

    def version(self) -> str | None:
        return _version()

    def identity(self) -> str:
        """The versions, and a hash of every model and configuration.

        Raises BadParams for a file that is no voice with timing.
        """
        version = self.require()
        parts = [f"piper-tts {version}", f"onnxruntime {metadata.version('onnxruntime')}"]
        for model in dict.fromkeys(speaker.model for speaker in self._speakers.values()):
            read_model(model)
            digest = hashlib.blake2b(digest_size=16)
            for path in (model, config_path(model)):
                digest.update(path.read_bytes())
            parts.append(f"{model.name} {digest.hexdigest()}")
        return ", ".join(parts)

    def voices(self, language: str) -> tuple[Voice, ...]:
        found = (speaker.voice for speaker in self._speakers.values())
        return tuple(v for v in found if language in (v.language, base_language(v.language)))

    def draw(self, rng: np.random.Generator, prompt: Prompt, voice: Voice) -> PiperParams:
        own = read_config(self._find(voice).model).get("inference", {})
        length = float(own.get("length_scale", 1.0)) * float(rng.uniform(0.85, 1.2))
        noise = float(own.get("noise_scale", 0.667)) * float(rng.uniform(0.7, 1.2))
        noise_w = float(own.get("noise_w", 0.8)) * float(rng.uniform(0.7, 1.2))
        seed = int(rng.integers(1 << 32))
        lead, trail = draw_silences(rng)
        return PiperParams(round(length, 3), round(noise, 3), round(noise_w, 3), seed, lead, trail)

    def speak(self, prompt: Prompt, voice: Voice, params: PiperParams, clip_id: str) -> Clip:
        self.require()
        self.check_language(prompt, voice)
        speaker = self._find(voice)
        text = clean_text(prompt.text, prompt.language)
        native, rate, tokens = say(
            text,
            speaker.model,
            seed=params.seed,
            speaker=speaker.number,
            length_scale=params.length_scale,
            noise_scale=params.noise_scale,
            noise_w_scale=params.noise_w_scale,
        )
        segments, signs = [], []
        for sound in read_sounds(tokens, voice.language):
            start, end = (round(sample * RATE / rate) for sample in (sound.start, sound.end))
            if end > start:
                label = sound.part.phone if sound.part else SILENCE
                segments.append(Segment(label, start, end))
                signs += [sound.part.ipa] if sound.part else []
        if not signs:
            raise EngineFailed(
                "piper spoke nothing", where=f"text {text[:40]!r}", remedy="leave it out"
            )
        audio = soxr.resample(native, rate, RATE, quality="HQ")
        audio, phones, _ = frame_speech(audio, segments, params.lead, params.trail)
        spoken = iter(signs)
        return self.make_clip(
            prompt,
            voice,
            params,
            clip_id,
            text=text,
            audio=audio,
            phones=phones,
            ipa=tuple("" if phone.label == SILENCE else next(spoken) for phone in phones),
        )

    @cached_property
    def _speakers(self) -> dict[str, _Speaker]:
        """By the name of the voice."""
        found: dict[str, _Speaker] = {}
        for number, entry in enumerate(self._entries):
            for speaker in _read_speakers(entry, f"{_SETTING}[{number}]"):
                if speaker.voice.name in found:
                    raise BadParams(
                        f"there are two voices {speaker.voice.name!r}",
                        where=f"{_SETTING}[{number}].model",
                        remedy="give the files different names, or name the voice once",
                    )
                found[speaker.voice.name] = speaker
        return found

    def _find(self, voice: Voice) -> _Speaker:
        if voice.name not in self._speakers:
            raise BadParams(
                f"has no voice {voice.name!r}",
                where=_SETTING,
                remedy=f"known: {', '.join(self._speakers) or 'none'}",
            )
        return self._speakers[voice.name]


def _read_speakers(entry: Mapping[str, Any], where: str) -> Iterator[_Speaker]:
    """The voices of one model. Raises BadParams."""
    model = Path(entry["model"])
    config = read_config(model)
    language = entry.get("language") or config.get("language", {}).get("code")
    language = (language or config["espeak"]["voice"]).replace("_", "-").lower()
    # The qualities of a voice (en_US-joe-low, en_US-joe-medium) are the same person.
    person = re.sub(r"-(x_low|low|medium|high)$", "", model.stem)

    def named(suffix: str, number: int | None) -> _Speaker:
        voice = Voice(
            name=re.sub(r"[^A-Za-z0-9_+=@-]", "_", model.stem + suffix.replace(":", "+", 1)),
            speaker=f"piper:{person}{suffix}",
            language=language,
            sex=entry.get("sex") or "",
            licence=entry["licence"],
            attribution=entry.get("attribution") or f"synthesized by Piper, voice {model.stem}",
        )
        return _Speaker(voice, model, number)

    count = config["num_speakers"]
    numbers = config.get("speaker_id_map") or {str(n): n for n in range(count)}
    if count == 1:
        numbers = {}
        yield named("", None)
    for speaker in map(str, entry.get("speakers") or numbers):
        if speaker not in numbers:
            raise BadParams(
                f"{model.name} has no speaker {speaker!r}",
                where=f"{where}.speakers",
                remedy=f"known: {', '.join(numbers) or 'none, it has one voice: leave them out'}",
            )
        yield named(f":{speaker}", numbers[speaker])


@cache
def _version() -> str | None:
    try:
        return metadata.version("piper-tts")
    except metadata.PackageNotFoundError:
        return None
