"""Whose turn it is to ask a host: one reader at a time over all workers and machines, and a gap between two.

The door (`federation/fetch.py`) holds this within a process; a row a host holds it between processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, update

from federation.database import WriteSession, table, upserting
from federation.robots import KEPT, Permits
from schema.tables import Feed, Host

_host = table(Host)


def busy(at: datetime) -> ColumnElement[bool]:
    """Whether the host of a feed's row has been taken by somebody, or its gap is not over, at a moment."""
    return exists().where(_host.c.place == table(Feed).c.place, _host.c.free_at > at)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a host: its robots.txt (empty: it has none; None: it was never asked) and when it was read.

    `permits` is what it says, where it was parsed already.
    """

    robots: bytes | None = None
    robots_at: datetime | None = None
    permits: Permits | None = None

    def fresh(self, at: datetime) -> bool:
        """Whether the robots.txt need not be asked for at a moment."""
        return self.robots_at is not None and self.robots_at - KEPT < at < self.robots_at + KEPT


def take(session: WriteSession, place: str, owner: str, *, at: datetime, until: datetime) -> Kept | None:
    """Take the turn of a host until a moment; gives what is kept of it.

    None where another has the turn; two that ask at once never both get it.
    """
    turn = upserting(session, _host).values(place=place, owner=owner, free_at=until)
    ours = turn.on_conflict_do_update(
        index_elements=[_host.c.place],
        set_={"owner": turn.excluded.owner, "free_at": turn.excluded.free_at},
        where=_host.c.free_at <= at,
    ).returning(_host.c.robots, _host.c.robots_at)
    row = session.connection().execute(ours).first()
    return None if row is None else Kept(row.robots, row.robots_at)


def remember(session: WriteSession, place: str, kept: Kept) -> None:
    """Keep the robots.txt of a host."""
    ours = update(_host).where(_host.c.place == place)
    session.connection().execute(ours.values(robots=kept.robots, robots_at=kept.robots_at))


def keep(session: WriteSession, place: str, owner: str, *, until: datetime) -> None:
    """Hold a turn until a later moment, if it is still `owner`'s."""
    ours = update(_host).where(and_(_host.c.place == place, _host.c.owner == owner))
    session.connection().execute(ours.values(free_at=until))


def leave(session: WriteSession, place: str, owner: str, *, free_at: datetime) -> None:
    """End a turn, if it is still `owner`'s: others may ask the host from `free_at` on."""
    ours = update(_host).where(and_(_host.c.place == place, _host.c.owner == owner))
    session.connection().execute(ours.values(owner=None, free_at=free_at))
