"""Audit: who wrote what, appended with what was written, and never changed.

That nothing in it is changed or taken out is held by the database itself, so that neither a fault of ours nor whoever
gets at our connection can do it by the way.

Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

import schema.tables

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

REFUSAL = "the audit log is appended to and never changed"


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", schema.tables.RowNumber, nullable=False),
        sa.Column("time", schema.tables.Moment(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=10), nullable=False),
        sa.Column("token_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("publisher", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("record", sa.String(length=2600), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("before", sa.String(length=64), nullable=True),
        sa.Column("after", sa.String(length=64), nullable=True),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_publisher_id"), "audit", ["publisher", "id"], unique=False)
    op.create_index(op.f("ix_audit_record"), "audit", ["record"], unique=False)
    _guard()


def _guard() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{event.lower()} BEFORE {event} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION audit_stands() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_stands BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_stands()"
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_audit_record"), table_name="audit")
    op.drop_index(op.f("ix_audit_publisher_id"), table_name="audit")
    op.drop_table("audit")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_stands()")
