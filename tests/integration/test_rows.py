"""Rows in bulk: what is put in comes out, on both databases, in any number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, StatementError

from federation import rows
from federation.database import Database, DatabaseFault, table
from schema.tables import Node, Publisher, Record, Shadow

COLUMNS = (
    "id", "kind", "publisher", "number", "deleted", "data", "origin", "via", "reason", "moved_to", "origin_node", "seq",
    "rank", "signature", "changed",
)  # fmt: skip
ODD = "é\u2028 'quoted\" %s {values} ?"


def _row(number: int, changed: object, data: bytes | None = b"{}", name: str = "") -> rows.Row:
    said = (f"https://exa.example/{name or number}", "contract", "GB-LAE-EXA", number, data is None, data, b"\x00\xff")
    return (*said, None, None, None, ODD, 2**53 - 1, 2, "absent", changed)


def _all(database: Database, *columns: str) -> list[tuple[Any, ...]]:
    with database.read() as session:
        chosen = select(*(table(Record).c[name] for name in columns)).order_by(table(Record).c.number)
        return [tuple(row) for row in session.connection().execute(chosen)]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 145, 300])
def test_all_rows_land(database: Database, now: datetime, count: int) -> None:
    """However many rows are added, each lands once with every value as it was, the time in UTC."""
    with database.write() as session:
        changed = rows.ready(session, table(Record).c.changed, now)
        rows.add(session, Record, COLUMNS, [_row(number, changed) for number in range(1, count + 1)])
    assert _all(database, *COLUMNS) == [_row(number, now) for number in range(1, count + 1)]


def test_change_finds_by_the_first_column(database: Database, now: datetime) -> None:
    """Rows are changed where they stand and keep their row numbers; what is not there is not made."""
    with database.write() as session:
        changed = rows.ready(session, table(Record).c.changed, now)
        rows.add(session, Record, COLUMNS, [_row(number, changed) for number in (1, 2, 3)])
    before = _all(database, "row", "id")
    with database.write() as session:
        new = [_row(12, changed, None, "2"), _row(99, changed, None, "nobody"), _row(13, changed, b"[]", "3")]
        rows.change(session, Record, COLUMNS, new)
        rows.change(session, Record, COLUMNS, [_row(11, changed, b"1", "1")])
    assert sorted(_all(database, "row", "id")) == sorted(before)
    assert _all(database, "number", "data", "deleted") == [(11, b"1", False), (12, None, True), (13, b"[]", False)]


def test_put_replaces_by_its_keys(database: Database, now: datetime) -> None:
    """What stands with the same keys is replaced, the rest added; where there is nothing but keys it stays."""
    columns = (*COLUMNS[:3], "node_id", *COLUMNS[4:-1])

    def shadow(name: str, data: bytes) -> rows.Row:
        row = _row(1, now, data, name)
        return (*row[:3], 1, *row[4:-1])

    with database.write() as session:
        node = {"id": 1, "key": "k", "url": "u", "name": "n", "role": "node", "relays": False, "state": "active"}
        node |= {"manifest": b"", "prefixes": "{}", "added": now}
        session.connection().execute(table(Node).insert().values(node))
        rows.put(session, Shadow, columns, [shadow("a", b"1"), shadow("b", b"1")], ("id", "node_id"))
        rows.put(session, Shadow, columns, [shadow("b", b"2"), shadow("c", b"2")], ("id", "node_id"))
        found = rows.find(session, Shadow, ("data",), [shadow(name, b"")[0] for name in "abc"])
    assert sorted(found) == [(b"1",), (b"2",), (b"2",)]


def test_same_tells_equal_from_nearly_equal(database: Database, now: datetime) -> None:
    """A row stands where every value is the same, absent ones included; a byte, a null or another id is not."""
    columns = ("id", "data", "reason", "seq")
    with database.write() as session:
        changed = rows.ready(session, table(Record).c.changed, now)
        added = [_row(n, changed) for n in range(1, 200)] + [_row(200, changed, None)]
        rows.add(session, Record, COLUMNS, added)
    said = [(row[0], row[5], row[8], row[11]) for row in added]
    odd = {
        said[0][0]: (said[0][0], b"{ }", None, said[0][3]),
        said[1][0]: (said[1][0], None, None, said[1][3]),
        said[2][0]: (said[2][0], b"{}", "error", said[2][3]),
        said[199][0]: (said[199][0], b"{}", None, said[199][3]),
    }
    with database.read() as session:
        assert rows.same(session, Record, columns, said) == {row[0] for row in said}
        asked = [odd.get(row[0], row) for row in said] + [("https://exa.example/none", b"{}", None, 1)]
        assert rows.same(session, Record, columns, asked) == {row[0] for row in said} - odd.keys()
        assert rows.same(session, Record, columns, []) == set()


def test_a_fault_has_the_databases_name(database: Database, now: datetime) -> None:
    """A row that breaks a rule of the table raises what every fault of the database is caught by."""
    twice = [_row(1, now), _row(1, now)]

    def write() -> None:
        with database.write() as session:
            rows.add(
                session,
                Record,
                COLUMNS,
                [(*row[:-1], rows.ready(session, table(Record).c.changed, now)) for row in twice],
            )

    with pytest.raises(DatabaseFault) as fault:
        write()
    assert isinstance(fault.value, DBAPIError)
    assert _all(database, "id") == []


def test_a_time_without_a_zone_is_refused(database: Database, now: datetime) -> None:
    """A time that does not say its zone is not stored; one of another zone is had back as the instant in UTC."""
    elsewhere = now.astimezone(timezone(timedelta(hours=5)))
    made = {"id": "GB-LAE-EXA", "id_prefix": "https://exa.example/id/GB-LAE-EXA/", "relation": "own"}
    with database.write() as session:
        connection = session.connection()
        with pytest.raises(StatementError, match="a time without a zone cannot be stored"):
            connection.execute(table(Publisher).insert().values(made | {"created": now.replace(tzinfo=None)}))
        connection.execute(table(Publisher).insert().values(made | {"created": elsewhere}))
        (found,) = connection.execute(select(table(Publisher).c.created)).scalars()
    assert (found, found.tzinfo) == (now, UTC)
