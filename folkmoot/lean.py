"""What a server need not import: it waits for less and holds less."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def serving() -> None:
    """Import structlog without rich, by which it would draw tracebacks in colour, and uvicorn without its reloader.

    5.5 MB and 75 ms of a server's start. Whoever imports rich or watchfiles later gets them.
    """
    with _without("rich"):
        import structlog  # noqa: F401 - this is the moment to import it
    with _without("watchfiles"):
        import uvicorn  # noqa: F401 - and this


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Let a module not be there for a moment; nothing happens where it has been imported before."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # so Python itself notes a module that there is not
    try:
        yield
    finally:
        del sys.modules[name]
