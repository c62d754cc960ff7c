"""Archives from elsewhere: found in a mirror or fetched, verified, unpacked without trust.

Fetching rests on requests and urllib3, which retry and follow redirects. Pooch was considered: it
hashes and unpacks too, but begins every download anew, and archives here have up to 45 GB.
Python's tarfile and zipfile read the archives; the checks on top of them are here.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import stat
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from tqdm import tqdm

from clips import BadInput, VisemillError, replacing
from clips.files import parse_json, read_text

T = TypeVar("T")

MIRROR = "VISEMILL_MIRROR"
"""The environment variable that names a folder or an address where archives are looked for first.
An archive lies there as <the corpus's mirror folder>/<file>."""

_CHUNK = 1 << 20  # bytes read at a time from a disk
_PIECE = 1 << 16  # and from a network: what a broken connection loses at most
_HEADER = 1 << 20  # bytes that a tar may spend on the name and attributes of one member
_DIRECTORY = 64 << 20  # bytes of a zip's list of members, which is read whole: about a million
_WINDOW = 256 << 20  # bytes of memory that unpacking an xz may take; `xz -9` needs 65 MiB
_TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two pieces of an answer
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)  # LZMA: any memory
_TRANSIENT = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is tried again without any progress, and the seconds before the second
    try; each further wait is twice as long, up to two minutes."""

    count: int = 4
    wait: float = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may unpack to. The largest known corpus archive, LibriTTS's train-other-500,
    has 45 GB, in several files for each utterance; sound hardly compresses.

    members: files and folders. size: bytes in all. ratio: bytes unpacked for each byte of the
    archive, beyond the first 16 MiB.
    """

    members: int = 5_000_000
    size: int = 1_000_000_000_000
    ratio: float = 100.0


def mirror_of(setting: str, path: str) -> Path | str | None:
    """Where the mirror has `path`: a file, an address, or None where there is no mirror or the
    file is not in it. Raises BadInput for a setting that is neither a folder nor an address."""
    if not setting:
        return None
    if setting.startswith(("http://", "https://")):
        return f"{setting.rstrip('/')}/{path}"
    if not Path(setting).is_dir():
        raise BadInput(
            f"is {setting!r}, neither a folder nor an address with http:// or https://",
            where=MIRROR,
            remedy="set it to where the archives lie, or unset it",
        )
    return Path(setting, path) if Path(setting, path).is_file() else None


def obtain(
    path: str,
    addresses: Sequence[str],
    to: Path,
    *,
    size: int,
    sum: str,
    mirror: str = "",
    retries: Retries = Retries(),
) -> tuple[Path, dict[str, str]]:
    """An archive that was verified, and where it came from and what it hashes to.

    path: <the corpus's mirror folder>/<file>. It is taken from the mirror's folder as it lies
    there, or fetched from the mirror's address or one of `addresses` (bases, without the file) to
    `to`/archives/`path`; `to`/first-seen.json remembers checksums that no descriptor has. A fetched
    file with a wrong checksum is kept as <file>.refused. Raises as `download` and `verify` do.
    """
    seen, local = to / "first-seen.json", mirror_of(mirror, path)
    if isinstance(local, Path):
        found = verify(local, size=size, sum=sum, seen=seen, key=path)
        return local, {"sum": found, "address": str(local)}
    target, address = to / "archives" / path, ""
    if not target.is_file():
        file = PurePosixPath(path).name
        address = download(
            [*([local] if local else []), *(f"{base.rstrip('/')}/{file}" for base in addresses)],
            target,
            size=size,
            advice=f"get the file elsewhere, put it into a folder as {path} and set"
            f" {MIRROR} to that folder",
            retries=retries,
        )
    try:
        found = verify(target, size=size, sum=sum, seen=seen, key=path)
    except BadInput as error:
        refused = target.with_name(f"{target.name}.refused")
        os.replace(target, refused)
        raise BadInput(
            f"{error.what}; kept as {refused.name}", where=error.where, remedy=error.remedy
        ) from error
    return target, {"sum": found, "address": address}


