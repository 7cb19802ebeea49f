"""Hosts: one worker a host at a time, over all machines.

A host may stand in several addresses' feeds and be asked for an origin's manifest too, so its turn is a row of its own.

Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

import schema.tables
from schema.identifiers import place_of

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "host",
        sa.Column("place", sa.String(length=300), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("free_at", schema.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_host")),
    )
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.add_column(sa.Column("place", sa.String(length=300), nullable=False, server_default=""))
    feed = sa.table("feed", sa.column("id"), sa.column("url"), sa.column("place"))
    here = op.get_bind()
    for row in here.execute(sa.select(feed.c.id, feed.c.url)).all():
        here.execute(sa.update(feed).where(feed.c.id == row.id).values(place=place_of(row.url)))


def downgrade() -> None:
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.drop_column("place")
    op.drop_table("host")
