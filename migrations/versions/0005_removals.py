"""Removals that wait, what is withdrawn as personal data, and since when a feed answers 410.

Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

import schema.tables

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "removal",
        sa.Column("id", sa.String(length=2600), nullable=False),
        sa.Column("node_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("since", schema.tables.Moment(timezone=True), nullable=False),
        sa.Column("ends", sa.Boolean(), nullable=False),
        sa.Column("afresh", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("publisher", sa.String(length=120), nullable=False),
        sa.Column("origin", sa.LargeBinary(), nullable=False),
        sa.Column("via", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("moved_to", sa.String(length=2600), nullable=True),
        sa.Column("origin_node", sa.String(length=2000), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("signature", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_removal_node_id_node"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", "node_id", name=op.f("pk_removal")),
    )
    op.create_index("ix_removal_node_id_state", "removal", ["node_id", "state", "origin_node"], unique=False)
    op.create_table(
        "erasure",
        sa.Column("id", sa.String(length=2600), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("node_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("since", schema.tables.Moment(timezone=True), nullable=False),
        sa.Column("due", schema.tables.Moment(timezone=True), nullable=False),
        sa.Column("erased", schema.tables.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_erasure_node_id_node"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
    )
    op.create_index(op.f("ix_erasure_number"), "erasure", ["number"], unique=False)
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.add_column(sa.Column("gone_since", schema.tables.Moment(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.drop_column("gone_since")
    op.drop_index(op.f("ix_erasure_number"), table_name="erasure")
    op.drop_table("erasure")
    op.drop_index("ix_removal_node_id_state", table_name="removal")
    op.drop_table("removal")
