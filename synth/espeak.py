"""espeak-ng: formant voices in many accents, in the process itself, with every phone's time.

Phones come as starts, exact to the sample; the measured offset against the waveform is 0 ms
(see tests/synth/test_espeak.py). What is stamped late is put right by synth.corrections.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import yaml

from clips import RATE, SILENCE, Clip, EngineFailed, Segment
from synth.assimilation import assimilated
from synth.corrections import (
    FRICATIVES,
    VOICED_STOPS,
    VOICELESS_STOPS,
    move_closures,
    move_releases,
)
from synth.engine import Engine, Prompt, Voice, base_language, draw_silences, frame_speech
from synth.espeak_library import INSTALL, NATIVE_RATE, EspeakLibrary, Event
from synth.ipa import parts_of, plain_symbol
from synth.people import SEXES, check_counts, person_name, person_of
from synth.text import clean_text

_VOICES = Path(__file__).with_name("espeak_voices.yaml")
PEOPLE = {"f": 8, "m": 6, "child": 17}
"""How many drawn people join the library's own 12, 14 and 3: then there are 20 of each kind."""

RATES = (80, 250)
"""Words per minute, drawn on a logarithmic scale: 6 to 16 phones/s, as people speak who read slowly
in a foreign language, and those who read fluently (docs/voices.md)."""

ASSIMILATED = 0.6
"""The share of German clips whose -en is said as people mostly say it (synth/assimilation.py)."""

_VOLUME = 50  # of 200; at 70 the loudest children reach full scale inside the library
_FASTEST = {"rate": 449, "volume": _VOLUME, "pitch": 50, "range": 50, "wordgap": 0}
"""For sound that nobody hears; at 450 words/min the library would shorten it by other means."""

_LIBRARY = EspeakLibrary()


@dataclass(frozen=True, slots=True)
class EspeakParams:
    """rate: words/min. pitch, range: espeak's own 0..99. wordgap: units of 10 ms at normal speed.

    lead, trail: samples of digital silence (zeros) around the speech, 16 kHz. assimilated: whether
    German -en is said as in synth/assimilation.py.
    """

    rate: int
    pitch: int
    range: int
    wordgap: int
    lead: int
    trail: int
    assimilated: bool = False


