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

from federation import audit, erasure, log, outages, publishers, signing
from federation import rows as bulk
from federation.again import again
from federation.database import Database, Reading, WriteSession, dialect, table
from schema.errors import Conflict, Misconfigured
from schema.tables import Audit, Counter, Feed, Host, Publisher, Record, SigningKey, Token

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


@dataclass(frozen=True, slots=True)
class Trusted:
    """What a copy makes good again: its tokens and keys that were not revoked `until` the last moment it knows of."""

    until: datetime | None
    tokens: int
    keys: int


def trusted(session: Reading, now: datetime) -> Trusted:
    """Count the tokens that are good at `now`, and the keys that are not revoked, in a copy.

    Whatever was revoked after the copy was taken is good in it: it cannot know.
    """
    connection = session.connection()
    newest = [connection.execute(select(func.max(c))).scalar_one() for c in (_record.c.changed, table(Audit).c.time)]
    token, key = table(Token).c, table(SigningKey).c
    good = select(func.count()).select_from(table(Token)).where(token.revoked.is_(None), token.expires > now)
    signing_keys = select(func.count()).select_from(table(SigningKey)).where(key.revoked.is_(None))
    return Trusted(
        max((time for time in newest if time is not None), default=None),
        connection.execute(good).scalar_one(),
        connection.execute(signing_keys).scalar_one(),
    )


def copy(source: Database, session: WriteSession) -> Copied:
    """Copy every row of a database, as they all stood at one moment, while others write to it.

    `session` is that of a migrated database that holds nothing.
    """
    count = 0
    with source.present() as reading:
        connection = _one_moment(reading)
        for each in tables():
            if each is not table(Audit):  # of which nothing is ever taken out, and in which nothing is yet
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


def check_sound(base: Database) -> None:
    """Raise `Misconfigured` where the file of a copy does not hold together."""
    try:
        with base.present() as session:
            found = str(session.connection().execute(text("PRAGMA integrity_check(1)")).scalar_one())
    except Exception as error:
        if not outages.is_fault(error):
            raise
        found = outages.sentence(error)
    if found != "ok":
        raise Misconfigured(f"The backup is damaged: {found[:200]}.")


def restore(source: Database, target: Database, *, now: datetime, name: str = "a backup") -> Copied:
    """Make a database from a copy: another epoch, and every record appended again above all numbers ever given.

    Whoever follows the feed reads it from 0, and no number that was given after the copy was taken is given twice.
    Its audit log goes on with a row that names the copy (`name`) and the last number that it holds.
    `source` is sound (`check_sound`). Raises `Conflict`, and `Misconfigured` where it is a copy of nothing.
    """
    with source.present() as reading:
        publishers.epoch(reading)
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
        erasure.renumber(session)
        audit.note(session, "restore", f"{name} up to change {copied.number}", now)
        return Copied(copied.rows, copied.records, log.latest(session))


def _append_again(session: WriteSession, now: datetime) -> None:
    """Number all records anew: our own, signed where we have a key, and then those of others, which say the same."""
    highest, url = log.latest(session) - LEAP, publishers.recall(session, "publicUrl")
    assert url is not None
    node = publishers.node_id(url)
    again(session, node=node, now=now, signer=signing.active(session))
    others = (_record.c.number <= highest) & ~(_record.c.node_id.is_(None) & (_record.c.origin_node == node))
    changed = bulk.ready(session, _record.c.changed, now)
    while True:
        chosen = select(_record.c.id).where(others).order_by(_record.c.number).limit(_BATCH)
        found = session.connection().execute(chosen).scalars().all()
        if not found:
            return
        first = log.numbers(session, len(found))
        rows = [(name, number, changed) for number, name in enumerate(found, first)]
        bulk.change(session, Record, ("id", "number", "changed"), rows)
