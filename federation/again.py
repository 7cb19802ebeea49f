"""Say everything again under new numbers: what a first key, a revoked key and a restored database ask for."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from federation import log
from federation import rows as bulk
from federation.database import WriteSession, table
from federation.sign import Signer
from schema.tables import Record

_record = table(Record)
_AT_ONCE = 5_000
_SAID = ("id", "origin", "seq", "number", "signature", "changed")
_KEPT = (
    _record.c.number,
    _record.c.id,
    _record.c.kind,
    _record.c.publisher,
    _record.c.data,
    _record.c.reason,
    _record.c.moved_to,
)


def again(session: WriteSession, *, node: str, now: datetime, signer: Signer | None) -> int:
    """Append every live record and tombstone of this node anew, in the order in which they stand. Gives how many.

    Nothing of a record changes but its number, time and signature, so nothing is kept as history. The log stays locked.
    """
    last, through, done = log.lock(session), 0, 0
    changed = bulk.ready(session, _record.c.changed, now)
    mine = (_record.c.node_id.is_(None), _record.c.origin_node == node, _record.c.number <= last)
    while True:
        chosen = select(*_KEPT).where(*mine, _record.c.number > through).order_by(_record.c.number).limit(_AT_ONCE)
        found = session.connection().execute(chosen).all()
        if not found:
            return done
        first = log.numbers(session, len(found))
        rows = []
        for number, row in enumerate(found, first):
            draft = log.Draft(row.id, row.kind, row.publisher, row.data, row.reason, row.moved_to)
            origin, state = log.signed_origin(draft, number, node, now, signer)
            rows.append((row.id, origin, number, number, state, changed))
        bulk.change(session, Record, _SAID, rows)
        through, done = found[-1].number, done + len(found)
