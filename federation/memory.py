"""What is kept of memory that was freed, so that large pages do not stay for ever (0024, 0025)."""

from __future__ import annotations

import mmap
from functools import cache
from typing import Any

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # M_MMAP_THRESHOLD and M_ARENA_MAX of glibc's malloc.h
READ, SERVED = 1024 * 1024, 128 * 1024
"""Bytes above which a block is given back at once: of pages that are read one after the other, and of those that are
kept for whoever asks next, which in a heap would leave holes that no other page fills."""
_ARENAS = 2
_OWN_PLACE = 32 * 1024
"""Bytes from which on what is kept has a place of its own: a place is of whole pages of 4 KB."""


@cache
def _glibc() -> Any:
    import ctypes  # noqa: PLC0415 - a server that does not crawl needs none of it

    try:
        library = ctypes.CDLL(None)
        known = library.mallopt and library.malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return library if known else None


def frugal(large: int) -> None:
    """Give blocks of more bytes back at once, and keep two heaps, not one a thread.

    To be said before there are threads: a heap that is there stays in use.
    """
    if _glibc() is not None:
        _glibc().mallopt(_MMAP_THRESHOLD, large)
        _glibc().mallopt(_ARENA_MAX, _ARENAS)


def trim() -> None:
    """Give back what is free now, wherever it lies."""
    if _glibc() is not None:
        _glibc().malloc_trim(0)


def aside(kept: bytes) -> bytes | memoryview:
    """The same bytes outside of the heap, where they are many: what is kept long lies there between what is not.

    glibc gives large blocks back at once, unless they lay in a hole of the heap; and pages that come and go put more
    and more of them there, between which holes stay that nothing fills.
    """
    if len(kept) < _OWN_PLACE:
        return kept
    place = mmap.mmap(-1, len(kept), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    place.write(kept)
    return memoryview(place).toreadonly()
