"""Sessions on SQLite or PostgreSQL, one code path. Reading and writing are different types.

On SQLite: WAL, synchronous=FULL, foreign keys on, `BEGIN IMMEDIATE` for writers, and readers that cannot write.
On PostgreSQL readers run in read-only transactions.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, NewType

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session, SQLModel

from federation.line import Line
from schema.errors import Misconfigured

DatabaseFault = SQLAlchemyError
"""What a database that cannot answer raises; rooms that hold no SQL catch it by this name."""

CONNECT_SECONDS = 10
BUSY_SECONDS = 30
"""How long a writer waits for the others of its process, and then once more for those of other processes, on SQLite."""
IDLE_SECONDS = 60
"""How long a writing transaction may do nothing before PostgreSQL ends it, and its locks with it."""

ReadSession = NewType("ReadSession", Session)
WriteSession = NewType("WriteSession", Session)
Reading = ReadSession | WriteSession

Values = Mapping[str, Any]
_IN_LINE = "folkmoot.in-line"


class Database:
    """The truth: one URL to write to, and perhaps a replica of it to read from.

    `url` is `sqlite:///path` or `postgresql://...`. Anything else is `Misconfigured`. A replica may be a moment behind:
    what must see the last commit reads by `present`, or in the writing session itself.
    """

    def __init__(self, url: str, *, read_url: str | None = None) -> None:
        self.url = driver_url(url)
        self.writes = 0
        self._counting = threading.Lock()
        self._writer = _engine(self.url, readonly=False)
        self._present = _engine(self.url, readonly=True)
        self._reader = self._present if read_url is None else _engine(driver_url(read_url), readonly=True)
        self.replicated = read_url is not None

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._writer.dialect.name

    @property
    def reader(self) -> Engine:
        """What `read` reads with; nothing can be written by it."""
        return self._reader

    @contextmanager
    def read(self) -> Iterator[ReadSession]:
        """A session that cannot write."""
        with Session(self._reader) as session:
            yield ReadSession(session)

    @contextmanager
    def present(self) -> Iterator[ReadSession]:
        """A session that cannot write, on what is written to: it sees all that is committed, replica or not."""
        with Session(self._present) as session:
            yield ReadSession(session)

    @contextmanager
    def write(self) -> Iterator[WriteSession]:
        """A session that commits at its end, or rolls everything back.

        `writes` is raised after it, so that whoever keeps something of this database knows to look again.
        """
        try:
            with Session(self._writer, expire_on_commit=False) as session, session.begin():
                yield WriteSession(session)
        finally:
            with self._counting:
                self.writes += 1

    def dispose(self) -> None:
        """Close the connections."""
        for engine in (self._writer, self._present, self._reader):
            engine.dispose()


def driver_url(url: str) -> str:
    """The URL with the driver that we use. Raises `Misconfigured` for a database that we do not speak."""
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise Misconfigured("FOLKMOOT_DATABASE_URL names no file: an SQLite database lives in one.")
        return parsed.set(drivername="sqlite").render_as_string(hide_password=False)
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    raise Misconfigured(
        f"FOLKMOOT_DATABASE_URL speaks of '{parsed.drivername}'; expected sqlite:///... or postgresql://..."
    )


def _parsed(url: str) -> URL:
    """The URL taken apart. An @ in a password ends it there: its rest would be told as a host that is not found."""
    place, _, asked = url.partition("@")[2].partition("?")
    try:
        parsed = make_url(url)
    except ValueError:  # a port that is no number, which may be such a rest too
        parsed = None
    if parsed is not None and parsed.get_backend_name() == "sqlite":
        return parsed
    if parsed is None or "@" in (place if parsed.database else place + asked):
        raise Misconfigured("FOLKMOOT_DATABASE_URL cannot be read: a port is a number, and @ in a password is %40.")
    return parsed


def _engine(url: str, *, readonly: bool) -> Engine:
    """Hidden parameters: an error that ends in the log must not tell what a record or a token's row held."""
    if url.startswith("sqlite"):
        engine = create_engine(
            url, pool_size=10, max_overflow=40, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS}
        )
        _prepare_sqlite(engine, readonly=readonly)
        return engine
    waits = {"connect_timeout": CONNECT_SECONDS}
    engine = create_engine(
        url, pool_size=10, max_overflow=40, pool_pre_ping=True, hide_parameters=True, connect_args=waits
    )
    if readonly:
        # What is read in one transaction is of one moment, as on SQLite.
        return engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
    _bound_transactions(engine)
    return engine


def _bound_transactions(engine: Engine) -> None:
    """Let no writer that was paused, or whose machine is gone, keep the others waiting at its locks for ever."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
        connection.commit()


def _prepare_sqlite(engine: Engine, *, readonly: bool) -> None:
    pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={int(BUSY_SECONDS * 1_000)}"]
    if readonly:
        pragmas.append("query_only=ON")

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        # The driver must not begin by itself: it would begin deferred, and a deferred writer is refused as locked.
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    if readonly:
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    else:
        _write_in_line(engine)


def _write_in_line(engine: Engine) -> None:
    """Let the writers of this process wait in line.

    At SQLite's own lock each sleeps and looks again, ever longer: who came last may be first, and one may be passed
    over until its time is up. Other processes still meet there.
    """
    line = Line()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if _IN_LINE not in connection.info and not line.come(BUSY_SECONDS):
            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked"))
        connection.info[_IN_LINE] = True
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def checkin(_connection: Any, record: ConnectionPoolEntry) -> None:
        if record.info.pop(_IN_LINE, False):
            line.leave()


def clock(session: Reading) -> datetime:
    """The database's own time, which all workers share, in UTC."""
    if dialect(session) == "sqlite":
        stamp = session.connection().execute(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")).scalar_one()
        return datetime.fromisoformat(stamp).replace(tzinfo=UTC)
    found: datetime = session.connection().execute(select(func.clock_timestamp())).scalar_one()
    return found.astimezone(UTC)


def dialect(session: Reading) -> str:
    """`sqlite` or `postgresql`."""
    return session.get_bind().dialect.name


def table(model: type[SQLModel]) -> Table:
    """The table of a row class."""
    found: Table = model.__table__  # type: ignore[attr-defined]
    return found


def insert(session: WriteSession, model: type[SQLModel], rows: Sequence[Values]) -> None:
    """Many rows in one statement."""
    if rows:
        session.connection().execute(table(model).insert(), list(rows))


def upserting(session: WriteSession, target: Table) -> Any:
    """An insert of the database's own dialect, which knows ON CONFLICT. Only the dialect in use is loaded."""
    return import_module(f"sqlalchemy.dialects.{dialect(session)}").insert(target)


def upsert(session: WriteSession, model: type[SQLModel], rows: Sequence[Values], keys: Sequence[str]) -> None:
    """Insert many rows, or replace those whose `keys` stand already."""
    if not rows:
        return
    statement = upserting(session, table(model))
    others = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    session.connection().execute(
        statement.on_conflict_do_update(index_elements=list(keys), set_=others)
        if others
        else statement.on_conflict_do_nothing(index_elements=list(keys)),
        list(rows),
    )
