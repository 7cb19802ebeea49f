"""A world without a network: nodes made of lists, and aggregators made of databases, behind one `get`."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

import orjson

from federation import log, nodes, publishers
from federation.database import Database, Reading
from federation.identity import read_manifest
from federation.rounds import Crawler, TurnResult
from federation.seam import Answer
from federation.sign import Signer, payload
from schema.entry import stamp
from schema.errors import Vanished

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
OGL = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"
WELL_KNOWN = "/.well-known/folkmoot"
Item = dict[str, Any]


class Server(Protocol):
    """Anything in the world that answers."""

    def answer(self, url: str) -> bytes: ...


class FakeNode:
    """A node that keeps its feed in a list: `put` and `delete` change it, `items` may also be bent by hand."""

    def __init__(self, host: str = "exa.example", code: str = "EXA", *, role: str = "node", size: int = 3) -> None:
        self.url = f"https://{host}"
        self.id = self.url + WELL_KNOWN
        self.publisher = f"GB-LAE-{code}"
        self.prefix = f"{self.url}/id/{self.publisher}/"
        self.name = f"Council of {code}"
        self.role, self.size = role, size
        self.epoch: str | None = "first"
        self.feed_path = "/v1/changes"
        self.number = 0
        self.items: dict[str, Item] = {}
        self.more: dict[str, Any] = {}
        self.signer: Signer | None = None
        self.keys: dict[str, dict[str, Any]] = {}
        self.put("organisation", self.publisher, self.organisation())

    def organisation(self) -> Item:
        scheme, _, code = self.publisher.rpartition("-")
        return {"name": self.name, "identifiers": [{"scheme": scheme, "id": code}]}

    def put(self, kind: str, reference: str, data: Item | None = None, **members: Any) -> str:
        """Publish a record; gives its id."""
        found = data if data is not None else {"reference": reference, "title": f"{kind} {reference}"} | members
        return self._change(kind, reference, {"state": "updated", "data": found})

    def delete(self, kind: str, reference: str, reason: str = "ended") -> str:
        """Withdraw a record; gives its id."""
        return self._change(kind, reference, {"state": "deleted", "reason": reason})

    def _change(self, kind: str, reference: str, change: Item) -> str:
        self.number += 1
        record_id = f"{self.prefix}{kind}/{reference}"
        origin = {"node": self.id, "publisher": self.publisher, "seq": self.number, "time": stamp(NOW)}
        item = {"kind": kind, "id": record_id, "modified": self.number, "origin": origin} | change
        if self.signer is not None:
            origin["sig"] = signature(item, self.signer)
        self.items.pop(record_id, None)
        self.items[record_id] = item
        return record_id

    def key(self, kid: str, *, by: Signer | None = None, publish: bool = True) -> Signer:
        """Sign what comes with a key of this name, which an older one may endorse; the same name is the same key."""
        signer = Signer(kid, hashlib.sha256(f"{self.id} {kid}".encode()).digest())
        if publish:
            self.keys[kid] = {**signer.jwk, **({"endorsement": by.endorse(signer.jwk)} if by else {})}
        self.signer = signer
        return signer

    def all_again(self) -> None:
        """Say everything again, under new numbers and the key that signs now."""
        for item in list(self.items.values()):
            kind, reference = item["id"].removeprefix(self.prefix).split("/")
            change: Item = {name: item[name] for name in ("state", "data", "reason") if name in item}
            self._change(kind, reference, change)

    def pass_on(self, item: Item, **changes: Any) -> None:
        """Relay another node's item, as an aggregator does."""
        self.number += 1
        hop = {"node": self.id, "harvested": stamp(NOW)}
        passed = item | {"modified": self.number, "via": [*item.get("via", []), hop]} | changes
        if passed["state"] == "deleted":
            passed.pop("data", None)
        self.items.pop(item["id"], None)
        self.items[item["id"]] = passed

    def manifest(self) -> Item:
        publisher = {"idPrefix": self.prefix, "relation": "own"} | self.organisation()
        feed = {"url": self.url + self.feed_path, "protocol": "rpde", "ordering": "changeNumber"}
        found: Item = {"folkmoot": "1.0", "role": self.role, "id": self.id, "publishers": [publisher], "license": OGL}
        found |= {"feeds": [feed | {"minPollSeconds": 300}], "contact": {"name": "Team", "email": "team@exa.example"}}
        found |= {"keys": list(self.keys.values())} if self.keys else {}
        return found | ({"epoch": self.epoch} if self.epoch else {}) | self.more

    def page(self, after: int) -> Item:
        """The page after a number, as protocol section 2 says."""
        waiting = sorted((i for i in self.items.values() if i["modified"] > after), key=lambda i: i["modified"])
        found = waiting[: self.size]
        last = found[-1]["modified"] if found else after
        page: Item = {"next": f"{self.url}{self.feed_path}?afterChangeNumber={last}", "license": OGL, "items": found}
        page |= {"epoch": self.epoch} if self.epoch else {}
        return page if found else page | {"latest": self.number}

    def answer(self, url: str) -> bytes:
        if url == self.id:
            return orjson.dumps(self.manifest())
        if url.startswith(self.url + self.feed_path):
            return orjson.dumps(self.page(int(url.rpartition("=")[2]) if "=" in url else 0))
        raise Vanished(f"{url} answers 404.", 404)


