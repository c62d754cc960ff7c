"""Model files from elsewhere: what is checked before torch or ONNX Runtime sees any of it.

`weights_only=True` keeps torch from running code, but not from making a gigabyte out of one line
(`bytearray(10**9)`), and ONNX Runtime computes the constants of a graph while it loads it. A model
of ours has few kinds of parts, so nothing else is let through.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from lipsync.errors import BadModel

MOST_BYTES = 16 << 20
"""The largest model file, and what it may unpack to; ours have 0.3 MB."""

MOST_HIDDEN = 640
"""The widest GRU that is trained and read: its weights just fit into MOST_BYTES, and a file may
claim any width."""

_RECORD = re.compile(r"[^/\\]+/(data\.pkl|version|byteorder|data/\d+|\.[a-z_]+(/[a-z_]+)?)")
_GLOBALS = {
    "collections OrderedDict",
    "torch FloatStorage",
    "torch LongStorage",
    "torch._utils _rebuild_tensor_v2",
}
_OPCODES = set(
    "BINGET BININT BININT1 BININT2 BINPERSID BINPUT BINUNICODE BUILD EMPTY_DICT EMPTY_TUPLE GLOBAL"
    " LONG_BINGET LONG_BINPUT MARK NEWFALSE PROTO REDUCE SETITEM SETITEMS STOP TUPLE TUPLE1 TUPLE2"
    " TUPLE3".split()
)
_NODES = {"Add", "GRU", "Gemm", "Mul", "Softmax", "Squeeze", "Transpose"}

_REMEDY = "give a model that `visemill` or Cherry Lip Sync has written"


def read_weights(path: str | Path) -> io.BytesIO:
    """A .pt file as torch may read it: its records, packed anew.

    Raises BadModel that names the file if it holds anything but named tensors, or too much.
    """
    data = _read(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as box:
            infos = box.infolist()
            if sum(info.file_size for info in infos) > MOST_BYTES:
                raise ValueError(f"it unpacks to more than {MOST_BYTES} bytes")
            records = {info.filename: box.read(info) for info in infos}
        for name, content in records.items():
            if not _RECORD.fullmatch(name):
                raise ValueError(f"it has a part {name!r}")
            if name.endswith("/data.pkl"):
                _check_pickle(content)
    except (
        zipfile.BadZipFile, OSError, EOFError, ValueError, zlib.error,
        RuntimeError,  # zipfile's own, for a password and for a packing or version that it lacks
    ) as error:  # fmt: skip
        raise BadModel(
            f"cannot be read as weights ({error})", where=str(path), remedy=_REMEDY
        ) from error
    clean = io.BytesIO()
    with zipfile.ZipFile(clean, "w") as box:
        for name, content in records.items():
            box.writestr(zipfile.ZipInfo(name), content)
    clean.seek(0)
    return clean


def read_graph(path: str | Path) -> bytes:
    """An .onnx file as ONNX Runtime may read it: whole, of nodes that ours have, without data in
    other files. Raises BadModel that names the file."""
    data = _read(path)
    try:
        for number, graph in _fields(data):
            if number == 7:
                _check_graph(graph)
    except (IndexError, ValueError, TypeError) as error:
        raise BadModel(
            f"cannot be read as ONNX ({error})", where=str(path), remedy=_REMEDY
        ) from error
    return data


def _read(path: str | Path) -> bytes:
    if not Path(path).is_file():  # nor a pipe, which would have to be waited for
        raise BadModel("does not exist", where=str(path), remedy=_REMEDY)
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadModel(f"cannot be read ({error})", where=str(path), remedy=_REMEDY) from error
    if len(data) > MOST_BYTES:
        raise BadModel(f"has more than {MOST_BYTES} bytes", where=str(path), remedy=_REMEDY)
    return data


def _check_pickle(data: bytes) -> None:
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in _OPCODES:
            raise ValueError(f"it holds more than named tensors: {opcode.name}")
        if opcode.name == "GLOBAL" and argument not in _GLOBALS:
            raise ValueError(f"it holds more than named tensors: {argument}")


def _check_graph(graph: bytes) -> None:
    """GraphProto: nodes are field 1 (their operator 4, its domain 7), tensors 5 (the place of their
    data 13 and 14 if it is another file), sparse tensors 15. https://onnx.ai/onnx/repo-docs/IR.html
    """
    for number, part in _fields(graph):
        if number == 1:
            node = list(_fields(part))
            kinds = [bytes(value).decode() for field, value in node if field == 4]
            if not set(kinds) <= _NODES or any(field == 7 and value for field, value in node):
                raise ValueError(f"it has a node {' '.join(kinds)[:80]!r}, which ours have not")
        elif number == 5 and any(field in (13, 14) for field, _ in _fields(part)):
            raise ValueError("a tensor lies in another file")
        elif number == 15:
            raise ValueError("it has sparse tensors, which ours have not")


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a protobuf message: number, and bytes or an integer."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
        elif kind in (1, 2, 5):
            size, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = data[at : at + size], at + size
        else:
            raise ValueError(f"a field of kind {kind}")
        if at > len(data):
            raise ValueError("it is cut off")
        yield key >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at
    raise ValueError("a number is too long")
