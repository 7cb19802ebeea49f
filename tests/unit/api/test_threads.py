"""A step to a thread: what it gives, what it carries, and how few there are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from functools import partial
from pathlib import Path

import pytest

from api.threads import FEW, in_few
from federation.database import Database
from federation.index import Slow, hurried

_NAME = ContextVar("_NAME", default="")


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    """Yield a database in a file: what is tried here does not ask it."""
    made = Database(f"sqlite:///{tmp_path / 'f.db'}")
    yield made
    made.dispose()


def test_a_call_gives_what_it_gives_elsewhere(base: Database) -> None:
    """The result or the error comes back, and the context goes along."""

    def fail() -> None:
        raise ValueError("no")

    async def go() -> None:
        _NAME.set("mine")
        here = threading.get_ident()
        assert await in_few(base, lambda: (_NAME.get(), threading.get_ident() != here)) == ("mine", True)
        with pytest.raises(ValueError, match="no"):
            await in_few(base, fail)

    asyncio.run(go())


def test_few_threads_read_at_once(base: Database) -> None:
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

    async def go() -> Sequence[int]:
        return await asyncio.gather(*(in_few(base, partial(call, number)) for number in range(40)))

    assert asyncio.run(go()) == list(range(40))
    assert most[0] == FEW
    assert all(abs(place - number) < FEW for place, number in enumerate(begun))


def test_what_may_wait_is_called_where_nobody_waits_for_it(base: Database) -> None:
    """A search that would wait is made again by who has time, and all the few threads go on meanwhile."""
    begun, end = [threading.Event() for _ in range(FEW + 1)], threading.Event()

    def dear(number: int) -> str:
        if hurried.get():
            raise Slow
        begun[number].set()
        assert end.wait(20)
        return "dear"

    async def go() -> list[str]:
        slow = [asyncio.create_task(in_few(base, partial(dear, number))) for number in range(FEW + 1)]
        for one in begun:
            await asyncio.to_thread(one.wait, 20)
        quick = await in_few(base, lambda: "quick")
        end.set()
        return [quick, *await asyncio.gather(*slow)]

    assert asyncio.run(go()) == ["quick"] + ["dear"] * (FEW + 1)
