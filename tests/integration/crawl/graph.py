"""Random graphs of nodes and aggregators: who reads whom, what happens, and what each must hold in the end.

The crawl, the databases and the feeds are the real ones; only the network is a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from federation import nodes
from federation.database import Database
from tests.integration.crawl.world import Aggregator, FakeNode, World, rows

SERVERS = 5
ROUNDS = 12
"""Within so many rounds of all aggregators nothing moves any more: no path is longer than the servers are many."""


@dataclass(slots=True)
class Graph:
    """Councils, aggregators, liars, and who reads whom."""

    world: World
    random: Random
    councils: list[FakeNode] = field(default_factory=list)
    moots: list[Aggregator] = field(default_factory=list)
    liars: list[FakeNode] = field(default_factory=list)
    reads: dict[str, set[str]] = field(default_factory=dict)

    def reached(self, origin: str, *, through: set[str]) -> set[str]:
        """The aggregators that a record of this origin comes to, by way of such servers."""
        found, waiting = set[str](), [origin]
        while waiting:
            here = waiting.pop()
            for reader, read in self.reads.items():
                if here in read and reader not in found:
                    found.add(reader)
                    if reader in through:
                        waiting.append(reader)
        return found

    def everyone(self) -> Mapping[str, FakeNode | Aggregator]:
        """All servers by their address."""
        servers: list[FakeNode | Aggregator] = [*self.councils, *self.moots, *self.liars]
        return {one.url: one for one in servers}

    def add(self, reader: Aggregator, server: FakeNode | Aggregator) -> None:
        """Let an aggregator read a server."""
        reader.add(server, relays=server not in self.councils)
        self.reads[reader.url].add(server.url)

    def remove(self, reader: Aggregator, server: str) -> None:
        """Let an aggregator read a server no more."""
        with reader.database.write() as session:
            nodes.remove(session, nodes.find(session, server), now=self.world.now)
        self.reads[reader.url].discard(server)


def grow(random: Random, databases: Callable[[], Database]) -> Graph:
    """Make a graph: one or two councils, perhaps a liar, the rest aggregators, which read some of the others."""
    world = World()
    graph = Graph(world, random)
    for number in range(random.randint(1, 2)):
        graph.councils.append(world.node(f"c{number}.example", ("EXA", "EXB")[number], size=random.choice((1, 3, 50))))
    if random.random() < 0.4:
        graph.liars.append(world.node("liar.example", "LIE", role="aggregator"))
    for number in range(SERVERS - len(graph.councils) - len(graph.liars)):
        graph.moots.append(Aggregator(databases(), world, f"m{number}.example", f"M{number}"))
    graph.reads = {moot.url: set() for moot in graph.moots}
    servers = list(graph.everyone().values())
    for moot in graph.moots:
        for server in random.sample(servers, random.randint(1, len(servers))):
            if server is not moot:
                graph.add(moot, server)
    return graph


def live(graph: Graph) -> None:
    """Let things happen: records come, change and go, aggregators read in any order, routes are taken and left."""
    random = graph.random
    for _step in range(random.randint(6, 14)):
        happening = random.random()
        if happening < 0.5:
            _publish(graph, random.choice(graph.councils))
        elif happening < 0.6 and graph.liars:
            _lie(graph)
        elif happening < 0.68:
            moot = random.choice(graph.moots)
            if graph.reads[moot.url]:
                graph.remove(moot, random.choice(sorted(graph.reads[moot.url])))
        elif happening < 0.75:
            _join(graph)
        else:
            _read(graph, random.choice(graph.moots))


def _publish(graph: Graph, council: FakeNode) -> None:
    reference = f"R-{graph.random.randint(1, 3)}"
    if graph.random.random() < 0.25 and f"{council.prefix}contract/{reference}" in council.items:
        council.delete("contract", reference)
    else:
        council.put("contract", reference, title=f"Version {council.number}")


def _lie(graph: Graph) -> None:
    """Relay a record with other content: under its own number, or one that the origin never gave."""
    council, (liar,) = graph.random.choice(graph.councils), graph.liars
    item: dict[str, Any] = graph.random.choice(list(council.items.values()))
    said = {"reference": item["id"].rpartition("/")[2], "title": "A lie"}
    seq = item["origin"]["seq"] + graph.random.choice((0, 0, 1, 1_000))
    data = council.organisation() | {"name": "A lie"} if item["kind"] == "organisation" else said
    lie = {key: member for key, member in item.items() if key != "reason"} | {"state": "updated", "data": data}
    liar.pass_on(lie, origin=item["origin"] | {"seq": seq})


def _join(graph: Graph) -> None:
    moot = graph.random.choice(graph.moots)
    others = [url for url in graph.everyone() if url != moot.url and url not in graph.reads[moot.url]]
    if others:
        graph.add(moot, graph.everyone()[graph.random.choice(others)])


def _read(graph: Graph, moot: Aggregator) -> None:
    graph.world.pass_time(hours=1)
    moot.crawl()


def settle(graph: Graph) -> int:
    """Let all read until no log moves. Gives the number of rounds that it took; `ROUNDS` is too many."""
    before = None
    for done in range(ROUNDS):
        for moot in graph.random.sample(graph.moots, len(graph.moots)):
            _read(graph, moot)
        now = [{i: (row.seq, row.data, row.deleted) for i, row in rows(m.database).items()} for m in graph.moots]
        if now == before:
            return done
        before = now
    return ROUNDS


def wrong(graph: Graph) -> Iterator[str]:
    """Whatever an aggregator holds of a council's records that it should not, or lacks."""
    honest = {moot.url for moot in graph.moots}
    for council in graph.councils:
        reached = graph.reached(council.url, through=honest)
        lied_to = set[str]().union(*(graph.reached(liar.url, through=honest) for liar in graph.liars))
        for moot in graph.moots:
            if council.url in graph.reads[moot.url] or moot.url not in lied_to:
                yield from _wrong(moot, council, reached=moot.url in reached)


def _wrong(moot: Aggregator, council: FakeNode, *, reached: bool) -> Iterator[str]:
    import orjson

    held = {i: row for i, row in rows(moot.database).items() if i.startswith(council.prefix)}
    for record_id, item in council.items.items():
        row = held.pop(record_id, None)
        said = item.get("data") if reached else None
        found = None if row is None or row.deleted else orjson.loads(row.data)
        if found != said:
            yield f"{moot.url} holds {found} of {record_id}; its origin says {said}"
        elif reached and row is not None and orjson.loads(row.origin) != item["origin"]:
            yield f"{moot.url} holds {record_id} as of {row.origin!r}; its origin says {item['origin']}"
    yield from (f"{moot.url} holds {ghost}, which was never published" for ghost in held)