def signature(item: Item, signer: Signer) -> str:
    """The signature of an item, as its origin makes it."""
    said = payload(
        record_id=item["id"],
        kind=item["kind"],
        data=orjson.dumps(item["data"]) if "data" in item else None,
        reason=item.get("reason"),
        moved_to=item.get("movedTo"),
        origin=orjson.dumps(item["origin"]),
    )
    return signer.sign(said)


class Aggregator:
    """An aggregator of the world: a database, crawled into by turns and served from by the real log."""

    def __init__(self, database: Database, world: World, host: str = "moot.example", code: str = "AGG") -> None:
        self.database, self.world = database, world
        self.url = f"https://{host}"
        self.id = self.url + WELL_KNOWN
        self.members: bytes | None = None
        identifiers = [{"scheme": "XM-TEST", "id": code}]
        with database.write() as session:
            publishers.add(
                session, public_url=self.url, organisation={"name": host, "identifiers": identifiers}, now=NOW
            )
        world.servers[self.url] = self

    def add(
        self,
        server: FakeNode | Aggregator,
        *,
        relays: bool = False,
        state: Literal["active", "preview"] = "active",
    ) -> str:
        """Pin a node without looking at its feed."""
        body = server.answer(server.id)
        with self.database.write() as session:
            manifest = read_manifest(body, server.id)
            return nodes.pin(
                session, manifest, body, me=self.id, relays=relays, every=300, now=self.world.now, state=state
            )

    def crawler(self, **options: Any) -> Crawler:
        return Crawler(
            self.database, self.world.get, self.id, "worker", clock=self.world.clock, jitter=random.Random(1), **options
        )

    def crawl(self, **options: Any) -> list[TurnResult]:
        """Turns until nothing is due."""
        results: list[TurnResult] = []

        async def go() -> None:
            crawler = self.crawler(**options)
            while (result := await crawler.turn()) is not None:
                results.append(result)

        asyncio.run(go())
        return results

    def answer(self, url: str) -> bytes:
        with self.database.read() as session:
            if url == self.id:
                return orjson.dumps(self._manifest(session))
            if url.endswith("/v1/nodes") and self.members is not None:
                return self.members
            if "/v1/changes" not in url:
                raise Vanished(f"{url} answers 404.", 404)
            number = int(url.rpartition("=")[2]) if "=" in url else 0
            epoch = publishers.epoch(session)
            return log.page(session, number, public_url=self.url, epoch=epoch, license_url=OGL).body

    def _manifest(self, session: Reading) -> Item:
        found = publishers.every(session)
        told = publishers.organisations(session, found)
        return {
            "folkmoot": "1.0",
            "role": "aggregator",
            "id": self.id,
            "epoch": publishers.epoch(session),
            "publishers": [told[p.id] | {"idPrefix": p.id_prefix, "relation": p.relation} for p in found],
            "feeds": [{"url": f"{self.url}/v1/changes", "protocol": "rpde", "ordering": "changeNumber"}],
            "members": f"{self.url}/v1/nodes",
            "license": OGL,
            "contact": {"name": "Team", "email": "team@moot.example"},
        }


