"""Feeds: when the node's manifest was last asked, and its ETag then, so that an idle visit need not ask.

Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

import schema.tables

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.add_column(sa.Column("manifest_at", schema.tables.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("manifest_etag", sa.String(length=300), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.drop_column("manifest_etag")
        batch_op.drop_column("manifest_at")
