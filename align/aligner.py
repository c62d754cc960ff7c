"""What every forced aligner does: text and sound in, words and phones with their times out."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from clips import BadParams, Clip, VisemillError

KNOWN = ("mfa", "neural", "pocketsphinx")
"""The aligners of this project: modules of this folder that define ALIGNER."""


class Aligner(ABC):
    """A forced aligner.

    name: as in params.yaml. languages: language codes it can align ("en" covers "en-GB" too).
    install_line: the command that installs it. together: whether it aligns a corpus at once, with
    processes of its own.
    """

    name: ClassVar[str]
    languages: ClassVar[tuple[str, ...]]
    install_line: ClassVar[str]
    together: ClassVar[bool] = False

    @abstractmethod
    def version(self) -> str | None:
        """The version of the tool, or None if it is not installed."""

    @abstractmethod
    def align(self, clip: Clip) -> Clip:
        """The clip with `words` and `phones` (ARPAbet without stress and SIL; they tile the clip).

        Each phone has a score 0..1 (how well the sound fits it). `timing` becomes "aligned", `ops`
        gains an Op "align" with the aligner's name and version, `scores` what
        align.confidence measures. The result depends on this clip alone, not on earlier ones.
        Raises BadText (the text cannot be aligned), BadAudio (nothing to align),
        EngineFailed (no path through the sound fits the text), EngineMissing.
        """

    def align_all(self, clips: Iterable[Clip]) -> Iterator[Clip | VisemillError]:
        """For each clip, in their order, what `align` gives or raises."""
        for clip in clips:
            try:
                result: Clip | VisemillError = self.align(clip)
            except VisemillError as error:
                result = error
            yield result

    def speaks(self, language: str) -> bool:
        """Whether this aligner can align clips of `language` (en, en-GB, en_US, ...)."""
        return language.lower().replace("_", "-").split("-")[0] in self.languages


def find_aligner(name: str, **options: Any) -> Aligner:
    """A new aligner by its name; `options` go to its constructor.

    Loading models takes a moment, so use one aligner for many clips.
    Raises BadParams that lists the aligners there are.
    """
    try:
        if not name.isidentifier():
            raise ImportError(name)
        kind = importlib.import_module(f"align.{name}").ALIGNER
    except (ImportError, AttributeError) as error:
        raise BadParams(
            f"there is no aligner {name!r}", remedy=f"choose one of: {', '.join(KNOWN)}"
        ) from error
    return kind(**options)
