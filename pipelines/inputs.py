"""What this machine adds to the default run, written down where DVC sees it.

`make repro RECORDINGS=… TRUTH=…` adds folders that lie elsewhere, and uses the speech engines that
are installed. Each addition becomes a small file, ignored by git, in a folder that a stage depends
on: `datasets/recordings/<name>.folder.json`, `datasets/truth/<name>.folder.json`,
`datasets/engines/found.json`. It holds a fingerprint of the files, so a changed recording is
noticed. Without additions the files are removed and the run is the default one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from clips import BadInput, BadManifest
from clips.files import parse_json, read_text
from pipelines.stage import DATA

T = TypeVar("T")

RECORDINGS, TRUTH, ENGINES = DATA / "recordings", DATA / "truth", DATA / "engines"
_POINTER, _RIVAL = ".folder.json", "rival.json"


def write_inputs(
    recordings: Sequence[str], truth: Sequence[str], engines: Mapping[str, str], rival: str = ""
) -> None:
    """Writes the pointer files of this run and removes those of the last.

    engines: by the name of each engine beyond the embedded ones, its identity: the versions and
    voices that its sound depends on, so that a new one is noticed.
    Raises BadManifest for a folder that does not exist.
    """
    _point(RECORDINGS, recordings)
    _point(TRUTH, truth)
    if rival and folders_in(TRUTH):
        _write(TRUTH / _RIVAL, {"model": str(Path(rival).resolve()), "sum": _sum(Path(rival))})
    else:
        (TRUTH / _RIVAL).unlink(missing_ok=True)
    found = ENGINES / "found.json"
    if engines:
        _write(found, {"engines": dict(sorted(engines.items()))})
    else:
        found.unlink(missing_ok=True)


def folders_in(directory: Path) -> list[Path]:
    """The folders that a stage reads: those inside `directory` and those it points to."""
    inside = [p for p in sorted(directory.glob("*")) if p.is_dir() and not p.name.startswith(".")]
    pointed = [Path(_read(p, "folder", str)) for p in sorted(directory.glob(f"*{_POINTER}"))]
    return inside + pointed


def rival_model() -> Path | None:
    """The rival's weights to measure beside ours, if this run was given any."""
    pointer = TRUTH / _RIVAL
    return Path(_read(pointer, "model", str)) if pointer.is_file() else None


def engines_found() -> tuple[str, ...]:
    """The engines beyond the embedded ones that this run uses."""
    found = ENGINES / "found.json"
    return tuple(_read(found, "engines", dict)) if found.is_file() else ()


def _point(directory: Path, folders: Sequence[str]) -> None:
    wanted = {}
    for name in folders:
        folder = Path(name).resolve()
        if not folder.is_dir():
            raise BadManifest("is not a folder", where=name, remedy="check the path")
        pointer = directory / f"{folder.name}{_POINTER}"
        if pointer in wanted and wanted[pointer]["folder"] != str(folder):
            raise BadManifest(
                f"has the same name as {wanted[pointer]['folder']}",
                where=name,
                remedy="rename one of the two: a folder's name is part of its clips' ids",
            )
        wanted[pointer] = {"folder": str(folder), "fingerprint": _fingerprint(folder)}
    for old in directory.glob(f"*{_POINTER}"):
        if old not in wanted:
            old.unlink()
    for path, content in wanted.items():
        _write(path, content)


def _fingerprint(folder: Path) -> str:
    """A hash of every file's name and content: the same on every machine."""
    state = hashlib.blake2b(digest_size=16)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder)).encode("utf-8", "surrogateescape")
        state.update(name + b"\0" + _sum(path).encode())
    return state.hexdigest()


def _sum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise BadManifest(
            f"cannot be read ({error.strerror})", where=str(path), remedy="check the path"
        ) from error


def _write(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    if not path.is_file() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _read(path: Path, key: str, kind: type[T]) -> T:
    try:
        value = parse_json(read_text(path))[key]
        if not isinstance(value, kind):
            raise TypeError(f"{key} is {value!r}")
        return value
    except (BadInput, ValueError, LookupError, TypeError) as error:
        raise BadManifest(
            "cannot be read", where=str(path), remedy="delete it; `make repro` writes it anew"
        ) from error
