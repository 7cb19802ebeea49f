"""The end of a visit that failed: how long the feed is left alone, what its publisher is told, how the node stands."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from sqlalchemy import select

from federation import leases, nodes, tally, told, verdicts
from federation.database import WriteSession, table
from federation.gate import NotYet
from federation.leases import Lease
from federation.reconcile import EMPTY_FEED
from federation.verdicts import Trouble
from federation.visit import Visit
from schema.errors import Cause, Crawling, Later, ReaderFault, Untrusted, Vanished
from schema.tables import Feed

FIRST_WAIT, LONGEST_WAIT = 60.0, 6 * 3600.0
LEAST_SHARE = 0.8
LONGEST_WISH = 24 * 3600.0
DAY = timedelta(days=1)
STALE_AFTER = 3
RETIRED_AFTER = timedelta(days=3)
GONE_STATUS = 410
_SILENT = (Cause.NAME, Cause.TIME, Cause.CONNECTION, Cause.CUT, Cause.BUSY)
"""Causes by which nothing was answered, and so nothing said of whether the feed is there."""
_NO_FEED = (EMPTY_FEED, "content-type", "page-json")
"""Answers in which no feed is left, such as a login page with status 200: the node stands as stale at once."""
_feed = table(Feed)


def failed(visit: Visit, error: Crawling) -> datetime:
    """Give a feed back after a visit that failed: when it is due again, what its publisher is told, how it stands.

    Raises `LeaseLost`.
    """
    lease, now = visit.lease, visit.now
    fails = lease.fails + 1
    due = now + max(wait(error, fails, visit.jitter), visit.pause)
    rule, pointer = error.rule, error.pointer
    with visit.session() as session:
        leases.hold(session, lease)
        gone, detail = _gone_since(session, lease, error, now), verdicts.clean(error.public)
        values = tally.columns("failed", at=now, pages=visit.pages, done=visit.applied, error=detail)
        values |= {"fails": fails, "last_error": detail, "gone_since": gone}
        wished = isinstance(error, Later) and error.retry_after is not None
        values["not_before"] = due if wished else now + visit.pause if visit.pause else None
        leases.give_back(session, lease, due=due, last_visit=now, **values)
        if not isinstance(error, NotYet):
            told.tell(session, lease.node_id, [Trouble(rule, pointer, detail)], now)
        known = nodes.load(session, lease.node_id)
        since = known.stale_since or lease.last_good or now
        if rule == told.IDENTITY_CHANGED:
            nodes.hold(session, known, since=since, now=now)
        elif fails >= STALE_AFTER or isinstance(error, Vanished) or rule in _NO_FEED:
            retired = gone is not None and (known.state == "retired" or (_gone(error) and now - gone >= RETIRED_AFTER))
            nodes.went_wrong(session, known, since=since, retired=retired, now=now)
    visit.due = due
    return due


def _gone_since(session: WriteSession, lease: Lease, error: Crawling, now: datetime) -> datetime | None:
    """Since when the feed answers 410. What does not answer says nothing of it; any other answer ends it."""
    if not _gone(error) and not _silent(error):
        return None
    before = session.connection().execute(select(_feed.c.gone_since).where(_feed.c.id == lease.feed_id)).scalar_one()
    return (before or now) if _gone(error) else before


def _gone(error: Crawling) -> bool:
    return isinstance(error, Vanished) and error.status == GONE_STATUS


def _silent(error: Crawling) -> bool:
    """Whether the node itself has not answered: nobody did, or a server of which nobody knows whose it is."""
    unheard = isinstance(error, Later) and error.cause in _SILENT
    return unheard or isinstance(error, ReaderFault | Untrusted)


def wait(error: Crawling, fails: int, jitter: random.Random) -> timedelta:
    """How long to leave a feed alone: a minute, doubled with each failure, up to six hours; a day where it is gone.

    Up to a quarter longer by chance, so that nodes which failed together are not asked together again.

    The node's own `Retry-After` is kept to where it is longer, up to a day.
    """
    if isinstance(error, Vanished):
        return DAY * jitter.uniform(0.9, 1.0)
    doubled = min(FIRST_WAIT / LEAST_SHARE * 2.0 ** min(fails - 1, 20), LONGEST_WAIT) * jitter.uniform(LEAST_SHARE, 1.0)
    wish = error.retry_after if isinstance(error, Later) and error.retry_after is not None else 0.0
    return timedelta(seconds=max(FIRST_WAIT, doubled, min(wish, LONGEST_WISH)))
