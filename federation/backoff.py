"""The end of a visit that failed: how long the feed is left alone, what its publisher is told, how the node stands."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from federation import judge, leases, nodes, tally, told
from federation.gate import NotYet
from federation.judge import Trouble
from federation.visit import Visit
from schema.errors import Crawling, Later, Refused, Vanished

FIRST_WAIT, LONGEST_WAIT = 60.0, 6 * 3600.0
LONGEST_WISH = 24 * 3600.0
DAY = timedelta(days=1)
STALE_AFTER = 3
RETIRED_AFTER = timedelta(days=3)


def failed(visit: Visit, error: Crawling) -> datetime:
    """Give a feed back after a visit that failed: when it is due again, what its publisher is told, how it stands.

    Raises `LeaseLost`.
    """
    lease, now = visit.lease, visit.now
    fails = lease.fails + 1
    due = now + wait(error, fails, visit.jitter)
    rule, pointer = (error.rule, error.pointer) if isinstance(error, Refused) else ("reachable", "")
    with visit.session() as session:
        detail = judge.clean(error.detail)
        counted = tally.columns("failed", at=now, pages=visit.pages, done=visit.applied, error=detail)
        wish = due if isinstance(error, Later) and error.retry_after is not None else None
        leases.give_back(
            session, lease, due=due, fails=fails, last_error=detail, last_visit=now, not_before=wish, **counted
        )
        if not isinstance(error, NotYet):
            told.tell(session, lease.node_id, [Trouble(rule, pointer, detail)], now)
        known = nodes.load(session, lease.node_id)
        if fails >= STALE_AFTER or isinstance(error, Vanished):
            since = known.stale_since or lease.last_good or now
            gone = isinstance(error, Vanished) and error.status == 410 and now - since >= RETIRED_AFTER
            nodes.went_wrong(session, known, since=since, retired=gone)
    visit.due = due
    return due


def wait(error: Crawling, fails: int, jitter: random.Random) -> timedelta:
    """How long to leave a feed alone: a minute, doubled with each failure, up to six hours; a day where it is gone.

    The node's own `Retry-After` is kept to where it is longer, up to a day.
    """
    if isinstance(error, Vanished):
        return DAY * jitter.uniform(0.9, 1.0)
    doubled = min(FIRST_WAIT * 2.0 ** min(fails - 1, 20), LONGEST_WAIT) * jitter.uniform(0.75, 1.0)
    wish = error.retry_after if isinstance(error, Later) and error.retry_after is not None else 0.0
    return timedelta(seconds=max(FIRST_WAIT, doubled, min(wish, LONGEST_WISH)))
