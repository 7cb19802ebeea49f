"""An index of tombstones by their node: the latest that one took away are found without reading all that it has.

Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns, here, there = ["node_id", "number"], sa.text("deleted = 1"), sa.text("deleted")
    op.create_index("ix_record_gone", "record", columns, sqlite_where=here, postgresql_where=there)


def downgrade() -> None:
    op.drop_index("ix_record_gone", table_name="record")
