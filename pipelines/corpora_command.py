"""`visemill corpora`: which corpora are known, and how to get one; see docs/corpora.md."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import yaml

from clips import BadInput, replacing
from pipelines.corpora import FILE_NAME, UNKNOWN, Archive, Corpus, describe_folder, read_corpora
from pipelines.download import MIRROR, checksum, obtain, unpack
from pipelines.packages import fetch_packages
from pipelines.stage import DATA


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill corpora`."""
    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    verbs.add_parser("list", help="the known corpora, their licences and archives")
    get = verbs.add_parser("get", help="fetch archives of a corpus, verify and unpack them")
    get.add_argument("name", help="a corpus of `visemill corpora list`")
    get.add_argument("archives", nargs="*", metavar="ARCHIVE", help="which; `all` for every one")
    get.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where corpora live")
    get.add_argument("--archive", type=Path, metavar="FILE", help="unpack this file: nothing is"
                     " fetched, and nothing verified")  # fmt: skip
    get.add_argument("--keep", action="store_true", help="keep fetched archives in FOLDER/archives,"
                     f" which can then be a {MIRROR}")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Lists the corpora, or gets one."""
    corpora = read_corpora(DATA / "corpora")
    if args.what == "list":
        for name, corpus in corpora.items():
            if corpus.layout:
                print("\n".join(_lines_about(name, corpus)))
        return 0
    corpus = corpora.get(args.name, Corpus())
    if not corpus.layout:
        known = ", ".join(name for name, corpus in corpora.items() if corpus.layout)
        raise BadInput("is no corpus that can be got", where=args.name, remedy=f"known: {known}")
    folder = args.to / args.name
    if corpus.packages and not args.archive:
        if args.archives not in ([], ["all"]):
            raise BadInput("has packages, not archives", where=args.name, remedy="name none")
        _get_packages(corpus, folder)
    elif args.archive:
        if not args.archive.is_file():
            raise BadInput("is not a file", where=str(args.archive), remedy="check the path")
        origin = {"file": args.archive.name, "sum": checksum(args.archive, "sha256")}
        _unpack(corpus, args.archive, folder / _stem(args.archive.name), origin)
    else:
        for name, archive in choose_archives(corpus, args.name, args.archives).items():
            _get(corpus, archive, folder / name, args.to, args.keep)
    print(f"use it with: make repro RECORDINGS={folder}")
    return 0


def choose_archives(corpus: Corpus, name: str, wanted: list[str]) -> dict[str, Archive]:
    """The archives that `wanted` names; all of them for `all`, or where there is only one. Of a
    corpus without addresses they are the names of files in the mirror.

    Raises BadInput that lists those there are.
    """
    if not corpus.archives:
        if not wanted or not all(map(FILE_NAME.fullmatch, wanted)):
            raise BadInput(
                "has no address that is the same for everybody",
                where=name,
                remedy=f"download it from {corpus.home} yourself and name the file: --archive FILE;"
                f" or name a file of your {MIRROR}",
            )
        return {_stem(file): Archive(file) for file in wanted}
    if wanted == ["all"] or (not wanted and len(corpus.archives) == 1):
        return corpus.archives
    strange = [key for key in wanted if key not in corpus.archives]
    if strange or not wanted:
        there = ", ".join(f"{key}{_size(one)}" for key, one in corpus.archives.items())
        raise BadInput(
            f"has no archive {', '.join(strange)}" if strange else "has several archives",
            where=name,
            remedy=f"name those you want, or `all`: {there}",
        )
    return {key: corpus.archives[key] for key in wanted}


def _get(corpus: Corpus, archive: Archive, target: Path, to: Path, keep: bool) -> None:
    """Fetches, verifies and unpacks one archive, unless it was unpacked before."""
    if target.is_dir():
        print(f"{target} is there already", file=sys.stderr)
        return
    path, origin = obtain(
        f"{corpus.mirror}/{archive.file}",
        corpus.addresses,
        to,
        size=archive.size,
        sum=archive.sum,
        mirror=os.environ.get(MIRROR, ""),
    )
    _unpack(corpus, path, target, {"file": archive.file, **origin})
    if not keep and origin["address"] != str(path):  # a file of a mirror is not ours
        path.unlink()


def _get_packages(corpus: Corpus, folder: Path) -> None:
    """Fetches and unpacks the packages of a corpus, unless that was done before."""
    about = folder / "corpus.yaml"
    if about.is_file():
        print(f"{folder} is there already", file=sys.stderr)
        return
    if folder.exists():
        raise BadInput("is there already", where=str(folder), remedy="remove it to unpack anew")
    folder.parent.mkdir(parents=True, exist_ok=True)
    origin = fetch_packages(corpus, folder)
    with replacing(about) as temporary:
        temporary.write_text(_description(corpus, origin), encoding="utf-8")


def _description(corpus: Corpus, origin: dict[str, str]) -> str:
    return yaml.safe_dump(
        describe_folder(corpus, **origin), allow_unicode=True, sort_keys=False, width=100
    )


def _unpack(corpus: Corpus, path: Path, target: Path, origin: dict[str, str]) -> None:
    if target.exists():
        raise BadInput("is there already", where=str(target), remedy="remove it to unpack anew")
    print(f"unpacking {path.name} to {target}", file=sys.stderr)
    files = unpack(path, target, extra={"corpus.yaml": _description(corpus, origin)})
    print(f"{target}: {files} files", file=sys.stderr)


def _lines_about(name: str, corpus: Corpus) -> list[str]:
    title = f"{corpus.name} {corpus.version}".strip()
    lines = [f"{name:16s} {title}, {corpus.language}, {corpus.licence}; {corpus.home}"]
    for key, archive in corpus.archives.items():
        doubt = "" if archive.sum != UNKNOWN else "; checksum unknown: recorded at first download"
        lines.append(f"{'':16s}   {key}{_size(archive)}{doubt}")
    for package in corpus.packages:
        lines.append(f"{'':16s}   Debian's package {package}")
    if not (corpus.archives or corpus.packages):
        lines.append(f"{'':16s}   no fixed address: give its archive with --archive")
    return lines


def _size(archive: Archive) -> str:
    return f" ({archive.size / 1e9:.1f} GB)" if archive.size else ""


def _stem(name: str) -> str:
    """A file's name without its endings: `cv-corpus-17.0-en.tar.gz` → `cv-corpus-17.0-en`."""
    for ending in (".gz", ".bz2", ".xz", ".tar", ".tgz", ".zip"):
        name = name.removesuffix(ending)
    return name or "archive"
