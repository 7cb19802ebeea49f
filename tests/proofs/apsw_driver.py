"""apsw with the face of Python's `sqlite3`, as far as SQLAlchemy's SQLite dialect looks at it.

`module(vfs)` is what `create_engine(..., module=...)` takes: connections then go through that VFS.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import apsw


class Cursor:
    """One statement's answer. SQLAlchemy reads `description`, `rowcount` and `lastrowid`."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid = 0

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Run a statement to its end."""
        raw = self._connection.raw
        before = raw.total_changes()
        cursor = raw.cursor()
        described: list[Any] = []

        def described_by(running: apsw.Cursor, _statement: str, _bound: Any) -> bool:
            described.append(running.get_description())
            return True

        cursor.exec_trace = described_by
        try:
            self._rows = list(cursor.execute(statement, tuple(parameters)))
        except apsw.Error as error:
            raise _translated(error) from error
        told = described[-1] if described else ()
        self.description = [(name, None, None, None, None, None, None) for name, _kind in told] or None
        self.rowcount = raw.total_changes() - before
        self.lastrowid = raw.last_insert_rowid()
        return self

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> Cursor:
        """Run a statement once a row."""
        count = 0
        for row in rows:
            count += max(0, self.execute(statement, row).rowcount)
        self.rowcount = count
        return self

    def fetchone(self) -> Any:
        """The next row."""
        return self._rows.pop(0) if self._rows else None

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        found, self._rows = self._rows, []
        return found

    def fetchmany(self, size: int = 1) -> list[Any]:
        """The next rows."""
        found, self._rows = self._rows[:size], self._rows[size:]
        return found

    def close(self) -> None:
        """Forget the rest."""
        self._rows = []


class Connection:
    """One connection. It begins nothing by itself: the application says `BEGIN IMMEDIATE`."""

    def __init__(self, path: str, vfs: str) -> None:
        try:
            self.raw = apsw.Connection(path, vfs=vfs)
        except apsw.Error as error:
            raise _translated(error) from error
        self.isolation_level: str | None = None

    def cursor(self) -> Cursor:
        """A new cursor."""
        return Cursor(self)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Run a statement."""
        return self.cursor().execute(statement, parameters)

    def commit(self) -> None:
        """Commit, where a transaction is open."""
        if self.raw.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        """Roll back, where a transaction is open."""
        if self.raw.in_transaction:
            self.execute("ROLLBACK")

    def create_function(self, name: str, count: int, work: Any, **_told: Any) -> None:
        """Add a function to SQL."""
        self.raw.create_scalar_function(name, work, count)

    def close(self) -> None:
        """Close, whatever the disk says to it."""
        try:
            self.raw.close(True)
        except apsw.Error as error:
            raise _translated(error) from error


def _translated(error: apsw.Error) -> sqlite3.Error:
    kind = sqlite3.IntegrityError if isinstance(error, apsw.ConstraintError) else sqlite3.OperationalError
    return kind(str(error))


def module(vfs: str) -> Any:
    """The module that SQLAlchemy is given in the place of `sqlite3`."""
    return SimpleNamespace(
        **{name: getattr(sqlite3, name) for name in dir(sqlite3) if not name.startswith("_")}
        | {
            "connect": lambda path, **_told: Connection(path, vfs),
            "sqlite_version_info": tuple(int(part) for part in apsw.sqlite_lib_version().split(".")),
        }
    )
