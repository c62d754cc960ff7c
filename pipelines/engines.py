"""Which speech engines a run uses, and how: the `synthesize` block of params.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pipelines.inputs import engines_found
from pipelines.params import load_params
from synth import Engine, find_engine


def is_code(language: str) -> bool:
    """Whether a text is written like the code of a language.

    >>> is_code("pt-br"), is_code("english"), is_code("../de")
    (True, False, False)
    """
    return bool(re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]+)*", language))


@dataclass(frozen=True)
class SynthesizeParams:
    """The `synthesize` block of params.yaml.

    engines: names of modules in synth/; one that is not installed is left out of the run.
    settings: what an engine wants to be told, by its name; synth/<name>.py says what.
    voices_per_prompt: how many voices speak each sentence, by language.
    seconds_per_clip: the most that an engine may take for one clip before it is ended.
    """

    engines: tuple[str, ...]
    partitions: int
    voices_per_prompt: dict[str, int]
    max_rejects: float
    seconds_per_clip: float = 120.0
    settings: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.partitions < 1:
            raise ValueError(f"partitions is {self.partitions}, below 1")
        if not 0 <= self.max_rejects <= 1:
            raise ValueError(f"max_rejects is {self.max_rejects}, not a share")
        for language, count in self.voices_per_prompt.items():
            if not is_code(language):
                raise ValueError(f"voices_per_prompt: {language!r} is no code such as en or pt-br")
            if count < 0:
                raise ValueError(f"voices_per_prompt.{language} is {count}, below 0")
        if self.seconds_per_clip <= 0:
            raise ValueError(f"seconds_per_clip is {self.seconds_per_clip}, not above 0")
        if len(set(self.engines)) != len(self.engines):
            raise ValueError(f"engines names one twice: {', '.join(self.engines)}")
        for name in self.settings:
            if name not in self.engines:
                raise ValueError(f"settings are for {name}, which is not among the engines")


def listed_engines() -> tuple[str, ...]:
    """The engines that params.yaml names, in its order."""
    return load_params("synthesize", SynthesizeParams).engines


def configured_engine(name: str) -> Engine:
    """The engine with its settings of params.yaml. Raises BadParams."""
    return find_engine(name, load_params("synthesize", SynthesizeParams).settings.get(name))


def installed_engines() -> dict[str, str]:
    """The name and identity of the listed engines that this machine adds to the embedded ones."""
    engines = {name: configured_engine(name) for name in listed_engines()}
    return {
        name: engine.identity()
        for name, engine in engines.items()
        if not engine.embedded and engine.version()
    }


def is_used(name: str) -> bool:
    """Whether this run uses a listed engine: an embedded one, or one that `make repro` found."""
    return configured_engine(name).embedded or name in engines_found()
