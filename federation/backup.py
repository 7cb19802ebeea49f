"""A copy of the whole database at one moment, and a database made from such a copy.

The copy is an SQLite file with the same tables and rows, whichever database it was taken of; so it also moves a node
from SQLite to PostgreSQL or back. Files beside the database are not in it: the search index and the bulk files are
made anew from the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select, text, update
from sqlmodel import SQLModel

from federation import log, publishers
from federation import rows as bulk
from federation.database import Database, Reading, WriteSession, dialect, table
from schema.entry import origin_json
from schema.errors import Conflict, Misconfigured
from schema.tables import Counter, Feed, Host, Publisher, Record

LEAP = 2**32
"""How far `restore` raises the change counter (protocol section 5), and so do the fences of the feeds."""
_BATCH = 1_000
_record, _feed, _counter = table(Record), table(Feed), table(Counter)


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: how many rows, of them how many records, and up to which change number."""

    rows: int
    records: int
    number: int


def copy(source: Database, session: WriteSession) -> Copied:
    """Copy every row of a database, as they all stood at one moment, while others write to it.

    `session` is that of a migrated database that holds nothing.
    """
    count = 0
    with source.present() as reading:
        connection = _one_moment(reading)
        for each in tables():
            session.connection().execute(each.delete())
            for batch in _batches(connection, each):
                session.connection().execute(each.insert(), batch)
                count += len(batch)
    _count_on(session)
    return Copied(count, _records(session), log.latest(session))


def tables() -> list[Table]:
    """All tables, in the order in which their rows can be put in."""
    return list(SQLModel.metadata.sorted_tables)


def _one_moment(session: Reading) -> Connection:
    """All that is read on this connection is as it was when the first of it was read."""
    if dialect(session) == "sqlite":
        return session.connection()  # a transaction of its log-ahead mode sees one state to its end
    return session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def _batches(connection: Connection, each: Table) -> Iterator[list[dict[str, Any]]]:
    found = connection.execution_options(yield_per=_BATCH).execute(select(each))
    for part in found.mappings().partitions(_BATCH):
        yield [dict(row) for row in part]


def _count_on(session: WriteSession) -> None:
    """Let PostgreSQL number new rows after those that were put in."""
    if dialect(session) == "sqlite":
        return
    for each in tables():
        for column in each.primary_key:
            if column is each.autoincrement_column:
                highest = select(func.coalesce(func.max(column), 0)).scalar_subquery()
                name = func.pg_get_serial_sequence(each.name, column.name)
                session.connection().execute(select(func.setval(name, func.greatest(highest, 1))))


def _records(session: Reading) -> int:
    found: int = session.connection().execute(select(func.count()).select_from(_record)).scalar_one()
    return found


def check_empty(base: Database) -> None:
    """Raise `Conflict` where a database holds anything that a copy would take the place of."""
    with base.present() as session:
        first = select(table(Publisher).c.id).limit(1)
        if _records(session) or session.connection().execute(first).first() is not None:
            raise Conflict(
                "The database holds records already, and restoring would replace them. Set FOLKMOOT_DATABASE_URL (or "
                "FOLKMOOT_DATA_DIR) to an empty one, or move the old one away first."
            )


def check_copy(base: Database) -> None:
    """Raise `Misconfigured` where a copy is no sound file of ours."""
    with base.present() as session:
        sound = session.connection().execute(text("PRAGMA integrity_check")).scalar_one()
        if sound != "ok":
            raise Misconfigured(f"The backup is damaged: {str(sound)[:200]}.")
        publishers.epoch(session)


def restore(source: Database, target: Database, *, now: datetime) -> Copied:
    """Make a database from a copy: another epoch, and every record appended again above all numbers ever given.

    Whoever follows the feed reads it from 0, and no number that was given after the copy was taken is given twice.
    Raises `Conflict`, `Misconfigured`.
    """
    check_copy(source)
    check_empty(target)
    with target.write() as session:
        copied = copy(source, session)
        log.lock(session)
        connection = session.connection()
        publishers.renew_epoch(session)
        connection.execute(update(_counter).values(n=_counter.c.n + LEAP))
        # A worker of before the restore must neither keep a feed nor commit under a fence that is given again.
        connection.execute(update(_feed).values(owner=None, leased_until=None, fence=_feed.c.fence + LEAP))
        connection.execute(table(Host).delete())
        _append_again(session, now)
        return Copied(copied.rows, copied.records, log.latest(session))


def _append_again(session: WriteSession, now: datetime) -> None:
    """Number all records anew in their old order. Our own also say the new number as their origin's."""
    order = (
        _record.c.id,
        _record.c.node_id,
        _record.c.publisher,
        _record.c.origin_node,
        _record.c.seq,
        _record.c.origin,
    )
    last, highest = 0, log.latest(session) - LEAP
    changed = bulk.ready(session, _record.c.changed, now)
    while True:
        chosen = select(*order, _record.c.number).where(_record.c.number > last, _record.c.number <= highest)
        found = session.connection().execute(chosen.order_by(_record.c.number).limit(_BATCH)).all()
        if not found:
            return
        last = found[-1].number
        first = log.numbers(session, len(found))
        rows = []
        for number, row in enumerate(found, first):
            own = row.node_id is None
            origin = origin_json(row.origin_node, row.publisher, number, now) if own else row.origin
            rows.append((row.id, number, number if own else row.seq, origin, changed))
        bulk.change(session, Record, ("id", "number", "seq", "origin", "changed"), rows)
