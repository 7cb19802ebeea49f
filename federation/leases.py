"""A feed's row as its lease: claimed, renewed and given back by the database's clock (docs/decisions, lease rows).

`fence` grows with every claim. Whatever a worker commits names the fence it was given; after another has claimed the
feed that commit changes nothing, and its transaction is thrown away (`LeaseLost`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update

from federation.database import Reading, WriteSession, clock, dialect, table
from schema.errors import LeaseLost
from schema.tables import Feed, Node

_feed, _node = table(Feed), table(Node)
CRAWLED = ("active", "stale", "retired")
Clock = Callable[[Reading], datetime]


@dataclass(frozen=True, slots=True)
class Lease:
    """A feed that is ours until `until`, as it stood when it was claimed; `at` is the database's time then."""

    feed_id: int
    node_id: int
    fence: int
    at: datetime
    until: datetime
    url: str
    cursor: str
    position: int
    epoch: str | None
    reconciling: bool
    etag: str | None
    every: int
    fails: int
    last_good: datetime | None


def claim(
    session: WriteSession,
    owner: str,
    seconds: float,
    *,
    due_by: datetime | None = None,
    clock: Clock = clock,
) -> Lease | None:
    """Take the feed that has been due longest and that nobody holds. One statement; None where nothing is due.

    `due_by` passes over what fell due later (`crawl --once`).
    """
    at = clock(session)
    free = or_(_feed.c.leased_until.is_(None), _feed.c.leased_until < at)
    due = (
        select(_feed.c.id)
        .join(_node, _node.c.id == _feed.c.node_id)
        .where(_feed.c.due <= min(at, due_by or at), free, _node.c.state.in_(CRAWLED))
        .order_by(_feed.c.due, _feed.c.id)
        .limit(1)
    )
    if dialect(session) != "sqlite":
        due = due.with_for_update(of=_feed, skip_locked=True)
    until = at + timedelta(seconds=seconds)
    claimed = (
        update(_feed)
        .where(_feed.c.id == due.scalar_subquery())
        .values(owner=owner, leased_until=until, fence=_feed.c.fence + 1)
        .returning(*_feed.c)
    )
    row = session.connection().execute(claimed).one_or_none()
    return None if row is None else _lease(row, at, until)


def _lease(row: Any, at: datetime, until: datetime) -> Lease:
    return Lease(
        feed_id=row.id,
        node_id=row.node_id,
        fence=row.fence,
        at=at,
        until=until,
        url=row.url,
        cursor=row.cursor,
        position=row.position,
        epoch=row.epoch,
        reconciling=row.reconciling,
        etag=row.etag,
        every=row.every,
        fails=row.fails,
        last_good=row.last_good,
    )


def renew(session: WriteSession, lease: Lease, seconds: float, *, clock: Clock = clock) -> None:
    """Hold the feed for so many seconds more. Raises `LeaseLost`."""
    change(session, lease, leased_until=clock(session) + timedelta(seconds=seconds))


def hold(session: WriteSession, lease: Lease) -> None:
    """Keep the feed's row to ourselves until commit. Raises `LeaseLost` where it is another's."""
    ours = select(_feed.c.id).where(_feed.c.id == lease.feed_id, _feed.c.fence == lease.fence)
    if session.connection().execute(ours.with_for_update()).first() is None:
        raise LeaseLost


def change(session: WriteSession, lease: Lease, **values: Any) -> None:
    """Change the feed's row, if it is still ours. Raises `LeaseLost`, and the transaction with it goes."""
    ours = and_(_feed.c.id == lease.feed_id, _feed.c.fence == lease.fence)
    if session.connection().execute(update(_feed).where(ours).values(values)).rowcount != 1:
        raise LeaseLost


def give_back(session: WriteSession, lease: Lease, *, due: datetime, **values: Any) -> None:
    """End the turn: the feed is free and due again at `due`. Raises `LeaseLost`."""
    change(session, lease, owner=None, leased_until=None, due=due, **values)
