"""Whose turn it is to ask a host: one reader at a time over all workers and machines, and a gap between two.

The door (`federation/fetch.py`) holds this within a process; a row a host holds it between processes.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, update

from federation.database import WriteSession, table, upserting
from schema.tables import Feed, Host

_host = table(Host)


def busy(at: datetime) -> ColumnElement[bool]:
    """Whether the host of a feed's row has been taken by somebody, or its gap is not over, at a moment."""
    return exists().where(_host.c.place == table(Feed).c.place, _host.c.free_at > at)


def take(session: WriteSession, place: str, owner: str, *, at: datetime, until: datetime) -> bool:
    """Take the turn of a host until a moment. False where another has it; two that ask at once never both get it."""
    row = upserting(session, _host).values(place=place, owner=owner, free_at=until)
    ours = row.on_conflict_do_update(
        index_elements=[_host.c.place],
        set_={"owner": row.excluded.owner, "free_at": row.excluded.free_at},
        where=_host.c.free_at <= at,
    ).returning(_host.c.place)
    return session.connection().execute(ours).first() is not None


def keep(session: WriteSession, place: str, owner: str, *, until: datetime) -> None:
    """Hold a turn until a later moment, if it is still `owner`'s."""
    ours = update(_host).where(and_(_host.c.place == place, _host.c.owner == owner))
    session.connection().execute(ours.values(free_at=until))


def leave(session: WriteSession, place: str, owner: str, *, free_at: datetime) -> None:
    """End a turn, if it is still `owner`'s: others may ask the host from `free_at` on."""
    ours = update(_host).where(and_(_host.c.place == place, _host.c.owner == owner))
    session.connection().execute(ours.values(owner=None, free_at=free_at))
