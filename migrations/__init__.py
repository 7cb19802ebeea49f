"""Migrations of the database, and the one way to run them.

Alembic is imported where it runs: most commands find the database at its head and need not wait for it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, NullPool, create_engine, inspect, make_url, text

from federation.database import driver_url

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0012"


def config(url: str) -> Config:
    """Alembic's configuration for a database."""
    from alembic.config import Config

    made = Config(stdout=sys.stdout)  # its default is what stdout was when Alembic was imported
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.attributes["url"] = url
    return made


def upgrade(url: str, revision: str = "head") -> None:
    """Bring a database up to a revision."""
    from alembic import command

    command.upgrade(config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take a database back to a revision (`base` is empty)."""
    from alembic import command

    command.downgrade(config(url), revision)


def check(url: str) -> None:
    """Raise where the tables in `schema/tables.py` are not what the migrations make."""
    from alembic import command

    command.check(config(url))


def current(url: str) -> str | None:
    """The revision that a database is at; None for one that has none. Makes nothing."""
    parsed = make_url(driver_url(url))
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        return None  # merely looking would make the file
    made = create_engine(parsed, poolclass=NullPool)
    try:
        with made.connect() as connection:
            return _revision(connection)
    finally:
        made.dispose()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found
