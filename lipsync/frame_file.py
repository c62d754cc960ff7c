"""Frames in a file instead of memory: a training set of any size takes the same room."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

_NEAR = 16
"""Rows that may be read in vain between two that are wanted."""


class FrameFile:
    """Rows of `width` numbers in a file without a name, which goes with this object.

    folder: where it is, on a disk with room for it; the system's folder for temporary files if
    None. Slices are read as arrays of shape (rows, width).
    """

    def __init__(self, width: int, dtype: DTypeLike, folder: Path | None = None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self.dtype, self.width, self._rows = np.dtype(dtype), width, 0
        self.folder = folder

    def __len__(self) -> int:
        return self._rows

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, width)."""
        return self._rows, self.width

    def append(self, rows: np.ndarray) -> None:
        """Adds rows of shape (any, width) at the end."""
        self[self._rows : self._rows + len(rows)] = rows

    def __setitem__(self, wanted: slice, rows: np.ndarray) -> None:
        """Writes rows to their place, which may lie behind the end; what is left out there is 0."""
        if (
            wanted.step not in (None, 1)
            or None in (wanted.start, wanted.stop)
            or wanted.stop - wanted.start != len(rows)
        ):
            raise ValueError("rows are written one after the other, each to a place of its own")
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise ValueError(f"rows of shape {rows.shape}, not (any, {self.width})")
        if not len(rows):
            return
        self._file.seek(wanted.start * self.width * self.dtype.itemsize)
        view = memoryview(np.ascontiguousarray(rows, self.dtype)).cast("B")
        while view:  # one write takes 2 GiB at most
            view = view[self._file.write(view) :]
        self._rows = max(self._rows, wanted.stop)

    def __getitem__(self, wanted: slice) -> np.ndarray:
        first, last, step = wanted.indices(len(self))
        if step != 1:
            raise ValueError("rows are read one after the other")
        size = self.width * self.dtype.itemsize
        self._file.seek(first * size)
        data = bytearray(max(0, last - first) * size)
        view, read = memoryview(data), 0
        while read < len(data):  # one read gives 2 GiB at most
            got = self._file.readinto(view[read:])
            if not got:
                raise OSError("the file of frames ended early")
            read += got
        return np.frombuffer(data, self.dtype).reshape(-1, self.width)

    def gather(self, places: np.ndarray) -> np.ndarray:
        """The rows at `places` (sequences, length), shape (sequences, length, width).

        What lies near each other and in order is read at once.
        """
        return np.stack([self._row(row) for row in places])

    def _row(self, row: np.ndarray) -> np.ndarray:
        steps = np.diff(row)
        parts = np.split(row, np.flatnonzero((steps < 0) | (steps > _NEAR)) + 1)
        return np.concatenate([self[int(p[0]) : int(p[-1]) + 1][p - p[0]] for p in parts])
