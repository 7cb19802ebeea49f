"""What glibc keeps of memory that was freed, so that large pages do not stay for ever (0024, 0025)."""

from __future__ import annotations

from functools import cache
from typing import Any

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # M_MMAP_THRESHOLD and M_ARENA_MAX of glibc's malloc.h
READ, SERVED = 1024 * 1024, 128 * 1024
"""Bytes above which a block is given back at once: of pages that are read one after the other, and of those that are
kept for whoever asks next, which in a heap would leave holes that no other page fills."""
_ARENAS = 2


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
