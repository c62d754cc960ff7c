"""Parquet files of one schema become one file, without decoding what is copied.

The row groups' bytes stay as they are; only the footer is made anew, with the places that they have
now. The result has the bytes that reading and writing the groups would give. The footer is a struct
of Thrift's compact protocol:
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md and
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clips import BadInput, replacing

Struct = dict[int, tuple[int, Any]]
"""By the number of a field: its type, and its value."""

_MAGIC = b"PAR1"
_TRUE, _FALSE, _BYTE, _BINARY, _LIST, _STRUCT = 1, 2, 3, 8, 9, 12
_INTEGERS = (4, 5, 6)  # of 16, 32 and 64 bits
_SCHEMA, _ROWS, _GROUPS = 2, 3, 4  # of FileMetaData
_COLUMNS, _PLACE, _ORDINAL = 1, 5, 7  # of RowGroup
_CHUNK_PLACES, _META, _META_PLACES = (2, 4, 6), 3, (9, 10, 11, 14)  # of ColumnChunk and its data
_MOST_ORDINAL = 2**15 - 1


def join(parts: Sequence[Path], path: Path, schema: pa.Schema) -> None:
    """Writes the row groups of all parts, in order, as the file `path`.

    Raises BadInput that names a part that is damaged or has other columns than the first.
    """
    with replacing(path) as temporary:
        if not parts:
            pq.ParquetWriter(temporary, schema).close()
            return
        with temporary.open("wb") as out:
            out.write(_MAGIC)
            whole: Struct = {}
            for part in parts:
                start, footer = out.tell(), _copy_groups(part, out)
                whole = whole or footer | {_ROWS: (6, 0), _GROUPS: (_LIST, (_STRUCT, []))}
                if whole[_SCHEMA] != footer[_SCHEMA]:
                    raise BadInput("has other columns", where=str(part), remedy="remove `.work`")
                groups = whole[_GROUPS][1][1]
                for group in footer[_GROUPS][1][1]:
                    _move(group, start - len(_MAGIC), len(groups))
                    groups.append(_packed(_STRUCT, group))
                whole[_ROWS] = (6, whole[_ROWS][1] + footer[_ROWS][1])
            data = _packed(_STRUCT, whole)
            out.write(data + len(data).to_bytes(4, "little") + _MAGIC)


def _copy_groups(part: Path, out: Any) -> Struct:
    """Copies what lies between the magic number and the footer. Returns the footer."""
    start = out.tell()
    with part.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 8))
        end = file.read(8)
        last = size - 8 - int.from_bytes(end[:4], "little")
        if end[4:] != _MAGIC or last < len(_MAGIC):
            raise BadInput("is no Parquet file", where=str(part), remedy="remove `.work`")
        file.seek(last)
        footer, _ = _unpacked(_STRUCT, file.read(), 0)
        file.seek(len(_MAGIC))
        shutil.copyfileobj(file, out, 1 << 20)
    out.truncate(out.seek(start + last - len(_MAGIC)))
    return footer


def _move(group: Struct, by: int, number: int) -> None:
    """Moves a row group `by` bytes; it becomes the group of this number."""
    moved = [(group, (_PLACE,))]
    for chunk in group[_COLUMNS][1][1]:
        moved += [(chunk, _CHUNK_PLACES), (chunk[_META][1], _META_PLACES)]
    for struct, fields in moved:
        for field in fields:
            if struct.get(field, (0, 0))[1]:  # 0: not known
                kind, place = struct[field]
                struct[field] = (kind, place + by)
    if number > _MOST_ORDINAL:
        group.pop(_ORDINAL, None)
    elif _ORDINAL in group:
        group[_ORDINAL] = (4, number)


def _unpacked(kind: int, data: bytes, at: int) -> tuple[Any, int]:
    """The value of a type that begins at `at`, and where it ends."""
    if kind == _STRUCT:
        fields: Struct = {}
        number = 0
        while head := data[at]:
            at += 1
            number += head >> 4
            if not head >> 4:
                number, at = _unpacked(_INTEGERS[0], data, at)
            kind = head & 15
            if kind in (_TRUE, _FALSE):
                fields[number] = (kind, None)
            else:
                value, at = _unpacked(kind, data, at)
                fields[number] = (kind, value)
        return fields, at + 1
    if kind in _INTEGERS:
        value, at = _varint(data, at)
        return value >> 1 ^ -(value & 1), at
    if kind == _BINARY:
        size, at = _varint(data, at)
        return data[at : at + size], at + size
    if kind == _LIST:
        size, inner, at = data[at] >> 4, data[at] & 15, at + 1
        if size == 15:
            size, at = _varint(data, at)
        values = []
        for _ in range(size):
            value, at = _unpacked(inner, data, at)
            values.append(value)
        return (inner, values), at
    if kind in (_TRUE, _FALSE, _BYTE):
        return data[at], at + 1
    raise BadInput(f"a footer has a value of type {kind}, which none of ours has")


def _packed(kind: int, value: Any) -> bytes:
    """The bytes of a value; the inverse of `_unpacked`."""
    if isinstance(value, bytes) and kind == _STRUCT:  # packed already
        return value
    if kind == _STRUCT:
        data, last = bytearray(), 0
        for number, (inner, entry) in value.items():
            step, last = number - last, number
            data.append((step if step < 16 else 0) << 4 | inner)
            if step >= 16:
                data += _packed(_INTEGERS[0], number)
            if inner not in (_TRUE, _FALSE):
                data += _packed(inner, entry)
        return bytes(data) + b"\0"
    if kind in _INTEGERS:
        return _varint_of(value << 1 ^ value >> 63)
    if kind == _BINARY:
        return _varint_of(len(value)) + value
    if kind == _LIST:
        inner, values = value
        size = len(values)
        head = bytes([min(size, 15) << 4 | inner]) + (_varint_of(size) if size >= 15 else b"")
        return head + b"".join(_packed(inner, entry) for entry in values)
    return bytes([value])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 128:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def _varint_of(value: int) -> bytes:
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes(data) + bytes([value])
