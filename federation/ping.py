"""A node's "visit me now": its feed falls due, at most once a minute. Nothing in the request is believed.

Anybody may ask. So a node that failed at its last visit is visited no more often than each ten minutes for it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

from sqlalchemy import select, update

from federation.database import Database, Reading, clock, table
from federation.leases import CRAWLED, Clock
from schema.errors import NotFound
from schema.tables import Feed, Node

GAP = timedelta(minutes=1)
AFTER_A_FAILURE = timedelta(minutes=10)
_feed, _node = table(Feed), table(Node)


def ping(
    database: Database,
    key: str,
    *,
    clock: Clock = clock,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> datetime | None:
    """Bring a node's next visit forward to now: a minute after the last one, and not before its host wishes.

    Ten minutes after the last one where that failed: whoever asks, a node that is down is not asked each minute, nor
    one that is gone (404) as often as somebody likes.

    Gives when it is due; None for a node that is not visited. Raises `NotFound`. The row is written only where it
    changes, so that a thousand pings cost a thousand looks, and in a `turn` of the caller's.
    """
    with database.present() as session:
        feed_id, due, soonest = _look(session, key, clock)
    if due is None or due <= soonest:
        return due
    with turn(), database.write() as writing:
        chosen = update(_feed).where(_feed.c.id == feed_id, _feed.c.due > soonest, _feed.c.owner.is_(None))
        writing.connection().execute(chosen.values(due=soonest))
    return soonest


def _look(session: Reading, key: str, clock: Clock) -> tuple[int, datetime | None, datetime]:
    chosen = (
        select(_feed.c.id, _feed.c.due, _feed.c.last_visit, _feed.c.not_before, _feed.c.fails, _node.c.state)
        .join(_node, _node.c.id == _feed.c.node_id)
        .where(_node.c.key == key)
    )
    row = session.connection().execute(chosen).first() if key.isprintable() else None
    if row is None:
        raise NotFound(f"No node here has the key {key[:300]}.")
    gap = AFTER_A_FAILURE if row.fails else GAP
    times = [clock(session), row.not_before, None if row.last_visit is None else row.last_visit + gap]
    soonest = max(time for time in times if time is not None)
    return row.id, row.due if row.state in CRAWLED else None, soonest
