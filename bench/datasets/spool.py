"""Rows that have to be looked at twice, in a temporary file.

In: rows, once. Out: the same rows, as often as wanted. The file lies in the build's own scratch folder
and goes with it; nobody else reads it, so it is in Python's own quick form.
"""

from __future__ import annotations

import itertools
import marshal
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from bench.datasets.row import Row
from bench.errors import disk_errors

_ROWS_PER_BLOCK = 1000
_LENGTH = struct.Struct("<Q")


class Spool:
    """Rows on disk."""

    def __init__(self, folder: Path) -> None:
        names = (folder / f"rows-{number}" for number in itertools.count())
        self._path = next(path for path in names if not path.exists())
        self._path.touch()
        self.n_rows = 0

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows as they come, kept on their way."""
        with self._path.open("wb") as file:
            block: list[tuple[object, ...]] = []
            for row in rows:
                block.append(tuple(row))
                if len(block) == _ROWS_PER_BLOCK:
                    _write(file, block)
                    block = []
                self.n_rows += 1
                yield row
            _write(file, block)

    def keep(self, rows: Iterable[Row]) -> None:
        """Take all rows."""
        for _ in self.passing(rows):
            pass

    def __iter__(self) -> Iterator[Row]:
        with self._path.open("rb") as file:
            while head := file.read(_LENGTH.size):
                block = marshal.loads(file.read(_LENGTH.unpack(head)[0]))
                yield from map(Row._make, block)

    def remove(self) -> None:
        """Free the disk."""
        self._path.unlink(missing_ok=True)


def _write(file: BinaryIO, block: list[tuple[object, ...]]) -> None:
    packed = marshal.dumps(block)
    with disk_errors(file.name):
        file.write(_LENGTH.pack(len(packed)) + packed)
        file.flush()  # a full disk is met here, and not where the file is closed
