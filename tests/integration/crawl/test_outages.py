"""T16: a database that is away for a while stops the crawl, not the daemon, and no node is blamed for it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from structlog.testing import capture_logs

from federation import leases, rounds
from federation.outages import is_fault, is_full, is_outage, sentence
from folkmoot import failures
from tests.integration.crawl.world import Aggregator, World, feed, problems, rows

FULL = OperationalError("INSERT", None, sqlite3.OperationalError("database or disk is full"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "FAULT_SECONDS", 0.01)
    monkeypatch.setattr(rounds, "IDLE_SECONDS", 0.01)


def _failing(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> None:
    """Let a step of the lease meet a full disk so many times."""
    whole: Callable[..., Any] = getattr(leases, name)
    left = [times]

    def step(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise FULL
        return whole(*args, **kwargs)

    monkeypatch.setattr(leases, name, step)


def _crawled(moot: Aggregator) -> list[rounds.TurnResult]:
    """Let the daemon run until a feed was read to its end."""
    results: list[rounds.TurnResult] = []

    async def go() -> None:
        stop = asyncio.Event()

        def told(result: rounds.TurnResult) -> None:
            results.append(result)
            stop.set()

        crawler = moot.crawler(workers=2)
        crawler.told = told
        await asyncio.wait_for(crawler.run(stop), 20)

    asyncio.run(go())
    return results


@pytest.mark.parametrize("step", ["claim", "hold", "change", "give_back"])
def test_t16_a_full_disk_is_waited_for(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Wherever a visit meets a full disk, it is made again when there is room, told in one line, and none is blamed."""
    node = world.node()
    for n in range(5):
        node.put("contract", f"C-{n}")
    moot.add(node)
    _failing(monkeypatch, step, 3)
    with capture_logs() as logs:
        (result,) = _crawled(moot)
    assert (result.outcome, len(rows(moot.database)), problems(moot.database)) == ("ended", 7, [])
    assert (feed(moot.database).fails, feed(moot.database).owner) == (0, None)
    waits = [line for line in logs if "waits" in line["event"]]
    assert [line["error"] for line in waits][:1] == ["database or disk is full"]
    assert any("goes on" in line["event"] for line in logs)


def test_t16_a_heartbeat_outlives_an_outage(moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal that meets a full disk is tried again; the visit goes on under the lease that it has."""
    moot.add(world.node())
    _failing(monkeypatch, "renew", 1)
    get = world.get

    async def slowly(url: str, headers: Any = None) -> Any:
        await asyncio.sleep(1.2)
        return await get(url, headers)

    monkeypatch.setattr(world, "get", slowly)
    (result,) = moot.crawl(lease_seconds=6)
    assert result.outcome == "ended"


def test_t16_a_stopped_crawl_waits_no_longer(moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that is told to end while the disk is full ends."""
    moot.add(world.node())
    _failing(monkeypatch, "hold", 10**9)
    _failing(monkeypatch, "let_go", 10**9)

    async def go() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stop.set)
        await asyncio.wait_for(moot.crawler(workers=2).run(stop), 20)

    asyncio.run(go())
    assert rows(moot.database).keys() == {f"{moot.url}/id/XM-TEST-AGG/organisation/XM-TEST-AGG"}


def test_t16_crawl_once_ends_in_a_sentence(moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`crawl --once` does not wait: what its tasks met together is told as one."""
    moot.add(world.node())
    _failing(monkeypatch, "hold", 10**9)
    with pytest.raises(BaseExceptionGroup) as met:
        asyncio.run(moot.crawler().once())
    told = failures.sentence(met.value)
    assert told is not None
    assert told.startswith("The database ")
    assert "disk is full" in told
    assert failures.sentence(BaseExceptionGroup("", [KeyError("a fault of ours")])) is None


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t16_a_full_database_is_a_full_disk(moot: Aggregator) -> None:
    """What the driver raises where no page more can be had is an outage and a full disk; a locked database is not."""
    with moot.database.write() as session:
        session.connection().exec_driver_sql("PRAGMA max_page_count = 1")  # it is never less than what there is
        with pytest.raises(OperationalError) as met:
            session.connection().exec_driver_sql("CREATE TABLE more AS SELECT randomblob(1000000) AS all_of_it")
        session.rollback()
    assert (is_outage(met.value), is_full(met.value)) == (True, True)
    assert not is_full(OperationalError("INSERT", None, sqlite3.OperationalError("database is locked")))
    assert is_full(OperationalError("INSERT", None, psycopg.errors.DiskFull("no space left on device")))


def test_t16_what_was_asked_wrongly_is_no_outage() -> None:
    """A broken constraint is a fault of ours, and waiting does not mend it."""
    assert is_outage(FULL)
    assert sentence(FULL) == "database or disk is full"
    assert not is_outage(IntegrityError("INSERT", None, sqlite3.IntegrityError("UNIQUE constraint failed")))
    assert not is_outage(KeyError("a"))
    assert not is_fault(KeyError("a"))


def test_t16_what_the_driver_says_itself_is_known() -> None:
    """Rows go by COPY and by the driver's cursor too: what those raise is wrapped otherwise, or not at all."""
    plain = sqlite3.OperationalError("disk I/O error")
    assert is_outage(plain)
    assert is_fault(plain)
    assert is_outage(DBAPIError("COPY", None, plain))
    assert not is_outage(DBAPIError("COPY", None, sqlite3.DataError("too large")))
    assert is_outage(DBAPIError("COPY", None, plain, connection_invalidated=True))


def test_t16_workers_that_met_it_together_are_told_in_one_line() -> None:
    """A group of outages is an outage, told as its first; with another fault among them it is none."""
    together = ExceptionGroup("workers", [FULL, ExceptionGroup("more", [FULL])])
    assert is_outage(together)
    assert sentence(together) == sentence(FULL)
    assert not is_outage(ExceptionGroup("workers", [FULL, KeyError("a")]))
