"""What is signed with a key that its origin has not published: kept as rows, not believed, judged again later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from federation import rows as bulk
from federation import told
from federation.database import WriteSession, table
from federation.merge import Statement
from federation.verdicts import Trouble
from schema.tables import Unproven

_unproven = table(Unproven)
_COLUMNS = (
    "id",
    "kind",
    "publisher",
    "node_id",
    "data",
    "origin",
    "via",
    "reason",
    "moved_to",
    "origin_node",
    "seq",
    "rank",
)
_CHUNK = 500
UNKNOWN_KEY = "signature-unknown-key"


def keep(
    session: WriteSession, node_id: int, statements: Sequence[Statement], believed: Sequence[str], now: datetime
) -> None:
    """Keep a route's last word on records that it signed with an unknown key; forget those that it `believed` since."""
    if believed and _any(session):
        for start in range(0, len(believed), _CHUNK):
            chunk = believed[start : start + _CHUNK]
            gone = delete(_unproven).where(_unproven.c.node_id == node_id, _unproven.c.id.in_(chunk))
            session.connection().execute(gone)
    if not statements:
        return
    last = {statement.id: statement for statement in statements}
    rows = [tuple(getattr(statement, name) for name in _COLUMNS) for statement in last.values()]
    bulk.put(session, Unproven, _COLUMNS, rows, ("id", "node_id"))
    troubles = [Trouble(UNKNOWN_KEY, "/origin/sig", _waits(one), record_id) for record_id, one in last.items()]
    told.tell(session, node_id, troubles, now, severity="warning")


def _waits(statement: Statement) -> str:
    return (
        "It is signed with a key that is not in its origin's manifest, or that no known key of its origin endorses; it "
        "waits until that key is known. Where the key is the origin's own, whoever runs this site confirms it: "
        f"folkmoot node release {statement.origin_node} --identity"
    )


def take(session: WriteSession, origin: str) -> dict[int, list[Statement]]:
    """Take out all that waits for keys of an origin, by route."""
    chosen = select(*(_unproven.c[name] for name in _COLUMNS)).where(_unproven.c.origin_node == origin)
    found: dict[int, list[Statement]] = {}
    for row in session.connection().execute(chosen.order_by(_unproven.c.id)):
        found.setdefault(row.node_id, []).append(Statement(*row))
    session.connection().execute(delete(_unproven).where(_unproven.c.origin_node == origin))
    return found


def _any(session: WriteSession) -> bool:
    return session.connection().execute(select(_unproven.c.id).limit(1)).first() is not None
