"""Where an old id leads since its node has moved (protocol section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, or_, select

from federation.database import Reading, WriteSession, table, upsert
from schema.tables import Moved

_moved = table(Moved)


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


def remember(session: WriteSession, prefixes: Mapping[str, str], *, now: datetime) -> None:
    """Lead the ids below each old prefix to those below the new one."""
    upsert(session, Moved, [{"old": old, "new": new, "at": now} for old, new in prefixes.items()], ["old"])
    # Back at an address of old: its ids lead nowhere else any more.
    session.connection().execute(delete(_moved).where(_moved.c.old.in_(list(prefixes.values()))))
