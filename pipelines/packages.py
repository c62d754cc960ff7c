"""Debian's packages as corpora: prompts and games hold people's speech, with texts and a licence.

The system's own apt-get fetches a package from wherever the system gets its packages, and checks
it; dpkg-deb turns it into a tar, which is unpacked like any other archive. Nothing is installed,
and nothing of a package is run.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import imageio_ffmpeg
from tqdm import tqdm

from clips import BadInput, EngineFailed, EngineMissing
from clips.files import MOST_BYTES
from pipelines import queen_file
from pipelines.corpora import Corpus
from pipelines.download import checksum, unpack

_AT_ONCE = 50  # files that one ffmpeg decodes: it takes longer to start than to work

TELEPHONE = ".g722"
"""The ending of wideband telephone sound, which libsndfile does not read: it becomes FLAC."""


def fetch_packages(corpus: Corpus, target: Path) -> dict[str, str]:
    """Fetches the packages of a corpus and unpacks each into the new folder `target`/<package>.

    Returns each package's file and checksum. Texts that are packed with gzip, telephone sound and
    a game's lines are unpacked too. Raises EngineMissing where there is no apt-get, EngineFailed
    with what it said, BadInput for a package that cannot be unpacked; then nothing is left.
    """
    temporary = target.with_name(f".{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        found = {}
        with TemporaryDirectory(dir=target.parent, prefix=".packages-") as folder:
            for name in corpus.packages:
                file = _fetch(name, Path(folder))
                unpack_package(file, temporary / name)
                found[name] = f"{file.name} {checksum(file, 'sha256')}"
        _decode(temporary)
        temporary.rename(target)
        return found
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def unpack_package(file: Path, target: Path) -> int:
    """Unpacks what a .deb would install into the new folder `target`, without its links; returns
    its files. Raises as `unpack` does."""
    with TemporaryDirectory(dir=target.parent, prefix=".package-") as folder:
        plain = Path(folder) / "data.tar"
        with plain.open("wb") as out:
            _run(["dpkg-deb", "--fsys-tarfile", str(file.absolute())], file.name, stdout=out)
        return unpack(plain, target, links=True)


def _fetch(name: str, folder: Path) -> Path:
    print(f"fetching Debian's package {name}", file=sys.stderr)
    _run(["apt-get", "download", "-q", name], name, cwd=folder)
    files = sorted(folder.glob(f"{name}_*.deb"))
    if len(files) != 1:
        raise EngineFailed("apt-get left no package", where=name, remedy="try `apt-get update`")
    return files[0]


def _decode(folder: Path) -> None:
    """Unpacks texts and what a game keeps in one file, and makes FLAC of telephone sound."""
    for path in sorted(folder.rglob(f"*{queen_file.ENDING}")):
        print(f"{path.name}: {queen_file.unpack_lines(path)} spoken lines", file=sys.stderr)
        path.unlink()
    for path in sorted(folder.rglob("*.txt.gz")):
        try:
            with gzip.open(path) as file:
                text = file.read(MOST_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise BadInput(f"cannot be unpacked ({error})", where=path.name) from error
        if len(text) > MOST_BYTES:
            raise BadInput(f"has more than {MOST_BYTES} bytes", where=path.name)
        path.with_suffix("").write_bytes(text)
    sounds = sorted(folder.rglob(f"*{TELEPHONE}"))
    for at in tqdm(
        range(0, len(sounds), _AT_ONCE), desc="sound", file=sys.stderr, disable=not sounds
    ):
        batch = sounds[at : at + _AT_ONCE]
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
        for path in batch:
            command += ["-f", "g722", "-i", str(path.absolute())]
        for number, path in enumerate(batch):
            command += ["-map", str(number), str(path.absolute().with_suffix(".flac"))]
        _run(command, f"{batch[0].name} and {len(batch) - 1} more")
        for path in batch:
            path.unlink()


def _run(command: list[str], what: str, **more) -> None:
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **more)
    except FileNotFoundError as error:
        raise EngineMissing(
            f"there is no {command[0]}",
            where=what,
            remedy="use Debian or Ubuntu, or a folder of recordings of your own",
        ) from error
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise EngineFailed(
            f"{Path(command[0]).name} failed: {words[-1] if words else 'it said nothing'}",
            where=what,
            remedy="try `apt-get update`; the package must be one of your system's",
        )
