"""The errors of this room, which also works where the rest of the project is not installed.

Training runs on machines that have torch, numpy and pyarrow but no audio libraries, and there
`clips` cannot be imported. Where it can, these errors are part of its tree.
"""

from __future__ import annotations

try:
    from clips.errors import BadInput, EngineMissing
except ImportError:

    class BadInput(Exception):  # type: ignore[no-redef]
        """Something a user gave us is wrong: `what`, `where`, and the `remedy`."""

        def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
            self.what, self.where, self.remedy = what, where, remedy
            super().__init__(what, where, remedy)

        def __str__(self) -> str:
            text = f"{self.where}: {self.what}" if self.where else self.what
            return f"{text}. {self.remedy}" if self.remedy else text

    class EngineMissing(BadInput):  # type: ignore[no-redef]
        """A tool that is not installed; the remedy installs it."""


class BadFeatures(BadInput):
    """A table of training features with a fault."""


class BadModel(BadInput):
    """A file that is not a model of ours or of Cherry Lip Sync."""


class ModelMissing(EngineMissing):
    """There is no model yet; the remedy makes one."""


class BadCheckpoint(BadInput):
    """A training checkpoint that belongs to another run, or cannot be read."""


__all__ = ["BadCheckpoint", "BadFeatures", "BadInput", "BadModel", "EngineMissing", "ModelMissing"]
