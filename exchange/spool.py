"""Many bodies of bytes put away and fetched again: in memory while they are few, in a temporary file beyond that.

A register of a hundred thousand rows is a hundred megabytes of records that wait until the last row is read.
"""

from __future__ import annotations

import os
import weakref
from array import array
from tempfile import TemporaryFile
from typing import IO

IN_MEMORY = 4_000_000
_AHEAD = 1 << 16


class Spool:
    """Gives a number for each body put away, and the body for the number. `in_memory` is in bytes."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._most = in_memory
        self._recent = bytearray()
        self._written = 0
        self._ends = array("Q", [0])
        self._file: IO[bytes] | None = None
        self._ahead, self._from, self._next = b"", 0, -1

    def put(self, body: bytes) -> int:
        """Put a body away. Gives its number."""
        ends = self._ends
        ends.append(ends[-1] + len(body))
        self._recent += body
        if len(self._recent) > self._most:
            self._write()
        return len(ends) - 1

    def get(self, number: int) -> bytes:
        """Give the body of a number."""
        start, end = self._ends[number - 1], self._ends[number]
        if start >= self._written:
            return bytes(self._recent[start - self._written : end - self._written])
        if start < self._from or end > self._from + len(self._ahead):
            self._read(start, end - start)
        self._next = number + 1
        return self._ahead[start - self._from : end - self._from]

    def _read(self, start: int, length: int) -> None:
        """Read a body, and some of what follows where bodies are fetched one after the other."""
        assert self._file is not None
        follows = self._next >= 0 and self._ends[self._next - 1] == start
        self._ahead = os.pread(self._file.fileno(), max(length, _AHEAD) if follows else length, start)
        self._from = start

    def _write(self) -> None:
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 - it lives as long as the spool does
            weakref.finalize(self, self._file.close)
        self._file.write(self._recent)
        self._file.flush()
        self._written += len(self._recent)
        self._recent = bytearray()
