"""`visemill publish`: the export at an address that trainers read from, such as s3://bucket/set.

The address is anything that fsspec knows: a folder, file://, s3:// (with the extra `s3`), gs:// ...
A shard's name says what is in its tar, so one that is there already is not sent again, and none is
taken away: whoever reads an older manifest goes on reading.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from clips import BadInput
from pipelines.stage import DATA

EXPORT = DATA / "export"
_SHARDS = ("webdataset", "parquet", "curves")
_ABOUT = ("dataset.json", "README.md", "manifest.parquet")  # the manifest last: it names the rest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `visemill publish`."""
    parser.add_argument("address", help="a folder, file:///…, s3://bucket/folder …")


def run(args: argparse.Namespace) -> int:
    """Publishes datasets/export and says how much was new."""
    sent, there = publish(EXPORT, args.address)
    print(
        f"visemill: {sent} files sent, {there} were there; read"
        f" {args.address.rstrip('/')}/manifest.parquet",
        file=sys.stderr,
    )
    return 0


def publish(export: Path, address: str) -> tuple[int, int]:
    """Copies an export's shards that `address` lacks, then what names them: (sent, there already).

    A file whose size differs broke off, and is sent again. Raises BadInput if there is
    no export, or the address cannot be written.
    """
    if not (export / "manifest.parquet").exists():
        raise BadInput("there is no export", where=str(export), remedy="`make repro`")
    try:
        files, root = fsspec.core.url_to_fs(address)
        sent = there = 0
        for folder in _SHARDS:
            target = f"{root}/{folder}"
            if isinstance(files, LocalFileSystem):  # S3 has no folders, and a bucket is not ours
                files.makedirs(target, exist_ok=True)
            found = files.find(target, detail=True)
            sizes = {name.rsplit("/", 1)[-1]: entry["size"] for name, entry in found.items()}
            for path in sorted((export / folder).glob("*")):
                if sizes.get(path.name) == path.stat().st_size:
                    there += 1
                else:
                    files.put_file(str(path), f"{target}/{path.name}")
                    sent += 1
        for name in _ABOUT:
            files.put_file(str(export / name), f"{root}/{name}")
    except Exception as error:  # every kind of storage has errors of its own
        raise BadInput(
            f"cannot be written ({error})",
            where=address,
            remedy="see docs/storage.md for addresses and credentials",
        ) from error
    return sent, there
