"""Wait for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(met: Callable[[], object], seconds: float = 60, told: str = "what is waited for") -> None:
    """Wait until something holds. Raises `AssertionError` with what was waited for."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {told}"
        time.sleep(0.02)
