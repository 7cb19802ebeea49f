"""How often somebody asked, counted in memory: of one process, or together by those of one server, who share it.

A table of a fixed size, and no lock: a process that is paused while it counts keeps no other waiting. Two that count
the same at one instant may count as one.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from mmap import mmap

_SLOT = struct.Struct("@QdQ")
"""Whose count it is, when its window ends, and how many were counted in it: each stored at once, in native form."""
_ROWS, _ROW = 8_192, 8 * _SLOT.size
SIZE = _ROWS * _ROW
"""Bytes of memory: for 65,536 counts, of which those that end first are forgotten where a row is full."""


class Counts:
    """Counts in `SIZE` bytes of memory, which were zero when the first process began; by itself in its own."""

    def __init__(self, memory: memoryview | None = None) -> None:
        # Anonymous pages take up no room before something is counted in them.
        self._memory = memoryview(mmap(-1, SIZE)) if memory is None else memory.cast("B")

    def count(self, name: str, now: float, window: int) -> tuple[float, int]:
        """Count once more under a name. Gives when the window ends that began with its first, and how many there were.

        `now` is of a clock that all processes have in common.
        """
        mark = int.from_bytes(blake2b(name.encode(), digest_size=8).digest())
        start = mark % _ROWS * _ROW
        at, first = start, float("inf")
        for place, (held, ends, counted) in enumerate(_SLOT.iter_unpack(self._memory[start : start + _ROW])):
            if held == mark and now < ends <= now + 2 * window:  # a later end was not read whole
                _SLOT.pack_into(self._memory, start + place * _SLOT.size, mark, ends, counted + 1)
                return ends, counted + 1
            if ends < first:
                at, first = start + place * _SLOT.size, ends
        _SLOT.pack_into(self._memory, at, mark, now + window, 1)
        return now + window, 1
