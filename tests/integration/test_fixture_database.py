"""The `database` fixture itself: fresh, migrated, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from federation.database import Database


def test_each_test_starts_from_the_migrated_head(database: Database) -> None:
    """A test finds the tables that the real migrations made, and the revision that made them."""
    with database.read() as session:
        versions = session.connection().execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    import migrations

    assert versions == [migrations.HEAD]


@pytest.mark.parametrize("turn", [1, 2])
def test_what_one_test_writes_no_other_sees(database: Database, turn: int) -> None:
    """Two tests that write the same row both succeed: each has a database of its own."""
    with database.write() as session:
        session.connection().execute(text("CREATE TABLE trace (turn integer PRIMARY KEY)"))
        session.connection().execute(text("INSERT INTO trace VALUES (1)"))


def test_a_reader_cannot_write(database: Database) -> None:
    """A reading session refuses to change anything, in the database and not only in the types."""
    with database.read() as session, pytest.raises(DBAPIError):
        session.connection().execute(text("CREATE TABLE never (id integer)"))
