"""Run the migrations on the URL that `migrations.config` was given; one path for both databases."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Index, create_engine, pool, text
from sqlmodel import SQLModel

from federation.database import driver_url
from schema import tables

record = SQLModel.metadata.tables[str(tables.Record.__tablename__)]
if "ix_record_gone" not in {index.name for index in record.indexes}:
    # Not in schema/tables.py: its condition would load the dialects of both databases at every start of a server.
    here, there = text("deleted = 1"), text("deleted")
    Index("ix_record_gone", record.c.node_id, record.c.number, sqlite_where=here, postgresql_where=there)
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
