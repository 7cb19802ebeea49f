"""The whole of one kind, as it stood at one moment: what bulk files are written from."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select, text

from federation import log
from federation.database import Reading, dialect, table
from schema.entry import Entry
from schema.tables import Record

_record = table(Record)
_AT_ONCE = 500


def freeze(session: Reading) -> int:
    """Hold what this session sees from here on to one moment, and give the log's number at it.

    The first thing asked of the session. SQLite's readers see one moment by themselves.
    """
    if dialect(session) == "postgresql":
        session.connection().execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    return log.latest(session)


def live(session: Reading, kind: str, publisher: str | None = None) -> Iterator[Entry]:
    """Give the live records of a kind, of all publishers or of one, in order of their change numbers.

    A few are in memory at a time.
    """
    chosen = select(*log.ENTRY).where(_record.c.kind == kind, ~_record.c.deleted, ~_record.c.hidden)
    if publisher is not None:
        chosen = chosen.where(_record.c.publisher == publisher)
    for row in session.connection().execute(chosen.order_by(_record.c.number).execution_options(yield_per=_AT_ONCE)):
        yield Entry(*row)


def publishes(session: Reading, publisher: str) -> bool:
    """Whether anything of this publisher is held here."""
    asked = select(_record.c.row).where(_record.c.publisher == publisher).limit(1)
    return session.connection().execute(asked).first() is not None
