"""A step to a thread: what it gives, what it carries, and how few there are."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from functools import partial

import pytest

from api.threads import FEW, in_thread

_NAME = ContextVar("_NAME", default="")


def test_a_call_gives_what_it_gives_elsewhere() -> None:
    """The result or the error comes back, and the context goes along."""

    def fail() -> None:
        raise ValueError("no")

    async def go() -> None:
        _NAME.set("mine")
        here = threading.get_ident()
        assert await in_thread(lambda: (_NAME.get(), threading.get_ident() != here)) == ("mine", True)
        with pytest.raises(ValueError, match="no"):
            await in_thread(fail)

    asyncio.run(go())


def test_few_threads_read_at_once() -> None:
    """However many ask, a few threads read, in the order of asking; and all are answered."""
    most, now, lock, begun = [0], [0], threading.Lock(), list[int]()

    def call(number: int) -> int:
        with lock:
            begun.append(number)
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.005)
        with lock:
            now[0] -= 1
        return number

    async def go() -> list[int]:
        return await asyncio.gather(*(in_thread(partial(call, number)) for number in range(40)))

    assert asyncio.run(go()) == list(range(40))
    assert most[0] == FEW
    assert all(abs(place - number) < FEW for place, number in enumerate(begun))
