"""The project's errors: one small tree, and every error says what, where and what to do.

VisemillError
├── BadInput        something a user gave us is wrong
│   ├── BadAudio    a recording that cannot be used
│   ├── BadText     a text that cannot be spoken or aligned
│   ├── BadLabels   segments that do not describe their audio
│   ├── BadManifest a table of recordings, prompts or decisions with a fault
│   └── BadParams   params.yaml or an inventory with a fault
├── EngineMissing   a tool that is not installed; the remedy installs it
└── EngineFailed    a tool that is installed and failed on this input
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST = 2000
_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class VisemillError(Exception):
    """An error for a person: `what` went wrong, `where`, and the `remedy`."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = map(_harmless, (what, where, remedy))
        super().__init__(self.what, self.where, self.remedy)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.remedy}" if self.remedy else text

    def __reduce__(self):
        # Exceptions with keyword arguments do not unpickle by default; workers send them home.
        return (_rebuild, (type(self), self.what, self.where, self.remedy))


def _harmless(text: str) -> str:
    """`text` as a terminal may show it: what would steer it becomes \\x1b and the like, and what is
    left of a very long text is its beginning. Names and texts of other people's files come here."""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def _rebuild(kind, what, where, remedy):
    return kind(what, where=where, remedy=remedy)


class BadInput(VisemillError):
    """Something a user gave us is wrong."""


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """What goes wrong while a file that a user asked for is written becomes BadInput."""
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"cannot be written ({error.strerror})",
            where=str(path),
            remedy="give another place with -o",
        ) from error


class BadAudio(BadInput):
    """A recording that cannot be used."""


class BadText(BadInput):
    """A text that cannot be spoken or aligned."""


class BadLabels(BadInput):
    """Segments that do not describe their audio."""


class BadManifest(BadInput):
    """A table of recordings, prompts or decisions with a fault."""


class BadParams(BadInput):
    """A configuration file (params.yaml, an inventory, a corpus) with a fault."""


class EngineMissing(VisemillError):
    """A tool that is not installed; the remedy is the line that installs it."""


class EngineFailed(VisemillError):
    """A tool that is installed and failed on this input."""
