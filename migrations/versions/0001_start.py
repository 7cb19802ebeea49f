"""Start: the tables of a node and of an aggregator.

Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

import schema.tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counter")),
    )
    op.create_table(
        "history",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=2600), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("origin", sa.LargeBinary(), nullable=False),
        sa.Column("via", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("changed", schema.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_history")),
    )
    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_history_id"), ["id"], unique=False)

    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "node",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("relays", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("prefixes", sa.Text(), nullable=False),
        sa.Column("added", schema.tables.Moment(timezone=True), nullable=False),
        sa.Column("stale_since", schema.tables.Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node")),
        sa.UniqueConstraint("key", name=op.f("uq_node_key")),
        sa.UniqueConstraint("url", name=op.f("uq_node_url")),
    )
    op.create_table(
        "origin",
        sa.Column("id", sa.String(length=2000), nullable=False),
        sa.Column("prefixes", sa.Text(), nullable=False),
        sa.Column("vouched_by", sa.String(length=2000), nullable=True),
        sa.Column("fetched", schema.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_origin")),
    )
    op.create_table(
        "publisher",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("id_prefix", sa.String(length=400), nullable=False),
        sa.Column("relation", sa.String(length=20), nullable=False),
        sa.Column("created", schema.tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publisher")),
    )
    op.create_table(
        "feed",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("node_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("due", schema.tables.Moment(timezone=True), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("leased_until", schema.tables.Moment(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.String(length=2000), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("latest", sa.BigInteger(), nullable=True),
        sa.Column("epoch", sa.String(length=64), nullable=True),
        sa.Column("reconciling", sa.Boolean(), nullable=False),
        sa.Column("etag", sa.String(length=300), nullable=True),
        sa.Column("every", sa.Integer(), nullable=False),
        sa.Column("fails", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_visit", schema.tables.Moment(timezone=True), nullable=True),
        sa.Column("last_good", schema.tables.Moment(timezone=True), nullable=True),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("dropped", sa.BigInteger(), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_feed_node_id_node"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
        sa.UniqueConstraint("node_id", name=op.f("uq_feed_node_id")),
    )
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_feed_due"), ["due"], unique=False)

    op.create_table(
        "problem",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("node_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rule", sa.String(length=60), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("record_id", sa.String(length=2600), nullable=False),
        sa.Column("pointer", sa.String(length=500), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_seen", schema.tables.Moment(timezone=True), nullable=False),
        sa.Column("last_seen", schema.tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_problem_node_id_node"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problem")),
        sa.UniqueConstraint("node_id", "rule", "record_id", "pointer", name="uq_problem_place"),
    )
    op.create_table(
        "record",
        sa.Column("row", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=2600), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("publisher", sa.String(length=120), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("origin", sa.LargeBinary(), nullable=False),
        sa.Column("via", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("moved_to", sa.String(length=2600), nullable=True),
        sa.Column("origin_node", sa.String(length=2000), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("signature", sa.String(length=12), nullable=False),
        sa.Column("node_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("changed", schema.tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_record_node_id_node")),
        sa.PrimaryKeyConstraint("row", name=op.f("pk_record")),
        sa.UniqueConstraint("id", name=op.f("uq_record_id")),
        sa.UniqueConstraint("number", name=op.f("uq_record_number")),
    )
    with op.batch_alter_table("record", schema=None) as batch_op:
        batch_op.create_index("ix_record_kind_number", ["kind", "number"], unique=False)
        batch_op.create_index(batch_op.f("ix_record_node_id"), ["node_id"], unique=False)
        batch_op.create_index("ix_record_publisher_kind", ["publisher", "kind"], unique=False)

    op.create_table(
        "shadow",
        sa.Column("id", sa.String(length=2600), nullable=False),
        sa.Column("node_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("publisher", sa.String(length=120), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("origin", sa.LargeBinary(), nullable=False),
        sa.Column("via", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("moved_to", sa.String(length=2600), nullable=True),
        sa.Column("origin_node", sa.String(length=2000), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("signature", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_shadow_node_id_node"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", "node_id", name=op.f("pk_shadow")),
    )
    with op.batch_alter_table("shadow", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_shadow_node_id"), ["node_id"], unique=False)

    op.create_table(
        "sighting",
        sa.Column("node_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=2600), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_sighting_node_id_node"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("node_id", "id", name=op.f("pk_sighting")),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("publisher", sa.String(length=120), nullable=False),
        sa.Column("kinds", sa.String(length=400), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=20), nullable=False),
        sa.Column("created", schema.tables.Moment(timezone=True), nullable=False),
        sa.Column("expires", schema.tables.Moment(timezone=True), nullable=False),
        sa.Column("revoked", schema.tables.Moment(timezone=True), nullable=True),
        sa.Column("last_used", schema.tables.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["publisher"], ["publisher.id"], name=op.f("fk_token_publisher_publisher")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_token_digest")),
    )
    op.create_table(
        "idempotency",
        sa.Column("token_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created", schema.tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["token_id"], ["token.id"], name=op.f("fk_idempotency_token_id_token"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("task", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("publisher", sa.String(length=120), nullable=False),
        sa.Column("token_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("leased_until", schema.tables.Moment(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created", schema.tables.Moment(timezone=True), nullable=False),
        sa.Column("started", schema.tables.Moment(timezone=True), nullable=True),
        sa.Column("finished", schema.tables.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["publisher"], ["publisher.id"], name=op.f("fk_job_publisher_publisher")),
        sa.ForeignKeyConstraint(["token_id"], ["token.id"], name=op.f("fk_job_token_id_token"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_state"), ["state"], unique=False)

    op.execute("INSERT INTO counter (id, n) VALUES (1, 0)")


def downgrade() -> None:
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_state"))

    op.drop_table("job")
    op.drop_table("idempotency")
    op.drop_table("token")
    op.drop_table("sighting")
    with op.batch_alter_table("shadow", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_shadow_node_id"))

    op.drop_table("shadow")
    with op.batch_alter_table("record", schema=None) as batch_op:
        batch_op.drop_index("ix_record_publisher_kind")
        batch_op.drop_index(batch_op.f("ix_record_node_id"))
        batch_op.drop_index("ix_record_kind_number")

    op.drop_table("record")
    op.drop_table("problem")
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_feed_due"))

    op.drop_table("feed")
    op.drop_table("publisher")
    op.drop_table("origin")
    op.drop_table("node")
    op.drop_table("meta")
    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_history_id"))

    op.drop_table("history")
    op.drop_table("counter")
