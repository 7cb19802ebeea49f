"""What is signed with a key that its origin has not published: kept as rows, not believed, judged again later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, or_, select

from federation import rows as bulk
from federation import told
from federation.database import WriteSession, table
from federation.merge import PERSONAL, Statement
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
    session: WriteSession, node_id: int, statements: Sequence[Statement], believed: Mapping[str, int], now: datetime
) -> None:
    """Keep a route's last word on records that it signed with an unknown key; forget those that were `believed` since.

    `believed` has the seq of each. A withdrawal for a person's sake gives way to no older word, nor to another that
    nobody can prove.
    """
    last: dict[str, Statement] = {}
    for statement in statements:
        before = last.get(statement.id)
        if before is None or before.reason != PERSONAL or statement.reason == PERSONAL:
            last[statement.id] = statement
    left = _forget(session, node_id, believed) if believed and _any(session) else ()
    told.tell(session, node_id, [_waits(record_id, origin) for record_id, origin in left], now, severity="warning")
    if not last:
        return
    for record_id in _personal(session, node_id, list(last)):
        if last[record_id].reason != PERSONAL:
            del last[record_id]
    rows = [tuple(getattr(statement, name) for name in _COLUMNS) for statement in last.values()]
    bulk.put(session, Unproven, _COLUMNS, rows, ("id", "node_id"))
    troubles = [_waits(record_id, one.origin_node) for record_id, one in last.items()]
    told.tell(session, node_id, troubles, now, severity="warning")


def _forget(session: WriteSession, node_id: int, believed: Mapping[str, int]) -> list[tuple[str, str]]:
    """Forget what is answered. Gives the id and origin of what goes on waiting."""
    mine = (_unproven.c.node_id == node_id) & (_unproven.c.id == bindparam("record"))
    answered = or_(_unproven.c.reason.is_(None), _unproven.c.reason != PERSONAL, _unproven.c.seq <= bindparam("said"))
    words = [{"record": record, "said": seq} for record, seq in believed.items()]
    for start in range(0, len(words), _CHUNK):
        session.connection().execute(delete(_unproven).where(mine, answered), words[start : start + _CHUNK])
    left = _personal(session, node_id, list(believed))
    return list(left.items())


def _personal(session: WriteSession, node_id: int, ids: Sequence[str]) -> dict[str, str]:
    """By id the origins of those withdrawals for a person's sake that wait."""
    found: dict[str, str] = {}
    if not _any(session):
        return found
    for start in range(0, len(ids), _CHUNK):
        chosen = select(_unproven.c.id, _unproven.c.origin_node).where(
            _unproven.c.node_id == node_id,
            _unproven.c.id.in_(ids[start : start + _CHUNK]),
            _unproven.c.reason == PERSONAL,
        )
        found |= {row.id: row.origin_node for row in session.connection().execute(chosen)}
    return found


def _waits(record_id: str, origin_node: str) -> Trouble:
    message = (
        "It is signed with a key that is not in its origin's manifest, or that no known key of its origin endorses; it "
        "waits until that key is known. Where the key is the origin's own, whoever runs this site confirms it: "
        f"folkmoot node release {origin_node} --identity"
    )
    return Trouble(UNKNOWN_KEY, "/origin/sig", message, record_id)


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
