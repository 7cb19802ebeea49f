"""Where an old id leads since its node has moved (protocol section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson
from sqlalchemy import delete, or_, select

from federation.database import Reading, WriteSession, table, upsert
from federation.identity import Taken
from schema.tables import Moved, Node

_moved, _node = table(Moved), table(Node)


def leads_to(session: Reading, record_id: str) -> str | None:
    """The id under which a record stands since its node has moved, over at most eight moves; it leads on from there."""
    name = record_id
    for _hop in range(8):
        cuts = [place + 1 for place, sign in enumerate(name[:2600]) if sign == "/"]
        begins = [_moved.c.old == name[:cut] for cut in cuts[3:40]]
        if not begins:
            break
        row = session.connection().execute(select(_moved.c.old, _moved.c.new).where(or_(*begins))).first()
        if row is None:
            break
        name = row.new + name.removeprefix(row.old)
    return None if name == record_id else name


def earlier(session: Reading, ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids under which each record has stood, its own first: those that lead to it, over at most eight moves."""
    pairs = [(row.old, row.new) for row in session.connection().execute(select(_moved.c.old, _moved.c.new))]
    return {record: _led_to(record, pairs) for record in ids}


def _led_to(record_id: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    found = last = [record_id]
    for _hop in range(8):
        led = [old + name.removeprefix(new) for name in last for old, new in pairs if name.startswith(new)]
        last = [name for name in dict.fromkeys(led) if name not in found]
        found = found + last
    return found


def left(session: Reading, node_id: int) -> Taken:
    """The prefixes that were left behind in moves, less those of this node: it may be its own word on its old ids."""
    olds = session.connection().execute(select(_moved.c.old)).scalars().all()
    if not olds:
        return Taken(())
    known = session.connection().execute(select(_node.c.prefixes).where(_node.c.id == node_id)).scalar_one()
    mine = orjson.loads(known)
    return Taken(old for old in olds if old not in mine)


def remember(session: WriteSession, prefixes: Mapping[str, str], *, now: datetime) -> None:
    """Lead the ids below each old prefix to those below the new one."""
    upsert(session, Moved, [{"old": old, "new": new, "at": now} for old, new in prefixes.items()], ["old"])
    # Back at an address of old: its ids lead nowhere else any more.
    session.connection().execute(delete(_moved).where(_moved.c.old.in_(list(prefixes.values()))))
