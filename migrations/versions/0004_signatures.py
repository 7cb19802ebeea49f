"""Signatures: this node's own keys, the keys that others are known by, what waits for a key; whose own node one is.

Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

import schema.tables

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for name in ("node", "origin"):
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.add_column(sa.Column("jwks", sa.Text(), server_default="[]", nullable=False))
    with op.batch_alter_table("node", schema=None) as batch_op:
        batch_op.add_column(sa.Column("own", sa.Text(), server_default="[]", nullable=False))
    with op.batch_alter_table("record", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "signingkey",
        sa.Column("kid", sa.String(length=100), nullable=False),
        sa.Column("x", sa.String(length=43), nullable=False),
        sa.Column("seed", sa.LargeBinary(), nullable=True),
        sa.Column("created", schema.tables.Moment(timezone=True), nullable=False),
        sa.Column("published", schema.tables.Moment(timezone=True), nullable=True),
        sa.Column("retired", schema.tables.Moment(timezone=True), nullable=True),
        sa.Column("revoked", schema.tables.Moment(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("endorsement", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signingkey")),
    )
    op.create_table(
        "moved",
        sa.Column("old", sa.String(length=2600), nullable=False),
        sa.Column("new", sa.String(length=2600), nullable=False),
        sa.Column("at", schema.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("old", name=op.f("pk_moved")),
    )
    op.create_table(
        "unproven",
        sa.Column("id", sa.String(length=2600), nullable=False),
        sa.Column("node_id", _NUMBER, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("publisher", sa.String(length=120), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("origin", sa.LargeBinary(), nullable=False),
        sa.Column("via", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("moved_to", sa.String(length=2600), nullable=True),
        sa.Column("origin_node", sa.String(length=2000), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_unproven_node_id_node"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", "node_id", name=op.f("pk_unproven")),
    )
    op.create_index(op.f("ix_unproven_node_id"), "unproven", ["node_id"])
    op.create_index(op.f("ix_unproven_origin_node"), "unproven", ["origin_node"])


def downgrade() -> None:
    op.drop_table("unproven")
    op.drop_table("moved")
    op.drop_table("signingkey")
    with op.batch_alter_table("record", schema=None) as batch_op:
        batch_op.drop_column("hidden")
    with op.batch_alter_table("node", schema=None) as batch_op:
        batch_op.drop_column("own")
    for name in ("node", "origin"):
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.drop_column("jwks")