class World:
    """All servers by their address, the clock, what was asked and answered. `faults` are raised instead of that."""

    def __init__(self) -> None:
        self.servers: dict[str, Server] = {}
        self.now = NOW
        self._looked = time.monotonic()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.faults: dict[str, Exception] = {}
        self.etags: dict[str, str] = {}
        self.before: Callable[[str], None] = lambda _url: None

    def node(self, host: str = "exa.example", code: str = "EXA", **options: Any) -> FakeNode:
        made = FakeNode(host, code, **options)
        self.servers[made.url] = made
        return made

    def clock(self, _session: Reading) -> datetime:
        """The database's clock: a second passes whenever somebody looks, and those that really passed since the last.

        A visit counts by the machine's clock from its claim on: where the machine pauses, that must not run ahead.
        """
        looked = time.monotonic()
        self.now += timedelta(seconds=1 + int(looked - self._looked))
        self._looked = looked
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        self.asked.append((url, dict(headers or {})))
        self.before(url)
        for start, fault in self.faults.items():
            if url.startswith(start):
                raise fault
        host = "/".join(url.split("/")[:3])
        body = self.servers[host].answer(url)
        etag = self.etags[url] = f'"{abs(hash(body)):x}"'
        if (headers or {}).get("If-None-Match") == etag:
            return Answer(304, b"", {"etag": etag}, url, 1)
        return Answer(200, body, {"etag": etag}, url, 1)


def vouching(world: World, origin: FakeNode, copied: Item, host: str = "relay.example", code: str = "REL") -> FakeNode:
    """A relay whose list of members shows this copy of an origin's manifest."""
    relay = world.node(host, code, role="aggregator", size=50)
    relay.more = {"members": relay.url + "/v1/nodes"}
    listed, plain = orjson.dumps({"items": [{"id": origin.id, "manifest": copied}]}), relay.answer
    relay.answer = lambda url: listed if url == relay.more["members"] else plain(url)  # type: ignore[method-assign]
    return relay


def live_contracts(database: Database) -> int:
    """How many contracts are shown."""
    return sum(row.kind == "contract" and not row.deleted for row in rows(database).values())


def rows(database: Database) -> dict[str, Any]:
    """Every record by id."""
    from sqlalchemy import select

    from federation.database import table
    from schema.tables import Record

    with database.read() as session:
        return {row.id: row for row in session.connection().execute(select(table(Record)))}


def problems(database: Database) -> list[Any]:
    """Every problem that is told, in the order in which they came, but that a node signs nothing: most here do not."""
    from sqlalchemy import select

    from federation.database import table
    from schema.tables import Problem

    with database.read() as session:
        chosen = select(table(Problem)).where(table(Problem).c.rule != "signed").order_by(table(Problem).c.id)
        return list(session.connection().execute(chosen))


def feed(database: Database) -> Any:
    """The one feed's row."""
    from sqlalchemy import select

    from federation.database import table
    from schema.tables import Feed

    with database.read() as session:
        return session.connection().execute(select(table(Feed))).one()


def node_row(database: Database, key: str = "exa.example") -> Any:
    """A node's row."""
    from sqlalchemy import select

    from federation.database import table
    from schema.tables import Node

    with database.read() as session:
        return session.connection().execute(select(table(Node)).where(table(Node).c.key == key)).one()
