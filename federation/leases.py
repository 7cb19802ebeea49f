"""A feed's row as its lease: claimed, renewed and given back by the database's clock (docs/decisions, lease rows).

With the feed goes the turn of its host (`federation/hosts.py`): no two workers ask one host at a time.

`fence` grows with every claim. Whatever a worker commits names the fence it was given; after another has claimed the
feed that commit changes nothing, and its transaction is thrown away (`LeaseLost`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, or_, select, update

from federation import hosts
from federation.database import Reading, WriteSession, clock, dialect, table
from federation.hosts import Kept
from federation.robots import PATIENT_DELAY, Permits
from schema.errors import LeaseLost
from schema.tables import Feed, Node

_feed, _node = table(Feed), table(Node)
CRAWLED = ("preview", "active", "stale", "held", "retired")
Clock = Callable[[Reading], datetime]


@dataclass(frozen=True, slots=True)
class Lease:
    """A feed that is ours until `until`, as it stood when it was claimed; `at` is the database's time then.

    `gap` is how many seconds its host (`place`) is left alone when the turn is over; `host` what is kept of that.
    """

    feed_id: int
    node_id: int
    owner: str
    place: str
    gap: float
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
    host: Kept

    @property
    def turn(self) -> str:
        """The name under which the host's turn is held: this claim's own, for its worker may claim the host again."""
        return _turn(self.owner, self.feed_id, self.fence)


def _turn(owner: str, feed_id: int, fence: int) -> str:
    return f"{owner}#{feed_id}.{fence}"


def claim(
    session: WriteSession,
    owner: str,
    seconds: float,
    *,
    gap: float = 0.0,
    due_by: datetime | None = None,
    clock: Clock = clock,
) -> Lease | None:
    """Take the feed that has been due longest, that nobody holds and whose host nobody asks. None where there is none.

    `due_by` passes over what fell due later (`crawl --once`).
    """
    at = clock(session)
    free = _due(at, due_by).where(~hosts.busy(at)).order_by(_feed.c.due, _feed.c.id).limit(1)
    if dialect(session) != "sqlite":
        free = free.with_for_update(of=_feed, skip_locked=True)
    found = session.connection().execute(free).one_or_none()
    until = at + timedelta(seconds=seconds)
    if found is None:
        return None
    turn = _turn(owner, found.id, found.fence + 1)
    host = hosts.take(session, found.place, turn, at=at, until=until)
    if host is None:
        return None
    claimed = (
        update(_feed)
        .where(_feed.c.id == found.id)
        .values(owner=owner, leased_until=until, fence=_feed.c.fence + 1)
        .returning(*_feed.c)
    )
    return _lease(session.connection().execute(claimed).one(), at, until, gap, host)


def considerate(lease: Lease) -> Lease:
    """A lease with the gap that its host's Crawl-delay asks for: read after the claim, which keeps others out."""
    if not lease.host.robots:
        return lease
    permits = Permits(lease.host.robots)
    gap = max(lease.gap, min(permits.delay, PATIENT_DELAY))
    return replace(lease, gap=gap, host=replace(lease.host, permits=permits))


def waiting(session: Reading, due_by: datetime, *, clock: Clock = clock) -> bool:
    """Whether a feed is due that nobody holds: only the turn of its host is to be waited for."""
    return session.connection().execute(_due(clock(session), due_by).limit(1)).first() is not None


def _due(at: datetime, due_by: datetime | None) -> Select[Any, Any, Any]:
    free = or_(_feed.c.leased_until.is_(None), _feed.c.leased_until < at)
    return (
        select(_feed.c.id, _feed.c.place, _feed.c.fence)
        .join(_node, _node.c.id == _feed.c.node_id)
        .where(_feed.c.due <= min(at, due_by or at), free, _node.c.state.in_(CRAWLED))
    )


def _lease(row: Any, at: datetime, until: datetime, gap: float, host: Kept) -> Lease:
    return Lease(
        feed_id=row.id,
        node_id=row.node_id,
        owner=row.owner,
        place=row.place,
        gap=gap,
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
        host=host,
    )


def renew(session: WriteSession, lease: Lease, seconds: float, *, clock: Clock = clock) -> None:
    """Hold the feed, and its host, for so many seconds more. Raises `LeaseLost`."""
    until = clock(session) + timedelta(seconds=seconds)
    # A heartbeat that comes after the visit's end must not hold the feed that was just given back.
    ours = and_(_feed.c.id == lease.feed_id, _feed.c.fence == lease.fence, _feed.c.owner == lease.owner)
    if session.connection().execute(update(_feed).where(ours).values(leased_until=until)).rowcount != 1:
        raise LeaseLost
    hosts.keep(session, lease.place, lease.turn, until=until)


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


def let_go(session: WriteSession, lease: Lease, *, clock: Clock = clock) -> None:
    """Free a feed whose turn broke off, due as before, where nobody has taken it over meanwhile."""
    ours = and_(_feed.c.id == lease.feed_id, _feed.c.fence == lease.fence, _feed.c.owner == lease.owner)
    session.connection().execute(update(_feed).where(ours).values(owner=None, leased_until=None))
    hosts.leave(session, lease.place, lease.turn, free_at=clock(session) + timedelta(seconds=lease.gap))


def give_back(session: WriteSession, lease: Lease, *, due: datetime, last_visit: datetime, **values: Any) -> None:
    """End the turn at `last_visit`: the feed is free and due again at `due`, its host free after the gap.

    Raises `LeaseLost`.
    """
    change(session, lease, owner=None, leased_until=None, due=due, last_visit=last_visit, **values)
    hosts.leave(session, lease.place, lease.turn, free_at=last_visit + timedelta(seconds=lease.gap))