class Espeak(Engine):
    """The engine that is always there: a wheel carries the library and its data.

    settings: people: how many drawn people of each kind join the library's own (synth/people.py).
    corrections: false leaves the library's stamps as they are, which shows what is put right.
    """

    name = "espeak"
    licence = "CC0-1.0"
    attribution = "synthesized by eSpeak NG"
    install_line = INSTALL
    setting_names = frozenset({"people", "corrections"})
    embedded = True

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(settings)
        self._corrected = self.is_on("corrections")
        self._people = check_counts(
            self.settings.get("people", PEOPLE), "synthesize.settings.espeak.people"
        )

    def version(self) -> str | None:
        return _version()

    def voices(self, language: str) -> tuple[Voice, ...]:
        table = _read_voices()
        accents = table["accents"].get(base_language(language), {})
        speakers = [
            (speaker, sex)
            for sex in SEXES
            for speaker in (
                *table["variants"][sex],
                *(person_name(sex, number) for number in range(self._people[sex])),
            )
        ]
        return tuple(
            Voice(f"{accent}+{speaker}", f"espeak:{speaker}", accent, sex)
            for accent in accents
            if language in (accent, base_language(accent))
            for speaker, sex in speakers
        )

    def draw(self, rng: np.random.Generator, prompt: Prompt, voice: Voice) -> EspeakParams:
        rate = round(float(np.exp(rng.uniform(*np.log(RATES)))))
        pitch = int(rng.integers(*_pitches(voice)))
        spread = int(rng.integers(20, 81))
        wordgap = int(rng.choice([0, 0, 0, 1, 2, 4]))
        lead, trail = draw_silences(rng)
        german = base_language(voice.language) == "de"
        casual = german and bool(rng.random() < ASSIMILATED)
        return EspeakParams(rate, pitch, spread, wordgap, lead, trail, casual)

    def speak(self, prompt: Prompt, voice: Voice, params: EspeakParams, clip_id: str) -> Clip:
        return self.speak_native(prompt, voice, params, clip_id)[0]

    def speak_native(
        self, prompt: Prompt, voice: Voice, params: EspeakParams, clip_id: str
    ) -> tuple[Clip, np.ndarray]:
        """The clip, and the same sound before it was resampled (int16 at NATIVE_RATE)."""
        self.require()
        self.check_language(prompt, voice)
        text = clean_text(prompt.text, prompt.language)
        accent, _, speaker = voice.name.partition("+")
        person = person_of(speaker)
        said = text
        if params.assimilated:
            said = assimilated(text, lambda word: _spelled(word, _file_of(accent)))
        samples, events = _LIBRARY.synthesize(
            said,
            _file_of(accent if person else voice.name),
            {
                "rate": params.rate,
                "volume": _VOLUME,
                "pitch": params.pitch,
                "range": params.range,
                "wordgap": params.wordgap,
            },
            person.lines() if person else "",
        )
        audio = soxr.resample(samples / 32768, NATIVE_RATE, RATE, quality="HQ")
        sounds = _sounds(events, len(audio), voice.language)
        if not any(sound.segment.label != SILENCE for sound in sounds):
            raise EngineFailed(
                "espeak-ng spoke nothing", where=f"text {text[:40]!r}", remedy="leave it out"
            )
        segments = [sound.segment for sound in sounds]
        audio, phones, shift = frame_speech(audio, segments, params.lead, params.trail)
        if self._corrected:
            stops = VOICELESS_STOPS | VOICED_STOPS
            phones = move_closures(phones, audio, labels=stops | FRICATIVES)
            phones = move_releases(phones, self.name)
        spoken = iter([sound for sound in sounds if sound.segment.label != SILENCE])
        sources = [None if phone.label == SILENCE else next(spoken) for phone in phones]
        clip = self.make_clip(
            prompt,
            voice,
            params,
            clip_id,
            text=text,
            audio=audio,
            phones=phones,
            words=_words(phones, [-1 if s is None else s.position for s in sources], said, text),
            ipa=tuple("" if s is None else s.ipa for s in sources),
        )
        return clip, _native(samples, shift, len(clip))

    def words_of(self, text: str, voice: str) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
        """The words of a text and the phones of each (ARPAbet, IPA), as `speak` gives them.

        voice: an accent such as "en-us". A word whose phones espeak counts to its neighbour is
        written with it. Raises BadText, EngineFailed, EngineMissing.
        """
        text = clean_text(text, voice)
        samples, events = _LIBRARY.synthesize(text, _file_of(voice), _FASTEST)
        length = round(len(samples) * RATE / NATIVE_RATE)
        sounds = [s for s in _sounds(events, length, voice) if s.segment.label != SILENCE]
        words = _words([s.segment for s in sounds], [s.position for s in sounds], text, text)
        return [
            (
                word.label,
                tuple(
                    (sound.segment.label, sound.ipa)
                    for sound in sounds
                    if word.start <= sound.segment.start < word.end
                ),
            )
            for word in words
        ]

    def phones_of(self, text: str, voice: str = "en-us") -> list[str]:
        """The phones (ARPAbet, no silence) of a text in an accent, without making sound.

        Raises BadText, BadParams.
        """
        names = _LIBRARY.phonemes(clean_text(text, voice), _file_of(voice))
        symbols = filter(None, map(plain_symbol, names))
        return [part.phone for symbol in symbols for part in parts_of(symbol, voice)]


def phones_of(text: str, voice: str = "en-us") -> list[str]:
    """The phones of a text by espeak's rules; see Espeak.phones_of.

    >>> phones_of("Boys hum.")
    ['B', 'OY', 'Z', 'HH', 'AH', 'M']
    """
    return Espeak().phones_of(text, voice)


