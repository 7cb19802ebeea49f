"""Who erases what is due, and when: the crawl, the server, in parts, once."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from federation import erasure, examining
from federation.database import Database, Reading, table
from federation.examiner import Examiner
from federation.merge import Withdrawal
from schema.tables import Erasure, Examination
from tests.integration.crawl.conftest import Run
from tests.integration.crawl.world import NOW, Aggregator, World

RECORD = "https://exa.example/id/GB-LAE-EXA/contract/C-1"
SAID = Withdrawal("https://exa.example/.well-known/folkmoot", 5, 0)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def _note(database: Database, number: int, now: datetime, record: str = RECORD) -> None:
    with database.write() as session:
        erasure.note(session, [erasure.Withdrawn(record, number, None, SAID)], now=now)


def _rows(database: Database) -> list[Any]:
    with database.read() as session:
        return list(session.connection().execute(select(table(Erasure)).order_by(table(Erasure).c.id)))


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_crawl_that_ends_erases_what_is_due(moot: Aggregator, run: Run) -> None:
    """`crawl --once` leaves nothing that was due by the database's clock."""
    _note(moot.database, 5, LONG_AGO)
    assert run("crawl", "--once")[0] == 0
    assert [row.erased is not None for row in _rows(moot.database)] == [True]


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_the_worker_erases_and_stops(database: Database) -> None:
    """Beside a server it erases at once what is due, and ends when it is told to."""
    _note(database, 5, LONG_AGO)

    async def go() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def clock(_session: Reading) -> datetime:
            loop.call_soon_threadsafe(stop.set)
            return NOW

        await erasure.Eraser(database, clock=clock).run(stop)

    asyncio.run(go())
    assert _rows(database)[0].erased == NOW


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_an_outage_is_told_once_and_a_fault_of_ours_with_its_traceback(database: Database) -> None:
    """A database that is away is one line however long it lasts, and another when it is away again."""
    full = OperationalError("COMMIT", None, sqlite3.OperationalError("database or disk is full"))
    ours = OperationalError("SELECT", None, _no_such_table())
    met, stop = iter([full, full, full, None, full, ours]), asyncio.Event()

    def clock(_session: Reading) -> datetime:
        error = next(met, KeyError("no fault of a database"))
        if error is not None:
            raise error
        return NOW

    with capture_logs() as told, pytest.raises(KeyError):
        asyncio.run(asyncio.wait_for(erasure.Eraser(database, every=0.001, clock=clock).run(stop), 20))
    assert [(line["event"].partition(";")[0], line.get("error"), "exc_info" in line) for line in told] == [
        ("the database does not serve", "database or disk is full", False),
        ("the database does not serve", "database or disk is full", False),
        ("what is due could not be erased", None, True),
    ]


def _no_such_table() -> sqlite3.OperationalError:
    with closing(sqlite3.connect(":memory:")) as empty:
        try:
            empty.execute("SELECT * FROM erasure")
        except sqlite3.OperationalError as error:
            return error
    raise AssertionError("there was such a table")


def test_a_report_of_a_check_is_kept_for_a_day(moot: Aggregator, world: World) -> None:
    """What a check quotes of a record that is withdrawn later is gone in time, though nobody asks for another check."""
    node = world.node()
    node.put("contract", "C-1", startDate="Jo Invented")
    with moot.database.write() as session:
        check = examining.ask(session, node.id, aggregator=False, now=world.now)
    assert asyncio.run(Examiner(moot.database, world.get, lambda: world.now).turn())
    for hours, quoted in ((23, True), (25, False)):
        at = world.now + timedelta(hours=hours)
        erasure.Eraser(moot.database, clock=lambda _session, at=at: at).turn()  # type: ignore[misc]
        with moot.database.read() as session:
            kept = session.connection().execute(select(table(Examination)).where(table(Examination).c.id == check))
            assert [b"Jo Invented" in row.result for row in kept] == [True] * quoted


def test_a_second_withdrawal_delays_nothing(database: Database) -> None:
    """Withdrawn again before it is erased, a record is due as before; withdrawn again afterwards, anew."""
    _note(database, 5, NOW)
    _note(database, 9, NOW + timedelta(hours=48))
    (row,) = _rows(database)
    assert (row.number, row.due, row.since) == (9, NOW + timedelta(hours=72), NOW)
    assert erasure.sweep(database, now=row.due) == 1
    _note(database, 12, NOW + timedelta(hours=100))
    (row,) = _rows(database)
    assert (row.number, row.due, row.erased) == (12, NOW + timedelta(hours=172), None)


def test_many_are_erased_in_parts(database: Database) -> None:
    """More than one transaction holds are all erased by one sweep, and none before it is due."""
    with database.write() as session:
        erasure.note(session, [erasure.Withdrawn(f"{RECORD}{n}", n + 1, None, SAID) for n in range(1_001)], now=NOW)
    assert erasure.sweep(database, now=NOW + timedelta(hours=71)) == 0
    assert erasure.sweep(database, now=NOW + timedelta(hours=72)) == 1_001
    with database.read() as session:
        assert (erasure.pending(session), erasure.newest(session)) == (0, 1_001)
