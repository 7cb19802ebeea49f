"""Many bodies of bytes put away and fetched again: in memory while they are few, in a temporary file beyond that.

A register of a hundred thousand rows is a hundred megabytes of records that wait until the last row is read.
"""

from __future__ import annotations

import os
import weakref
from tempfile import TemporaryFile
from typing import IO

IN_MEMORY = 4_000_000
_LENGTH = 32
_MASK = (1 << _LENGTH) - 1


class Spool:
    """Gives a number for each body put away, and the body for the number. `in_memory` is in bytes."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._most = in_memory
        self._recent = bytearray()
        self._written = 0
        self._file: IO[bytes] | None = None

    def put(self, body: bytes) -> int:
        """Put a body away. Gives its number."""
        recent = self._recent
        number = (self._written + len(recent)) << _LENGTH | len(body)
        recent += body
        if len(recent) > self._most:
            self._write()
        return number

    def get(self, number: int) -> bytes:
        """Give the body of a number."""
        start, length = number >> _LENGTH, number & _MASK
        if start >= self._written:
            start -= self._written
            return bytes(self._recent[start : start + length])
        assert self._file is not None
        return os.pread(self._file.fileno(), length, start)

    def _write(self) -> None:
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 - it lives as long as the spool does
            weakref.finalize(self, self._file.close)
        self._file.write(self._recent)
        self._file.flush()
        self._written += len(self._recent)
        self._recent = bytearray()