def _pitches(voice: Voice) -> tuple[int, int]:
    """The range (end excluded) in which espeak's own pitch setting is drawn; 50 is as it is.

    Drawn people have a pitch of their own; some of the library's children speak at 350 Hz.
    """
    if person_of(voice.name.partition("+")[2]):
        return 35, 66
    return (20, 61) if voice.sex == "child" else (20, 86)


@dataclass(frozen=True, slots=True)
class _Sound:
    segment: Segment
    ipa: str
    position: int  # of its word in the text; -1 for silence


def _sounds(events: list[Event], length: int, language: str) -> list[_Sound]:
    """Phones that tile `length` samples at 16 kHz, before closures are moved."""
    starts = [min(length, round(event.sample * RATE / NATIVE_RATE)) for event in events]
    sounds: list[_Sound] = []

    def add(label: str, ipa: str, start: int, end: int, position: int) -> None:
        if end > start:  # some sounds are named but get no time of their own
            sounds.append(_Sound(Segment(label, start, end), ipa, position))

    add(SILENCE, "", 0, starts[0] if starts else length, -1)
    for event, start, end in zip(events, starts, [*starts[1:], length]):
        symbol = plain_symbol(event.name)
        if not symbol:
            add(SILENCE, "", start, end, -1)
            continue
        share = 0.0
        for part in parts_of(symbol, language):
            first = start + round(share * (end - start))
            share += part.share
            last = start + round(share * (end - start))
            add(part.phone, part.ipa, first, last, event.position)
    return sounds


def _words(
    phones: Sequence[Segment], positions: Sequence[int], said: str, text: str
) -> tuple[Segment, ...]:
    """The words of the text with the time of their phones; positions: as in _Sound, per phone.

    said: the text as espeak was given it, of as many words. A word whose phones espeak counts to
    its neighbour ("of the") is written with it.
    """
    tokens, written = (
        [match for match in re.finditer(r"\S+", of) if re.search(r"\w", match.group())]
        for of in (said, text)
    )
    spans: list[tuple[int, int, int]] = []  # number of the token, start, end
    for phone, position in zip(phones, positions):
        if position < 0:
            continue
        # The place may be that of a dash or space before the word.
        number = next((n for n, t in enumerate(tokens) if t.end() > position), len(tokens) - 1)
        if spans and spans[-1][0] == number:
            spans[-1] = (number, spans[-1][1], phone.end)
        else:
            spans.append((number, phone.start, phone.end))
    words = []
    for place, (number, start, end) in enumerate(spans):
        until = spans[place + 1][0] if place + 1 < len(spans) else len(tokens)
        first = number if place else 0
        label = " ".join(token.group().strip("\"'.,;:!?¿¡()-/") for token in written[first:until])
        words.append(Segment(label, start, end))
    return tuple(words)


def _native(samples: np.ndarray, shift: int, length: int) -> np.ndarray:
    """The engine's own samples cut and filled as the clip was (`length` samples at 16 kHz)."""
    before = round(shift * NATIVE_RATE / RATE)
    native = np.zeros(round(length * NATIVE_RATE / RATE), dtype=np.int16)
    kept = samples[max(0, -before) :][: len(native) - max(0, before)]
    native[max(0, before) : max(0, before) + len(kept)] = kept
    return native


@cache
def _version() -> str | None:
    return _LIBRARY.version()


@cache
def _read_voices() -> dict:
    return yaml.safe_load(_VOICES.read_text("utf-8"))


@lru_cache(4096)
def _spelled(word: str, file: str) -> str:
    return _LIBRARY.spelled_phonemes(word, file)


def _file_of(voice: str) -> str:
    """The library's own name of a voice such as "en-gb+f2"."""
    accent, plus, variant = voice.partition("+")
    for accents in _read_voices()["accents"].values():
        if accent in accents:
            return f"{accents[accent]}{plus}{variant}"
    return voice
