"""Reading in the driver's own words, for what every request of a list asks.

A session and a statement that is put together cost several times what SQLite takes to answer. The rows come as they are
stored: a time is text on SQLite.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from federation.database import Database, Reading, dialect

Rows = Sequence[Sequence[Any]]
Texts = Mapping[str, str]
"""A statement of each dialect, with its own placeholders."""


def texts(text: str) -> Texts:
    """A statement for both dialects. `?` is a value; `= any(?)` asks for one of those that `Glance.listed` gives.

    `instr` gives where a text stands in another, 0 where it does not.
    """
    return {
        "sqlite": text.replace("= any(?)", "IN (SELECT value FROM json_each(?))"),
        "postgresql": text.replace("?", "%s").replace("instr(", "strpos("),
    }


@dataclass(frozen=True, slots=True)
class Glance:
    """One reading transaction."""

    dialect: str
    run: Callable[[str, tuple[Any, ...]], Rows]

    def ask(self, texts: Texts, *values: Any) -> Rows:
        """The rows that a statement finds."""
        return self.run(texts[self.dialect], values)

    def listed(self, values: Collection[str] | Collection[int]) -> object:
        """Many values as one, for `= any(?)`."""
        return orjson.dumps(list(values)).decode() if self.dialect == "sqlite" else list(values)


@contextmanager
def glance(database: Database) -> Iterator[Glance]:
    """A transaction that cannot write, without a session."""
    engine = database.reader
    if engine.dialect.name == "sqlite":
        with _lite(engine) as found:
            yield found
    else:
        with engine.connect() as connection:
            yield Glance(engine.dialect.name, lambda text, values: connection.exec_driver_sql(text, values).all())


@contextmanager
def _lite(engine: Engine) -> Iterator[Glance]:
    held = engine.raw_connection()  # given back to the pool, it is rolled back
    try:
        lite: Any = held.driver_connection

        def run(text: str, values: tuple[Any, ...]) -> Rows:
            try:
                found: Rows = lite.execute(text, values).fetchall()
            except sqlite3.Error as error:
                raise DBAPIError(text, None, error) from error
            return found

        run("BEGIN", ())
        yield Glance("sqlite", run)
    finally:
        held.close()


def of(session: Reading) -> Glance:
    """The transaction of a session."""
    return Glance(dialect(session), lambda text, values: session.connection().exec_driver_sql(text, values).all())


def asking(reading: Reading | Glance) -> Glance:
    """What asks for a reader that may hold either."""
    return reading if isinstance(reading, Glance) else of(reading)


def moment(stored: str | datetime) -> datetime:
    """A time as it was stored, in UTC."""
    if isinstance(stored, str):
        return datetime.fromisoformat(stored).replace(tzinfo=UTC)
    return stored.astimezone(UTC)
