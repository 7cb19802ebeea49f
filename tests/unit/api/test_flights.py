"""One piece of work for all who wait for it."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from api.flights import Flights


def test_those_who_wait_share_one_answer_and_the_next_gets_a_new_one() -> None:
    """Work for one key runs once at a time; for another key it runs beside it."""
    begun: list[str] = []

    async def work(key: str) -> str:
        begun.append(key)
        await asyncio.sleep(0.01)
        return f"{key}{len(begun)}"

    async def go() -> list[str]:
        flights = Flights()
        first = await asyncio.gather(*(flights.once(key, partial(work, key)) for key in "aaba"))
        return [*first, await flights.once("a", partial(work, "a"))]

    assert asyncio.run(go()) == ["a2", "a2", "b2", "a2", "a3"]


def test_one_who_goes_away_takes_nothing_from_the_others() -> None:
    """The first to ask may be cut off: the work goes on for those who wait."""

    async def work() -> int:
        await asyncio.sleep(0.05)
        return 7

    async def go() -> int:
        flights = Flights()
        first = asyncio.create_task(flights.once("key", work))
        second = asyncio.create_task(flights.once("key", work))
        await asyncio.sleep(0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(go()) == 7


def test_a_failure_is_told_to_all_and_kept_for_nobody() -> None:
    """Work that fails fails for those who waited, and is done again for the next."""
    tries: list[int] = []

    async def work() -> int:
        tries.append(1)
        await asyncio.sleep(0.01)
        if len(tries) == 1:
            raise ValueError("the first time")
        return 7

    async def go() -> tuple[list[int | BaseException], int]:
        flights = Flights()
        failed = await asyncio.gather(*(flights.once("key", work) for _ in range(3)), return_exceptions=True)
        return failed, await flights.once("key", work)

    failed, then = asyncio.run(go())
    assert [str(one) for one in failed] == ["the first time"] * 3
    assert then == 7


def test_who_needs_work_that_begins_now_waits_for_what_is_under_way_and_shares_the_next() -> None:
    """Nobody who asks for work anew is given what began before, and those who ask at once share one."""
    begun: list[int] = []
    land = asyncio.Event()

    async def work() -> int:
        begun.append(1)
        made = len(begun)
        await land.wait()
        return made

    async def go() -> list[int]:
        flights = Flights()
        first = asyncio.create_task(flights.anew("key", work))
        await asyncio.sleep(0)
        others = [asyncio.create_task(flights.anew("key", work)) for _ in range(5)]
        await asyncio.sleep(0.01)  # all of them wait now, however long the first takes
        assert len(begun) == 1
        land.set()
        return [*await asyncio.gather(*others), await first]

    assert asyncio.run(go()) == [2, 2, 2, 2, 2, 1]


def test_work_that_failed_is_begun_anew_for_those_who_waited_for_it() -> None:
    """A failure of what was under way is not theirs."""
    tries: list[int] = []

    async def work() -> int:
        tries.append(1)
        await asyncio.sleep(0.01)
        if len(tries) == 1:
            raise ValueError("the first time")
        return 7

    async def go() -> list[int | BaseException]:
        flights = Flights()
        first = asyncio.create_task(flights.anew("key", work))
        await asyncio.sleep(0)
        return [*await asyncio.gather(first, flights.anew("key", work), return_exceptions=True)]

    failed, then = asyncio.run(go())
    assert isinstance(failed, ValueError)
    assert then == 7
