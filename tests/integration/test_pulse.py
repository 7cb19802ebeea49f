"""Where the log stands: asked seldom, and never believed too long."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event

from federation import log, publishers
from federation.database import Database
from federation.pulse import DUE, FRESH, Pulse, Standing, count
from tests.contract.world import publish, withdraw
from tests.services import EXAMPLESHIRE, NODE, NOW


@pytest.fixture
def base(database: Database) -> Database:
    """Give a database with one publisher."""
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW)
    return database


def _tool(number: int, name: str = "PlanWise") -> dict[str, str]:
    return {"reference": f"T{number}", "name": name}


def test_an_answer_is_believed_for_a_moment_and_not_after_it(base: Database) -> None:
    """Within FRESH seconds the standing is known, and it is time to ask again before they end."""
    time = [100.0]
    pulse = Pulse(base, lambda: time[0])
    assert pulse.known() is None
    assert pulse.due
    standing = pulse.ask()
    with base.read() as session:
        assert standing == Standing(log.latest(session), publishers.epoch(session))
    assert not pulse.due
    time[0] += FRESH - 0.001
    assert pulse.known() is standing
    assert pulse.due
    time[0] += 0.002
    assert pulse.known() is None
    assert pulse.ask() is standing


def test_nothing_is_known_after_a_write_of_this_process(base: Database) -> None:
    """A write, and one that failed, make the next one ask."""
    pulse = Pulse(base, lambda: 0.0)
    before = pulse.ask()
    publish(base, {"tool": [_tool(1)]})
    assert pulse.known() is None
    assert pulse.ask().latest == before.latest + 1
    with pytest.raises(ValueError, match="no"), base.write():
        raise ValueError("no")
    assert pulse.known() is None


def test_a_write_during_the_question_makes_its_answer_one_to_be_asked_again(base: Database) -> None:
    """An answer that may be older than a write of this process is not believed."""

    def during() -> float:
        base.writes += 1
        return 0.0

    pulse = Pulse(base, during)
    pulse.ask()
    assert pulse.known() is None


def test_those_who_ask_at_once_get_one_answer(base: Database) -> None:
    """Threads that ask together are given the same object."""
    pulse = Pulse(base, lambda: 0.0)
    with ThreadPoolExecutor(8) as threads:
        found = [one.result() for one in [threads.submit(pulse.ask) for _ in range(32)]]
    assert len({id(one) for one in found}) == 1


def test_a_stretch_of_the_log_loses_what_changes_and_gains_nothing(base: Database) -> None:
    """The count of a stretch falls by one with each of its records that changes, whatever else is written."""
    publish(base, {"tool": [_tool(number) for number in range(10)]})
    counts = []
    for step in range(3):
        with base.read() as session:
            counts.append((count(session, 1, 11), count(session, 1, 11, "tool"), count(session, 1, 11, "contract")))
        publish(base, {"tool": [_tool(step, "Renamed"), _tool(20 + step)]})
    assert counts == [(10, 10, 0), (9, 9, 0), (8, 8, 0)]


def test_a_tombstone_moves_too(base: Database) -> None:
    """A record that is withdrawn leaves its place in the log."""
    publish(base, {"contract": [{"reference": "C1", "title": "One"}]})
    withdraw(base, "C1", "error")
    with base.read() as session:
        assert count(session, 0, 2) == 1
        assert count(session, 0, 3) == 2


def test_asking_when_it_is_time_brings_what_another_process_wrote(base: Database) -> None:
    """An answer that is still believed is replaced once it is time to ask again, and not before."""
    time = [0.0]
    pulse = Pulse(base, lambda: time[0])
    before = pulse.ask()
    other = Database(base.url)
    try:
        publish(other, {"tool": [_tool(1)]})
    finally:
        other.dispose()
    assert pulse.ask() is before
    time[0] += DUE + 0.001
    assert pulse.known() is before
    assert pulse.ask().latest == before.latest + 1
    assert pulse.known() is pulse.ask()


@pytest.mark.parametrize("kind", [None, "tool"])
def test_a_page_anywhere_in_the_log_is_found_by_an_index(base: Database, kind: str | None) -> None:
    """A page and a count start at their number, with a kind and without: the last page costs what the first does."""
    if base.dialect != "sqlite":
        pytest.skip("plans of PostgreSQL depend on its statistics")
    with base.read() as session:
        asked: list[tuple[str, Any]] = []
        engine = session.get_bind()
        event.listen(engine, "before_cursor_execute", lambda _c, _k, sql, values, *_: asked.append((sql, values)))
        log.after(session, 7, kind=kind)
        count(session, 7, 9, kind)
        for sql, values in asked[:]:
            if "FROM record" in sql:
                plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
                assert [row[3].partition(" ")[0] for row in plan] == ["SEARCH"], plan
                assert "number>?" in plan[0][3]
                assert ("kind=?" in plan[0][3]) is (kind is not None)
