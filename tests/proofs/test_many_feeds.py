"""A claim among a hundred thousand feeds, as many as Europe has public bodies."""

from __future__ import annotations

import statistics
import time
from datetime import timedelta

import pytest

from federation import leases
from federation.database import Database, clock, insert
from schema.tables import Feed, Node

pytestmark = [pytest.mark.prove]
FEEDS, TURNS = 100_000, 300


def _fill(base: Database) -> None:
    with base.write() as session:
        now = clock(session)
        insert(session, Node, [_node(n) | {"added": now} for n in range(1, FEEDS + 1)])
        due = [now - timedelta(seconds=FEEDS - n) for n in range(1, FEEDS + 1)]
        insert(session, Feed, [_feed(n) | {"due": moment} for n, moment in enumerate(due, 1)])
    if base.dialect == "postgresql":
        with base.write() as session:
            session.connection().exec_driver_sql("ANALYZE")


def _node(n: int) -> dict[str, object]:
    url = f"https://n{n}.example/.well-known/folkmoot"
    known: dict[str, object] = {
        "id": n,
        "key": f"n{n}.example",
        "url": url,
        "name": "Council",
        "role": "node",
        "relays": False,
    }
    return known | {"state": "active", "manifest": b"{}", "prefixes": "{}"}


def _feed(n: int) -> dict[str, object]:
    url = f"https://n{n}.example/v1/changes"
    at: dict[str, object] = {
        "node_id": n,
        "url": url,
        "cursor": url,
        "place": f"n{n}.example:443",
        "every": 300,
        "reconciling": False,
    }
    return at | dict.fromkeys(("fence", "position", "fails", "accepted", "refused", "dropped"), 0)


def test_a_claim_among_a_hundred_thousand(database: Database) -> None:
    """Claiming the feed that has been due longest takes milliseconds, however many feeds there are."""
    _fill(database)
    claims, ends = [], []
    for turn in range(TURNS):
        began = time.perf_counter()
        with database.write() as session:
            lease = leases.claim(session, "one", 60)
        claims.append(time.perf_counter() - began)
        assert lease is not None
        assert lease.feed_id == turn + 1
        began = time.perf_counter()
        with database.write() as session:
            leases.give_back(session, lease, due=lease.at + timedelta(seconds=300), last_visit=lease.at)
        ends.append(time.perf_counter() - began)
    claim, end = (statistics.median(values) * 1000 for values in (claims, ends))
    print(f"\n{database.dialect}, {FEEDS:,} feeds: a claim {claim:.1f} ms, its end {end:.1f} ms (medians of {TURNS})")
    assert claim < 100
