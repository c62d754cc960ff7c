"""What every speech engine with known timing offers, and how one is found by its name.

A new engine is one file `synth/<name>.py` that defines one subclass of Engine; its name in
`synthesize.engines` of params.yaml makes it part of a run, and in tests/synth/test_engines.py it
is put through what every engine must do. docs/engines.md shows one from beginning to end.
"""

from __future__ import annotations

import inspect
import json
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module, util
from typing import Any

import numpy as np

from clips import (
    SILENCE,
    BadLabels,
    BadParams,
    BadText,
    Clip,
    EngineMissing,
    Op,
    Segment,
    merge_equal,
    to_grid,
)
from synth.settings import check_plain

LEAD = (1600, 6400)
"""The silence before and after speech is drawn from this range (samples at 16 kHz: 0.1-0.4 s)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to be spoken. `split` is the part of the sentence: train, valid, test or ""."""

    prompt_id: str
    text: str
    language: str = "en"
    split: str = ""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of an engine.

    name: what the engine calls it. speaker: whose voice it is, unique across engines; voices that
    share a vocal tract (one espeak variant in several accents) share the speaker, so that no part
    of the data hears it twice. language: the language or accent, such as "en-us".
    sex: "f", "m", "child" or "" (not known). licence, attribution: of this voice's sound; where
    they are empty, the engine's own hold.
    """

    name: str
    speaker: str
    language: str
    sex: str = ""
    licence: str = ""
    attribution: str = ""


class Engine(ABC):
    """A synthesizer that says when each phone begins and ends.

    `speak` gives the same bytes for the same arguments, whatever was spoken before in the process.

    settings: what params.yaml says about this engine (`synthesize.settings.<name>`): plain values.
    Raises BadParams for a setting that the engine does not know.
    """

    name: str
    timing: str = "exact"
    licence: str
    attribution: str
    install_line: str
    setting_names: Collection[str] = ()
    predicted: bool = False  # tells what it meant to say: `synthesize` moves its times to the sound
    embedded: bool = False  # comes with the project's own dependencies, so it is always there

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.settings = dict(settings or {})
        for unknown in sorted(set(self.settings) - set(self.setting_names)):
            raise BadParams(
                f"is no setting of the engine {self.name}",
                where=f"synthesize.settings.{self.name}.{unknown}",
                remedy=f"known: {', '.join(sorted(self.setting_names)) or 'none'}",
            )

    @abstractmethod
    def version(self) -> str | None:
        """The version that is installed; None if it is not."""

    def identity(self) -> str:
        """What the sound depends on besides its arguments: the version, and files of the user's."""
        return self.require()

    @abstractmethod
    def voices(self, language: str) -> tuple[Voice, ...]:
        """The voices for a language ("en") or an accent ("en-us"); empty if there are none."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, prompt: Prompt, voice: Voice) -> Any:
        """How this prompt will be spoken: a frozen dataclass of plain numbers."""

    def prepare(self, voice: Voice) -> None:  # noqa: B027 - most have nothing to load
        """Loads what this voice speaks with. The time that a clip may take begins after it.

        Called before every clip. Raises as `speak` does.
        """

    @abstractmethod
    def speak(self, prompt: Prompt, voice: Voice, params: Any, clip_id: str) -> Clip:
        """The validated clip. Raises EngineMissing, EngineFailed, BadText or BadParams."""

    def is_on(self, setting: str) -> bool:
        """A setting that is true or false, and true where nothing is said. Raises BadParams."""
        value = self.settings.get(setting, True)
        if not isinstance(value, bool):
            raise BadParams(
                f"is {value!r}, not true or false",
                where=f"synthesize.settings.{self.name}.{setting}",
                remedy="write true or false, without quotes",
            )
        return value

    def require(self) -> str:
        """The version. Raises EngineMissing with the line that installs the engine."""
        found = self.version()
        if found is None:
            raise EngineMissing(f"{self.name} is not installed", remedy=self.install_line)
        return found

    def check_language(self, prompt: Prompt, voice: Voice) -> None:
        """Raises BadText if the voice does not speak the prompt's language."""
        if base_language(prompt.language) != base_language(voice.language):
            raise BadText(
                f"is {prompt.language}, but the voice {voice.name} speaks {voice.language}",
                where=f"prompt {prompt.prompt_id}",
                remedy=f"choose from find_engine({self.name!r}).voices({prompt.language!r})",
            )

    def make_clip(
        self,
        prompt: Prompt,
        voice: Voice,
        params: Any,
        clip_id: str,
        *,
        text: str,
        audio: np.ndarray,
        phones: tuple[Segment, ...],
        words: tuple[Segment, ...] = (),
        ipa: tuple[str, ...] = (),
    ) -> Clip:
        """The clip with everything that engines fill in alike: names, licence, timing, history."""
        op = Op.of(
            "synthesize",
            engine=self.name,
            version=self.require(),
            voice=voice.name,
            **asdict(params),
        )
        return Clip(
            clip_id=clip_id,
            audio=to_grid(audio),
            text=text,
            language=prompt.language,
            speaker=voice.speaker,
            source=self.name,
            licence=voice.licence or self.licence,
            attribution=voice.attribution or self.attribution,
            timing=self.timing,
            split=prompt.split,
            words=words,
            phones=phones,
            ipa=ipa,
            ops=(op,),
        ).validate()


