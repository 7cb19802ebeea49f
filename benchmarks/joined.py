"""An aggregator's database joined to a crowd of made-up nodes, and where the crawl of it stands."""

from __future__ import annotations

import time
from datetime import timedelta

from sqlalchemy import func, select, update

from benchmarks.crowd import Crowd
from federation import nodes, pinning, publishers
from federation.database import Database, clock, table
from federation.identity import read_manifest
from schema.tables import Feed

PUBLIC = "http://127.0.0.1:8600"
ME = PUBLIC + "/.well-known/folkmoot"
OFFICE = {"name": "Wessex Regional Office", "identifiers": [{"scheme": "XM-TEST", "id": "WSX"}]}
_feed = table(Feed)


def join(base: Database, crowd: Crowd) -> None:
    """Pin every node of the crowd; none is due before `begin`."""
    with base.write() as session:
        now = clock(session)
        publishers.add(session, public_url=PUBLIC, organisation=OFFICE, now=now)
        for node in crowd.all():
            body = node.manifest()
            manifest = read_manifest(body, f"{node.url}/.well-known/folkmoot")
            # Made-up nodes are known not to overlap; looking through all others for each takes minutes.
            keys, due = pinning.anew(manifest, now=now), now + timedelta(days=1)
            nodes.put_in(session, manifest, body, keys=keys, relays=False, every=crowd.poll, now=due)


def begin(base: Database) -> float:
    """Let every feed be due now; gives the time by `time.monotonic`."""
    with base.write() as session:
        session.connection().execute(update(_feed).values(due=clock(session)))
    return time.monotonic()


def read(base: Database) -> int:
    """Count the feeds that have been read to their end."""
    with base.read() as session:
        good = select(func.count()).where(_feed.c.last_good.is_not(None))
        found: int = session.connection().execute(good).scalar_one()
        return found
