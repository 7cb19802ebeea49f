"""Many rows at once, as the driver takes them: one statement a batch on SQLite, a binary COPY on PostgreSQL.

For what a crawl does by the million; the way that rows go elsewhere, a mapping each, costs three times as much. A row
is a tuple in the order of `columns`; a time in it must have been made `ready`.
"""
# ruff: noqa: S608 - the statements are put together from the names of our own tables and columns alone

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

import orjson
from sqlalchemy import Boolean, Column, Integer, LargeBinary
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from federation.database import Reading, WriteSession, dialect, table
from schema.tables import Moment

Row = tuple[Any, ...]
Columns = tuple[str, ...]
_SIZES = (128, 16, 1)
"""Rows a statement on SQLite: few sizes, so that the driver's statements are prepared once and found again."""
_NUMBERS: Mapping[str, str] = {"SMALLINT": "int2", "INTEGER": "int4", "BIGINT": "int8"}


def add(session: WriteSession, model: type[SQLModel], columns: Columns, rows: Sequence[Row]) -> None:
    """Insert rows that are not there."""
    if dialect(session) == "sqlite":
        _fill(session, f"INSERT INTO {_name(model)} ({', '.join(columns)}) {{values}}", rows)
    elif rows:
        _copy(session, model, _name(model), columns, rows)


def put(session: WriteSession, model: type[SQLModel], columns: Columns, rows: Sequence[Row], keys: Columns) -> None:
    """Insert rows, or replace those whose `keys` stand already. No two of them have the same keys."""
    others = [name for name in columns if name not in keys]
    done = f"DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in others)}" if others else "DO NOTHING"
    names = ", ".join(columns)
    if dialect(session) == "sqlite":
        _fill(session, f"INSERT INTO {_name(model)} ({names}) {{values}} ON CONFLICT ({', '.join(keys)}) {done}", rows)
    elif rows:
        stage = _stage(session, model, columns, rows)
        given = f"INSERT INTO {_name(model)} ({names}) SELECT {names} FROM {stage}"
        session.connection().exec_driver_sql(f"{given} ON CONFLICT ({', '.join(keys)}) {done}")


def change(session: WriteSession, model: type[SQLModel], columns: Columns, rows: Sequence[Row]) -> None:
    """Give rows that are there other values, found by the first column."""
    key, name, lite = columns[0], _name(model), dialect(session) == "sqlite"
    given = [f"v.column{place}" if lite else f"v.{one}" for place, one in enumerate(columns, 1)]
    values = ", ".join(f"{one} = {value}" for one, value in zip(columns[1:], given[1:], strict=True))
    if lite:
        _fill(session, f"UPDATE {name} SET {values} FROM ({{values}}) AS v WHERE {name}.{key} = {given[0]}", rows)
    elif rows:
        stage = _stage(session, model, columns, rows)
        connection = session.connection()
        connection.exec_driver_sql(f"UPDATE {name} SET {values} FROM {stage} AS v WHERE {name}.{key} = v.{key}")


def find(session: Reading, model: type[SQLModel], columns: Columns, ids: Sequence[str]) -> list[Row]:
    """The rows with these ids, whose values come as they are stored."""
    if not ids:
        return []
    head = f"SELECT {', '.join(columns)} FROM {_name(model)} WHERE id"
    if dialect(session) == "sqlite":
        listed = (orjson.dumps(ids).decode(),)
        found = session.connection().exec_driver_sql(f"{head} IN (SELECT value FROM json_each(?))", listed)
    else:
        found = session.connection().exec_driver_sql(f"{head} = ANY(%s)", (list(ids),))
    return [tuple(row) for row in found]


def same(session: Reading, model: type[SQLModel], columns: Columns, rows: Sequence[Row]) -> set[str]:
    """The ids (the first column) of those rows that stand there in just these values."""
    if dialect(session) != "sqlite":
        given = {row[0]: row for row in rows}
        return {row[0] for row in find(session, model, columns, list(given)) if row == given[row[0]]}
    met = " AND ".join(f"r.{name} IS v.column{place}" for place, name in enumerate(columns, 1))
    # One row of answer: the driver gives up and takes back the interpreter's lock for each row that it steps to.
    asked = f"SELECT json_group_array(r.id) FROM ({{values}}) AS v CROSS JOIN {_name(model)} AS r ON {met}"
    return {one for listed in _fill(session, asked, rows) for one in orjson.loads(listed)}


def ready(session: Reading, column: Column[Any], value: object) -> object:
    """A value as the driver takes it."""
    bind = session.get_bind().dialect
    process = column.type.dialect_impl(bind).bind_processor(bind)
    return value if process is None else process(value)


def _name(model: type[SQLModel]) -> str:
    return table(model).name


def _fill(session: Reading, statement: str, rows: Sequence[Row]) -> list[Any]:
    """Run a statement on SQLite over rows, some at a time; gives the single value of each answer."""
    connection, found = session.connection(), []
    for part in _parts(rows):
        text = _text(statement, len(part[0]), len(part))
        answer = connection.exec_driver_sql(text, tuple(chain.from_iterable(part)))
        if answer.returns_rows:
            found.append(answer.scalar_one())
    return found


@cache
def _text(statement: str, width: int, count: int) -> str:
    one = f"({', '.join('?' * width)})"
    return statement.format(values=f"VALUES {', '.join([one] * count)}")


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _stage(session: WriteSession, model: type[SQLModel], columns: Columns, rows: Collection[Row]) -> str:
    """Load rows into a temporary table of these columns, made once a connection. Gives its name."""
    stage, connection = f"staged_{_name(model)}_{len(columns)}", session.connection()
    kept = ", ".join(f"{name} {_type(table(model).c[name])}" for name in columns)
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE IF NOT EXISTS {stage} ({kept}) ON COMMIT DELETE ROWS")
    connection.exec_driver_sql(f"DELETE FROM {stage}")
    _copy(session, model, stage, columns, rows)
    return stage


def _copy(session: WriteSession, model: type[SQLModel], into: str, columns: Columns, rows: Collection[Row]) -> None:
    raw = session.connection().connection.driver_connection
    assert raw is not None
    text = f"COPY {into} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    try:
        with raw.cursor() as cursor, cursor.copy(text) as copy:
            copy.set_types([_type(table(model).c[name]) for name in columns])
            for row in rows:
                copy.write_row(row)
    except Exception as error:
        raise DBAPIError(text, None, error) from error


@cache
def _type(column: Column[Any]) -> str:
    """What PostgreSQL calls the type of a column."""
    kind = column.type
    if isinstance(kind, Moment):
        return "timestamptz"
    if isinstance(kind, LargeBinary):
        return "bytea"
    if isinstance(kind, Boolean):
        return "bool"
    return _NUMBERS[str(kind)] if isinstance(kind, Integer) else "text"
