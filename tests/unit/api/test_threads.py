"""A step to a thread: what it gives, what it carries, and the bound that it keeps."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest
from anyio import to_thread

from api.threads import in_thread

_NAME = ContextVar("_NAME", default="")


def test_a_call_gives_what_it_gives_elsewhere() -> None:
    """The result or the error comes back, the context goes along, and no place is kept."""

    def fail() -> None:
        raise ValueError("no")

    async def go() -> None:
        _NAME.set("mine")
        here = threading.get_ident()
        assert await in_thread(lambda: (_NAME.get(), threading.get_ident() != here)) == ("mine", True)
        with pytest.raises(ValueError, match="no"):
            await in_thread(fail)
        assert to_thread.current_default_thread_limiter().borrowed_tokens == 0

    asyncio.run(go())


def test_threads_are_bounded_together() -> None:
    """Calls keep to the bound of all threads: those beyond it wait, and all are answered."""
    most, now, lock = [0], [0], threading.Lock()

    def call() -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.01)
        with lock:
            now[0] -= 1
        return 1

    async def go() -> int:
        to_thread.current_default_thread_limiter().total_tokens = 3
        mixed = [in_thread(call) if one % 2 else to_thread.run_sync(call) for one in range(20)]
        return sum(await asyncio.gather(*mixed))

    assert asyncio.run(go()) == 20
    assert most[0] <= 3
