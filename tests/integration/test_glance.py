"""Reading in the driver's own words: what a session would find, nothing written, and the same faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from federation import glance
from federation.database import Database, DatabaseFault

_ONE = {"sqlite": "SELECT n FROM counter", "postgresql": "SELECT n FROM counter"}
_RAISE = {"sqlite": "UPDATE counter SET n = n + 1", "postgresql": "UPDATE counter SET n = n + 1"}
_WRONG = {"sqlite": "SELECT nothing FROM nowhere", "postgresql": "SELECT nothing FROM nowhere"}
_GIVEN = {"sqlite": "SELECT ?", "postgresql": "SELECT %s::text"}


def test_a_glance_finds_what_a_session_finds(database: Database) -> None:
    """Both ask the same statements."""
    with glance.glance(database) as alone, database.read() as session:
        assert [tuple(row) for row in alone.ask(_ONE)] == [tuple(row) for row in glance.of(session).ask(_ONE)]
        assert [row[0] for row in alone.ask(_GIVEN, "a'b")] == ["a'b"]


def test_nothing_is_written_and_a_fault_is_the_database_s_own(database: Database) -> None:
    """A statement that writes or that cannot be read raises what a session raises; the next glance is well."""
    for texts in (_RAISE, _WRONG):
        with pytest.raises(DatabaseFault), glance.glance(database) as alone:
            alone.ask(texts)
    with glance.glance(database) as alone:
        assert len(alone.ask(_ONE)) == 1


def test_one_glance_is_of_one_moment(database: Database) -> None:
    """What is committed meanwhile is seen by the next one."""
    with glance.glance(database) as alone:
        before = alone.ask(_ONE)[0][0]
        with database.write() as session:
            session.connection().exec_driver_sql(_RAISE[database.dialect])
        assert alone.ask(_ONE)[0][0] == before
    with glance.glance(database) as later:
        assert later.ask(_ONE)[0][0] == before + 1


def test_times_are_read_as_both_databases_store_them() -> None:
    """Text without a zone is UTC; a time is told in UTC."""
    told = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
    assert glance.moment("2026-11-02 09:30:00.000000") == told
    assert glance.moment(told.astimezone(timezone(timedelta(hours=2)))) == told
