"""What a node's people are told: figures of visits, checks that anybody asks for, webhooks.

Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

import schema.tables

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_COUNTS = ("visits", "good_visits", "pages")
_MOMENT = schema.tables.Moment(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("feed", schema=None) as batch_op:
        for name in _COUNTS:
            batch_op.add_column(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("availability", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("completeness", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("not_before", _MOMENT, nullable=True))
        batch_op.add_column(sa.Column("last_report", sa.Text(), nullable=True))
    with op.batch_alter_table("node", schema=None) as batch_op:
        batch_op.add_column(sa.Column("webhook", sa.String(length=2000), nullable=True))
    _examinations()
    _hooks()


def _examinations() -> None:
    op.create_table(
        "examination",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("aggregator", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("leased_until", _MOMENT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("started", _MOMENT, nullable=True),
        sa.Column("finished", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_examination"),
    )
    op.create_index("ix_examination_url", "examination", ["url"], unique=False)
    op.create_index("ix_examination_state", "examination", ["state"], unique=False)


def _hooks() -> None:
    op.create_table(
        "hook",
        sa.Column("node_id", schema.tables.RowNumber, nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("looked", _MOMENT, nullable=True),
        sa.Column("told", sa.String(length=64), nullable=True),
        sa.Column("message", sa.String(length=64), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("due", _MOMENT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("disabled", _MOMENT, nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("sent", _MOMENT, nullable=True),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("leased_until", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name="fk_hook_node_id_node", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("node_id", name="pk_hook"),
    )
    op.create_index("ix_hook_due", "hook", ["due"], unique=False)


def downgrade() -> None:
    op.drop_table("hook")
    op.drop_table("examination")
    with op.batch_alter_table("node", schema=None) as batch_op:
        batch_op.drop_column("webhook")
    with op.batch_alter_table("feed", schema=None) as batch_op:
        for name in ("last_report", "not_before", "completeness", "availability", *reversed(_COUNTS)):
            batch_op.drop_column(name)
