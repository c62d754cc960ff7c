"""A user's folder of sounds (noises, impulse responses) with the licence that each one has.

See datasets/noises/README.md for what a folder holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from augment.drawn import ChannelTransform
from augment.pool import join_credits
from augment.values import Checked
from clips import BadInput, BadParams, Clip, read_audio
from clips.files import read_yaml

P = TypeVar("P", bound=Checked)

LONGEST = 600.0
"""Seconds that one file may last: it is held in memory, and the last few are kept."""

_KINDS = (".wav", ".flac")
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Sound:
    """One file. audio: float32, shape (samples,), mono 16 kHz. digest: of the file's bytes."""

    audio: np.ndarray
    digest: str
    licence: str
    attribution: str


class SoundFolder:
    """The wav and flac files of a folder and its subfolders, by their paths inside it, sorted."""

    def __init__(self, folder: str | Path) -> None:
        """Raises BadInput if the folder holds no sound."""
        self.folder = Path(folder)
        self.names = sorted(
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if path.suffix.lower() in _KINDS
        )
        if not self.names:
            raise BadInput(
                "holds no wav or flac file",
                where=str(folder),
                remedy="put sounds there (datasets/noises/README.md), or leave the transform out",
            )

    def paths(self) -> list[Path]:
        """Every file that the result depends on, licences too."""
        licences = sorted(self.folder.rglob("corpus.yaml"))
        return [*(self.folder / name for name in self.names), *licences]

    def read(self, name: str, digest: str = "") -> Sound:
        """A sound. Raises BadInput if the folder does not hold it, if it has no licence, or if it
        is no longer the one with this `digest`; BadAudio if it cannot be read."""
        if name not in self.names:
            raise BadInput(
                f"there is no sound {name!r}", where=str(self.folder), remedy="put it back"
            )
        sound = _read(self.folder, name)
        if digest and digest != sound.digest:
            raise BadInput(
                "the file is not the one that the clip was made with",
                where=str(self.folder / name),
                remedy="put that file back, or run augment again",
            )
        return sound


class SoundTransform(ChannelTransform[P]):
    """A transform that uses a sound of a folder: settings have `folder`, parameters have `file` and
    `digest`. The sound's licence and attribution come along."""

    @cached_property
    def folder(self) -> SoundFolder:
        """The folder that the settings name. Raises BadInput if it holds no sound."""
        return SoundFolder(self.settings.folder)

    def draw_sound(self, rng: np.random.Generator) -> tuple[str, Sound]:
        """A file's name and its sound; every file is drawn equally often."""
        name = self.folder.names[rng.integers(len(self.folder.names))]
        return name, self.folder.read(name)

    def apply(self, clip: Clip, params: P) -> Clip:
        """See ChannelTransform.apply."""
        sound = self.folder.read(params.file, params.digest)
        credits = join_credits(clip, [(sound.licence, sound.attribution)])
        return super().apply(clip, params).with_(**credits)

    def files(self) -> list[Path]:
        """See DrawnTransform.files."""
        return self.folder.paths()


@lru_cache(_KEPT)
def _read(folder: Path, name: str) -> Sound:
    path = folder / name
    licence, attribution = _credit(folder, name)
    audio = read_audio(path, max_seconds=LONGEST)
    audio.flags.writeable = False
    digest = blake2b(path.read_bytes(), digest_size=8).hexdigest()
    return Sound(audio, digest, licence, attribution)


def _credit(folder: Path, name: str) -> tuple[str, str]:
    """Licence and attribution from the nearest corpus.yaml beside or above the file."""
    for parent in PurePosixPath(name).parents:
        path = folder / parent / "corpus.yaml"
        if not path.is_file():
            continue
        try:
            said = read_yaml(path)
            return str(said["licence"]), str(said.get("attribution", ""))
        except KeyError as error:
            raise BadParams(
                "names no licence",
                where=str(path),
                remedy='write "licence: CC0-1.0" and "attribution: …"',
            ) from error
    raise BadParams(
        "has no corpus.yaml that names its licence",
        where=str(folder / name),
        remedy='write one beside it: "licence: CC0-1.0" and "attribution: …"',
    )