def find_engine(name: str, settings: Mapping[str, Any] | None = None) -> Engine:
    """The engine of the module `synth.<name>`.

    Raises BadParams if there is none, or for a setting that it cannot have.
    """
    where = f"synthesize.settings.{name}"
    if not isinstance(settings, dict | None):
        raise BadParams(f"is {settings!r}, not a block", where=where, remedy="write `key: value`")
    check_plain(settings, where)
    return _find_engine(name, json.dumps(settings or {}, sort_keys=True))


def engine_names() -> tuple[str, ...]:
    """The names of all engines there are, installed or not."""
    import synth

    names = sorted(module.name for module in pkgutil.iter_modules(synth.__path__))
    return tuple(name for name in names if _engine_class(name))


@cache
def _find_engine(name: str, settings: str) -> Engine:
    kind = _engine_class(name) if re.fullmatch(r"[a-z][a-z0-9_]*", name) else None
    if kind is None:
        raise BadParams(
            f"there is no engine {name!r}",
            where=f"synth/{name}.py",
            remedy=f"choose from {', '.join(engine_names())}; a new one is a file there",
        )
    return kind(json.loads(settings))


def _engine_class(name: str) -> type[Engine] | None:
    """The first class of the module that is a whole engine."""
    if name.endswith("_worker") or not util.find_spec(f"synth.{name}"):
        return None
    module = import_module(f"synth.{name}")
    for _, kind in inspect.getmembers(module, inspect.isclass):
        ours = issubclass(kind, Engine) and kind.__module__ == module.__name__
        if ours and not inspect.isabstract(kind):
            return kind
    return None


def base_language(language: str) -> str:
    """The language without its country.

    >>> base_language("en-gb-x-rp")
    'en'
    """
    return language.split("-")[0].split("_")[0].lower()


def draw_silences(rng: np.random.Generator) -> tuple[int, int]:
    """Samples of silence before and after the speech, each uniform in LEAD."""
    low, high = LEAD
    return int(rng.integers(low, high + 1)), int(rng.integers(low, high + 1))


def frame_speech(
    audio: np.ndarray, segments: list[Segment], lead: int, trail: int
) -> tuple[np.ndarray, tuple[Segment, ...], int]:
    """Speech with exactly `lead` and `trail` samples of silence around it.

    audio: float, shape (samples,), 16 kHz. segments: phones in order with SIL at the ends or gaps.
    Silence of the engine's own is cut; what is missing is filled with zeros, digital silence.
    Returns the audio, the phones (they tile it; touching SIL are one), and by how many samples
    everything moved. Raises BadLabels if there is no speech.
    """
    spoken = [segment for segment in segments if segment.label != SILENCE]
    if not spoken:
        raise BadLabels("no phones but silence", remedy="give words to speak")
    first, last = spoken[0].start, spoken[-1].end
    before, after = max(0, first - lead), min(len(audio), last + trail)
    moved = lead - first
    framed = np.concatenate(
        [
            np.zeros(max(0, moved)),
            audio[before:after],
            np.zeros(max(0, last + trail - after)),
        ]
    )
    inner = [s.moved(moved) for s in segments if s.end > first and s.start < last]
    tiled = (
        Segment(SILENCE, 0, lead),
        *inner,
        Segment(SILENCE, last + moved, len(framed)),
    )
    return framed, merge_equal(tiled, only=SILENCE), moved