def download(
    addresses: Sequence[str],
    target: Path,
    *,
    size: int = 0,
    advice: str = "set another address",
    retries: Retries = Retries(),
) -> str:
    """Fetches `target` from the first of `addresses` that has it; returns that address.

    What arrived lies in `target`.part until it is whole, and an interrupted download goes on from
    there, today or tomorrow, if the server's file is still the same (ETag or date, and length).
    size: the expected bytes, 0 if not known. advice: what else may help when none has it.
    Raises VisemillError with what each address answered; BadInput where the disk is too small.
    """
    answers = []
    target.parent.mkdir(parents=True, exist_ok=True)
    with _session(retries) as session:
        for address in addresses:
            try:
                _fetch(session, address, target, size, retries)
            except (requests.RequestException, urllib3.exceptions.HTTPError, _Refused) as error:
                answers.append(f"{address}: {_reason(error)}")
            else:
                return address
    raise VisemillError(
        f"cannot be downloaded ({'; '.join(answers) or 'it has no address'})",
        where=target.name,
        remedy=f"run the same command again to go on, or {advice}",
    )


def checksum(path: Path, algorithm: str) -> str:
    """The checksum of a file as descriptors write it: `sha256:…`."""
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def verify(path: Path, *, size: int, sum: str, seen: Path, key: str) -> str:
    """The checksum of an archive, if it is what it should be; else BadInput.

    size: bytes, 0 if not known. sum: `sha256:…`, `md5:…`, or "unknown": then it must be the same
    as the first time, which the small JSON file `seen` remembers under `key`.
    """
    if size and path.stat().st_size != size:
        raise BadInput(
            f"has {path.stat().st_size} bytes, not {size}",
            where=str(path),
            remedy="it is another file, or cut off: fetch it again",
        )
    known = _read_seen(seen)
    expected = sum if sum != "unknown" else known.get(key, "")
    found = checksum(path, expected.partition(":")[0] or "sha256")
    if not expected:
        with replacing(seen) as temporary:
            temporary.write_text(json.dumps({**known, key: found}, indent=1, sort_keys=True) + "\n")
        print(f"{path.name}: nobody vouches for this file; remembered as {found}", file=sys.stderr)
    elif found != expected:
        source = "its descriptor" if sum != "unknown" else f"{seen}, written at the first download"
        raise BadInput(
            f"is not the file it should be: {found}, but {source} says {expected}",
            where=str(path),
            remedy="fetch it again or elsewhere; change the checksum only if the corpus's home"
            " says that the file was replaced",
        )
    return found


def unpack(
    archive: Path,
    target: Path,
    *,
    limits: Limits = Limits(),
    extra: dict[str, str] | None = None,
    links: bool = False,
) -> int:
    """Unpacks a zip or a tar (plain, gz, bz2, xz) into the new folder `target`; returns its files.

    Everything goes into a folder beside it first, which is renamed at the end: nobody sees half a
    corpus, and an interrupted run begins this step again. extra: text files to add, by name. links:
    whether a tar may hold links, which are left out.
    Raises BadInput, and leaves nothing, for an archive that is damaged, leads out of its folder,
    holds links or devices, names a file twice, or grows beyond `limits`.
    """
    temporary = target.with_name(f".{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        with _disk_errors(archive), _archive_errors(archive):
            count = _write_members(archive, temporary, limits, links)
            for name, text in (extra or {}).items():
                (temporary / name).write_text(text, encoding="utf-8")
            os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return count


class _Refused(Exception):
    """An answer that will not get better by asking again."""


def _session(retries: Retries) -> requests.Session:
    session = requests.Session()
    policy = urllib3.Retry(
        total=retries.count,
        backoff_factor=retries.wait / 2,  # urllib3 waits factor × 2 before the second try
        status_forcelist=_TRANSIENT,
        allowed_methods={"GET"},
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=policy))
    # Without this some servers send a .tar.gz as a gzipped .tar, which hashes differently.
    session.headers["Accept-Encoding"] = "identity"
    return session


