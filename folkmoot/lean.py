"""What a server need not import: it waits for less and holds less."""

from __future__ import annotations

import sys


def structlog_alone() -> None:
    """Import structlog without rich, by which it would draw tracebacks in colour: no log of ours has them drawn.

    4.7 MB and 50 ms of a server's start. Whoever imports rich later gets it.
    """
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # so Python itself notes a module that there is not
    try:
        import structlog  # noqa: F401 - this is the moment to import it
    finally:
        del sys.modules["rich"]
