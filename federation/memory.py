"""What glibc keeps of memory that was freed, so that large pages do not stay for ever (0024). Others are left alone."""

from __future__ import annotations

from functools import cache
from typing import Any

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # M_MMAP_THRESHOLD and M_ARENA_MAX of glibc's malloc.h
_LARGE = 1024 * 1024
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


@cache
def frugal() -> None:
    """Give large blocks back at once, and keep two heaps, not one a thread. To be said before there are many."""
    if _glibc() is not None:
        _glibc().mallopt(_MMAP_THRESHOLD, _LARGE)
        _glibc().mallopt(_ARENA_MAX, _ARENAS)


def trim() -> None:
    """Give back what is free now, wherever it lies."""
    if _glibc() is not None:
        _glibc().malloc_trim(0)
