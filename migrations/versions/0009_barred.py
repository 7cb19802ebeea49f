"""When the audit log last told that a token had reached for what is not its own.

Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

import schema.tables

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.add_column(sa.Column("barred", schema.tables.Moment(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.drop_column("barred")
