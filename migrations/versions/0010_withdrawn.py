"""With which word of its origin a record was withdrawn as personal data, so that no older one comes back.

Revises: 0009
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_DIRECT, _SIGNED, _UNSIGNED = range(3)
_ALONE = 1
"""How many entries `via` has at most where the record came straight from its origin."""


def upgrade() -> None:
    with op.batch_alter_table("erasure", schema=None) as batch_op:
        batch_op.add_column(sa.Column("origin_node", sa.String(length=2000), nullable=True))
        batch_op.add_column(sa.Column("seq", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("rank", sa.SmallInteger(), nullable=True))
    for name, signature in (("record", sa.column("signature")), ("history", sa.literal("absent"))):
        _known(name, signature.label("signature"))


def _known(name: str, signature: Any) -> None:
    """Fill in what the tombstones themselves say, where they are still kept."""
    states = sa.table(name, *(sa.column(one) for one in ("id", "number", "origin", "via", "deleted", "signature")))
    erasure = sa.table("erasure", *(sa.column(one) for one in ("id", "number", "origin_node", "seq", "rank")))
    this = (states.c.number == erasure.c.number) & (states.c.id == erasure.c.id) & states.c.deleted
    chosen = sa.select(erasure.c.id, states.c.origin, states.c.via, signature).select_from(
        sa.join(erasure, states, this)
    )
    for row in op.get_bind().execute(chosen).all():
        origin, hops = json.loads(row.origin), len(json.loads(row.via or b"[]"))
        relayed = _SIGNED if row.signature == "valid" else _UNSIGNED
        said = {"origin_node": origin["node"], "seq": origin["seq"], "rank": _DIRECT if hops <= _ALONE else relayed}
        op.get_bind().execute(sa.update(erasure).where(erasure.c.id == row.id).values(said))


def downgrade() -> None:
    with op.batch_alter_table("erasure", schema=None) as batch_op:
        for name in ("rank", "seq", "origin_node"):
            batch_op.drop_column(name)