def _fetch(
    session: requests.Session, address: str, target: Path, size: int, retries: Retries
) -> None:
    """One address, tried again after each broken connection as long as more arrives."""
    part, note = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.json")
    best, tries = 0, retries.count
    while True:
        try:
            _receive(session, address, part, note, size)
            break
        except (urllib3.exceptions.HTTPError, requests.ReadTimeout):
            arrived = part.stat().st_size if part.is_file() else 0
            best, tries = max(best, arrived), retries.count if arrived > best else tries - 1
            if tries < 0:
                raise
            time.sleep(min(120.0, retries.wait * 2 ** (retries.count - tries)))
    os.replace(part, target)
    note.unlink(missing_ok=True)


def _receive(session: requests.Session, address: str, part: Path, note: Path, size: int) -> None:
    """One request: what is missing of `part`, or all of it where that cannot be said safely."""
    have, about = part.stat().st_size if part.is_file() else 0, _read_note(note)
    resumes = have > 0 and about.get("address") == address and (about["tag"] or about["total"])
    if resumes and have == about["total"]:
        return
    headers = {"Range": f"bytes={have}-"} if resumes else {}
    if resumes and about["tag"]:
        headers["If-Range"] = about["tag"]
    with session.get(address, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == 416 and resumes:
            part.unlink()  # nothing is missing, or the file changed: hashing a whole one is safe
            raise urllib3.exceptions.ProtocolError("the server has no such range; starting anew")
        if answer.status_code not in (200, 206):
            raise _Refused(f"{answer.status_code} {answer.reason}")
        start, total = _span(answer)
        if start and (start != have or total != about.get("total")):
            part.unlink()
            raise urllib3.exceptions.ProtocolError("the server sent another part than asked for")
        if size and total and size != total:
            raise _Refused(f"the file has {total} bytes there, not {size}")
        if total and (free := shutil.disk_usage(part.parent).free) < total - start:
            raise BadInput(
                f"needs {(total - start) / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free",
                where=str(part.parent),
                remedy="make room, or name another folder with --to",
            )
        tag = answer.headers.get("ETag", "")
        if tag.startswith("W/"):  # a weak tag promises nothing about bytes
            tag = ""
        tag = tag or answer.headers.get("Last-Modified", "")
        note.write_text(json.dumps({"address": address, "tag": tag, "total": total}))
        with (
            _disk_errors(part),
            part.open("ab" if start else "wb") as file,
            tqdm(
                total=total or size or None, initial=start, desc=part.stem, unit="B",
                unit_scale=True, file=sys.stderr, mininterval=1.0,
            ) as bar,
        ):  # fmt: skip
            at = start
            for chunk in answer.raw.stream(_PIECE, decode_content=False):
                at += file.write(chunk)
                bar.update(len(chunk))
                if at > (total or size or at):
                    raise _Refused(f"more than {total or size} bytes came")
    if at != (total or size or at):
        raise urllib3.exceptions.ProtocolError(f"{at} of {total or size} bytes came")


def _span(answer: requests.Response) -> tuple[int, int]:
    """Where the answer's bytes start in the file, and the file's length (0 if not said)."""
    if answer.status_code == 206:
        unit, _, rest = answer.headers.get("Content-Range", "").partition(" ")
        span, _, total = rest.partition("/")
        start = span.partition("-")[0]
        if unit != "bytes" or not start.isdecimal():
            raise _Refused("a part came without Content-Range")
        return int(start), int(total) if total.isdecimal() else 0
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else 0


def _reason(error: Exception) -> str:
    """An exception of the network in a few words."""
    text = str(error)
    for words in ("Name or service not known", "Temporary failure in name resolution",
                  "Connection refused", "timed out", "Network is unreachable"):  # fmt: skip
        if words in text:
            return words.lower()
    return text


def _read_note(note: Path) -> dict[str, Any]:
    """What is known of a part; nothing if the note is missing or broken."""
    try:
        about = parse_json(read_text(note))
        kinds = {key: type(about[key]) for key in ("address", "tag", "total")}
    except (BadInput, ValueError, LookupError, TypeError):
        return {}
    return about if kinds == {"address": str, "tag": str, "total": int} else {}


def _read_seen(seen: Path) -> dict[str, str]:
    if not seen.is_file():
        return {}
    try:
        known = parse_json(read_text(seen))
        if not all(str(value).startswith(("sha256:", "md5:")) for value in known.values()):
            raise ValueError("not all of its values are checksums")
        return {str(key): str(value) for key, value in known.items()}
    except (BadInput, ValueError, AttributeError) as error:
        raise BadInput(
            f"cannot be read ({error})",
            where=str(seen),
            remedy="mend it, or delete it to trust the next download anew",
        ) from error


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Errors of the disk become errors for a person."""
    try:
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise BadInput(
            "the disk is full" if full else f"cannot be written or read ({error})",
            where=str(path),
            remedy="make room and run the same command again" if full else "check the path",
        ) from error


@contextmanager
def _archive_errors(path: Path) -> Iterator[None]:
    """Errors of reading an archive become errors for a person. Not one of these modules has an
    exception of its own for every fault: gzip and bz2 raise an OSError without a number, zipfile a
    NotImplementedError for an archive of a version above 6.3 and a ValueError for a name that is no
    text. tarfile goes down a level for each header that belongs to the next one, and breaks on
    numbers and maps of sparse files that are none."""
    try:
        yield
    except (
        tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
        NotImplementedError, ValueError, LookupError, RecursionError, OverflowError,
    ) as error:  # fmt: skip
        if isinstance(error, OSError) and error.errno:
            raise
        raise BadInput(
            f"is damaged, cut off or no archive ({error})", where=str(path), remedy="fetch it again"
        ) from error


def _refuse(archive: Path, why: str, name: str) -> BadInput:
    return BadInput(
        f"{why}: {name[:200]!r}",
        where=str(archive),
        remedy="nothing was kept of it; unpack it by hand if you trust it",
    )


def _write_members(archive: Path, folder: Path, limits: Limits, links: bool) -> int:
    """Writes the members into `folder`, each only after it passed every check."""
    allowed = min(limits.size, int(limits.ratio * archive.stat().st_size) + (16 << 20))
    files = members = written = 0
    for name, is_folder, source in _members(archive, folder, allowed, links):
        members += 1
        if members > limits.members:
            raise _refuse(archive, f"has more than {limits.members} members", name)
        path = folder.joinpath(*_safe_parts(archive, name))
        if is_folder:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("xb")
        except FileExistsError as error:
            raise _refuse(archive, "names a file twice", name) from error
        with file, source() as stream:
            while chunk := stream.read(_CHUNK):
                written += file.write(chunk)
                if written > allowed:
                    raise _refuse(archive, f"unpacks to more than {allowed} bytes", name)
        files += 1
    return files


def _members(
    archive: Path, folder: Path, allowed: int, links: bool
) -> Iterator[tuple[str, bool, Callable[[], BinaryIO]]]:
    """Each member's name, whether it is a folder, and what opens it. Only files and folders pass.

    A tar must be read while its members come.
    """
    with archive.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"PK"):
        with archive.open("rb") as file, zipfile.ZipFile(_Directory(file, archive)) as box:
            for info in box.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _refuse(archive, "holds a link or a device", info.filename)
                if info.compress_type not in _PACKINGS:
                    raise _refuse(archive, "is packed in a way that is not read", info.filename)
                if info.flag_bits & 1:
                    raise _refuse(archive, "is locked with a password", info.filename)
                yield info.filename, info.filename.endswith("/"), lambda info=info: box.open(info)
        return
    with (
        _Counted(_decompressed(archive, magic), archive, allowed) as plain,
        plain.header(lambda: tarfile.open(fileobj=plain, mode="r|")) as box,
    ):
        while info := plain.header(box.next):
            box.members.clear()  # else a million of them stay in memory
            box.pax_headers.clear()
            if links and info.issym():
                continue
            if not (info.isfile() or info.isdir()):
                raise _refuse(archive, "holds a link or a device", info.name)
            _safe_parts(archive, info.name)
            try:
                tarfile.data_filter(info, str(folder))  # Python's own checks
            except tarfile.FilterError as error:
                raise _refuse(archive, f"is refused by Python ({error})", info.name) from error
            yield info.name, info.isdir(), lambda info=info: box.extractfile(info)
        while plain.read(_CHUNK):  # the checksum of a gzip or xz stands at its very end
            pass


class _Counted:
    """A stream that refuses to give more bytes than an archive of its size may hold: headers of a
    tar are read into memory, so counting what is written to disk would not be enough."""

    def __init__(self, stream: BinaryIO, archive: Path, allowed: int) -> None:
        self.stream, self.archive = stream, archive
        self.left = allowed + allowed // 8 + (16 << 20)  # headers and padding besides the files
        self.header_left = 1 << 62

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.left -= len(data)
        self.header_left -= len(data)
        if self.left < 0 or self.header_left < 0:
            raise _refuse(self.archive, "unpacks to too many bytes", self.archive.name)
        return data

    def header(self, read: Callable[[], T]) -> T:
        """What `read` gives, which may take no more bytes than a header has: tarfile keeps them."""
        self.header_left = _HEADER
        try:
            return read()
        finally:
            self.header_left = 1 << 62

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()


class _Xz(io.RawIOBase):
    """An xz file, read with bounded memory: its header names the size of the window, up to 4 GiB,
    and lzma.open takes it."""

    def __init__(self, archive: Path, mode: str) -> None:
        self.file = archive.open(mode)
        self.packed, self.box = b"", lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_WINDOW)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, nothing at the end. Raises LZMAError, EOFError."""
        while True:
            if self.box.eof:  # perhaps another stream follows, after zeros
                self.packed = self.box.unused_data.lstrip(b"\0") or self.file.read(_CHUNK)
                if not self.packed.strip(b"\0"):
                    return b""
                self.box = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_WINDOW)
            elif self.box.needs_input:
                self.packed = self.file.read(_CHUNK)
                if not self.packed:
                    raise EOFError("the end is missing")
            data = self.box.decompress(self.packed, size)
            self.packed = b""
            if data:
                return data

    def close(self) -> None:
        """Closes the file."""
        self.file.close()


class _Directory:
    """A zip file that refuses to give its whole list of members in one piece if that is huge."""

    def __init__(self, file: BinaryIO, archive: Path) -> None:
        self.file, self.archive = file, archive

    def read(self, size: int = -1) -> bytes:
        if size > _DIRECTORY:
            raise _refuse(self.archive, f"lists its members in {size} bytes", self.archive.name)
        return self.file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _decompressed(archive: Path, magic: bytes) -> BinaryIO:
    for mark, opener in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", _Xz)):
        if magic.startswith(mark):
            return opener(archive, "rb")
    return archive.open("rb")


def _safe_parts(archive: Path, name: str) -> tuple[str, ...]:
    """The parts of a member's name. Raises BadInput if it could lead anywhere but into the folder,
    on this system or another."""
    parts = PurePosixPath(name).parts
    if (
        name.startswith("/")
        or ".." in parts
        or "\\" in name
        or any(ord(letter) < 32 or ord(letter) == 127 for letter in name)
        or (parts and len(parts[0]) > 1 and parts[0][1] == ":")
        or any(len(os.fsencode(part)) > 255 for part in parts)
    ):
        raise _refuse(archive, "holds a name that leads out of its folder or cannot be kept", name)
    return parts
