"""For which publishers an origin gathers that only relays have told of, so that their records are marked too.

Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("origin", schema=None) as batch_op:
        batch_op.add_column(sa.Column("unofficial", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("origin", schema=None) as batch_op:
        batch_op.drop_column("unofficial")
