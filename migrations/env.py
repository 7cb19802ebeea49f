"""Run the migrations on the URL that `migrations.config` was given; one path for both databases."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool
from sqlmodel import SQLModel

from federation.database import driver_url
from schema import tables as _tables  # noqa: F401 - importing it fills the metadata

url = driver_url(context.config.attributes["url"])
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
