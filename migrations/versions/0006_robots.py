"""Hosts: their robots.txt as it was last read, and when, so that an idle visit need not ask.

Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

import schema.tables

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("host", schema=None) as batch_op:
        batch_op.add_column(sa.Column("robots", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("robots_at", schema.tables.Moment(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("host", schema=None) as batch_op:
        batch_op.drop_column("robots_at")
        batch_op.drop_column("robots")
