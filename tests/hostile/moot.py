"""An aggregator that reads hostile nodes through the real door into a real database."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, select, update

from federation import nodes, pinning
from federation.database import Database, clock, table
from federation.fetch import Door, Limits
from federation.identity import read_manifest
from federation.rounds import Crawler, TurnResult
from schema.tables import Feed, Host, Problem, Record
from schema.tables import Node as Row
from tests.hostile.node import Node
from tests.hostile.tls import trusted

ME = "http://127.0.0.1:9/.well-known/folkmoot"
QUICK = Limits(connect=1.0, read=0.4, page=0.8)
SHY = Limits(connect=0.5, read=5.0, page=10.0)
FAIR = Limits(connect=5.0, read=5.0, page=10.0)
"""Time enough on a busy machine, for those whose fault it is not to be slow."""
_node, _feed, _host, _record, _problem = table(Row), table(Feed), table(Host), table(Record), table(Problem)


@dataclass(slots=True)
class Moot:
    """One aggregator."""

    database: Database

    def door(self, limits: Limits = FAIR, **options: Any) -> Door:
        """The real door, open to loopback, which trusts the authority of the tests."""
        given = {"ca": trusted(), **options}
        return Door(user_agent="folkmoot/test", allow_private=True, gap=0.0, limits=limits, **given)

    def pin(self, *found: Node) -> None:
        """Take nodes in as they stand."""
        with self.database.write() as session:
            now = clock(session)
            for node in found:
                body = orjson.dumps(node.manifest())
                manifest = read_manifest(body, node.id)
                keys = pinning.anew(manifest, now=now)
                nodes.put_in(session, manifest, body, keys=keys, relays=False, every=300, now=now)

    def crawler(self, door: Door, **options: Any) -> Crawler:
        """The real crawler."""
        chance = random.Random(1)
        return Crawler(self.database, door.get, ME, "worker", robots=door.robots, jitter=chance, **options)

    def due(self, *found: Node) -> None:
        """Let nodes be visited at once, with manifest and robots.txt asked anew."""
        with self.database.write() as session:
            now = clock(session)
            urls = [node.url + "/v1/changes" for node in found]
            chosen = update(_feed).where(_feed.c.url.in_(urls)).values(due=now, manifest_at=None)
            session.connection().execute(chosen)
            session.connection().execute(update(_host).values(robots_at=None, free_at=now, owner=None))

    def due_feed(self, node: Node) -> None:
        """Let a node's feed be visited at once, and all else stand as it is."""
        with self.database.write() as session:
            chosen = update(_feed).where(_feed.c.url == node.url + "/v1/changes").values(due=clock(session))
            session.connection().execute(chosen)

    def now(self) -> datetime:
        """The database's time."""
        with self.database.read() as session:
            return clock(session)

    async def visit(self, door: Door, *found: Node, **options: Any) -> list[TurnResult]:
        """Visit nodes that are due, each once."""
        results: list[TurnResult] = []
        crawler = self.crawler(door, **options)
        crawler.told = results.append
        self.due(*found)
        await crawler.once()
        return results

    def live(self, node: Node) -> set[str]:
        """The last parts of the ids of a node's records that are served."""
        with self.database.read() as session:
            chosen = select(_record.c.id).where(_record.c.id.startswith(node.prefix), _record.c.deleted.is_(False))
            return {row.id.rpartition("/")[2] for row in session.connection().execute(chosen)}

    def problems(self, node: Node) -> Sequence[Any]:
        """What its status tells of a node, but that it signs nothing: none here does."""
        mine = (_node.c.url == node.id, _problem.c.rule != "signed")
        with self.database.read() as session:
            chosen = select(_problem).join(_node, _node.c.id == _problem.c.node_id).where(*mine)
            return session.connection().execute(chosen).all()

    def feed(self, node: Node) -> Any:
        """The row of a node's feed."""
        with self.database.read() as session:
            return session.connection().execute(select(_feed).where(_feed.c.url.startswith(node.url + "/"))).one()

    def records(self) -> int:
        """How many records are served."""
        with self.database.read() as session:
            chosen = select(func.count()).where(_record.c.deleted.is_(False))
            return int(session.connection().execute(chosen).scalar_one())
