"""Migrations of the database, and the one way to run them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import NullPool, create_engine, make_url

from federation.database import driver_url

HEAD = "0001"


def config(url: str) -> Config:
    """Alembic's configuration for a database."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.attributes["url"] = url
    return made


def upgrade(url: str, revision: str = "head") -> None:
    """Bring a database up to a revision."""
    command.upgrade(config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take a database back to a revision (`base` is empty)."""
    command.downgrade(config(url), revision)


def check(url: str) -> None:
    """Raise where the tables in `schema/tables.py` are not what the migrations make."""
    command.check(config(url))


def current(url: str) -> str | None:
    """The revision that a database is at; None for one that has none. Makes nothing."""
    parsed = make_url(driver_url(url))
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        return None  # merely looking would make the file
    made = create_engine(parsed, poolclass=NullPool)
    try:
        with made.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        made.dispose()
