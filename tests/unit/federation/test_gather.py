"""Loads of pages: how much waits, in which order it is written, and what becomes of a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from federation import gather
from federation.gather import Desk, Gather, Load
from federation.verdicts import Judged, Trouble


def page(*names: str) -> Judged:
    """A page whose records stand."""
    return Judged(standing=list(names))


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, soon."""
    asyncio.run(asyncio.wait_for(work, 10))


class Store:
    """What was written: the names and the place of each load."""

    def __init__(self, *, fault: Exception | None = None) -> None:
        self.written: list[tuple[list[str], int]] = []
        self.fault = fault

    async def write(self, load: Load[int]) -> None:
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        self.written.append((load.judged.standing, load.place))


def test_pages_are_written_together_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages wait until there are enough rows; each load goes with the place after its last page."""
    monkeypatch.setattr(gather, "MAX_ROWS", 3)
    store = Store()

    async def go() -> None:
        pages = Gather(Desk(), store.write)
        for place, name in enumerate("abcde", 1):
            await pages.add(page(name), place, 1, 10)
        await pages.flush()
        assert pages.waiting() == set()

    run(go())
    assert store.written == [(["a", "b", "c"], 3), (["d", "e"], 5)]


def test_refused_items_count_as_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed of nothing but faults does not gather them without end."""
    monkeypatch.setattr(gather, "MAX_ROWS", 2)
    load = Load(Judged(), 0, 1, 0)
    load.add(Judged(refused=[Trouble("schema", "", "No."), Trouble("schema", "", "No.")], named=["a", "b"]), 1, 1, 1)
    assert Desk().full(load)


def test_visits_share_what_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The more visits gather at a time the less each may hold."""
    monkeypatch.setattr(gather, "MAX_BYTES", 100)
    desk, load = Desk(), Load(page("a"), 1, 1, 60)
    assert not desk.full(load)
    with desk.reader(), desk.reader():
        assert desk.full(load)
    assert not desk.full(load)


def test_nothing_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow feed's page is not kept back for others that do not come."""
    monkeypatch.setattr(gather, "MAX_SECONDS", 0.0)
    assert Desk().full(Load(page("a"), 1, 1, 1))


def test_record_in_two_pages_is_written_twice() -> None:
    """A record that changed between two pages keeps both states, one after the other."""
    store = Store()

    async def go() -> None:
        pages = Gather(Desk(), store.write)
        await pages.add(page("a", "b"), 1, 1, 1)
        await pages.add(page("b", "c"), 2, 1, 1)
        assert pages.waiting() == {"a", "b", "c"}
        await pages.flush()

    run(go())
    assert store.written == [(["a", "b"], 1), (["b", "c"], 2)]


def test_fault_of_a_write_reaches_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that failed in the background is raised at the next page, and nothing after it is written."""
    monkeypatch.setattr(gather, "MAX_ROWS", 1)
    store = Store(fault=RuntimeError("gone"))

    async def go() -> None:
        pages = Gather(Desk(), store.write)
        await pages.add(page("a"), 1, 1, 1)
        with pytest.raises(RuntimeError, match="gone"):
            await pages.add(page("b"), 2, 1, 1)
        await pages.close()

    run(go())
    assert store.written == []


def test_rest_waits_for_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed to the last transaction is all that no earlier one brought, once those are done."""
    monkeypatch.setattr(gather, "MAX_ROWS", 2)
    store = Store()

    async def go() -> None:
        pages = Gather(Desk(), store.write)
        await pages.add(page("a", "b"), 1, 1, 1)
        await pages.add(page("c"), 2, 1, 1)
        rest = await pages.rest()
        assert store.written == [(["a", "b"], 1)]
        assert rest is not None
        assert (rest.judged.standing, rest.place) == (["c"], 2)
        assert await pages.rest() is None

    run(go())


def test_closing_forgets_what_waits_and_ends_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A visit that breaks off writes no more, but what was under way has ended before it is left."""
    monkeypatch.setattr(gather, "MAX_ROWS", 2)
    store = Store()

    async def go() -> None:
        pages = Gather(Desk(), store.write)
        await pages.add(page("a", "b"), 1, 1, 1)
        await pages.add(page("c"), 2, 1, 1)
        await pages.close()
        await pages.flush()

    run(go())
    assert store.written == [(["a", "b"], 1)]
