"""A crowd of made-up nodes in one process, each with an address of its own, over real HTTP.

`python -m benchmarks.crowd '{"nodes": 500, "records": 12, ...}'` (the members of `Crowd`) listens until it is told to
end, prints `ready`, and answers `GET /crowd` on any address with what it has seen: requests, how many were under way
at once for one host, and what it changed when. What a node publishes follows from its number alone, so that whoever
crawls can be held to it record by record.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property

OGL = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WORDS = ("Grounds", "Planning", "Housing", "Highways", "Library", "Payroll", "Waste", "Parking", "Fleet", "Telephony")
WORK = ("maintenance", "system", "repairs", "support", "services", "licences", "works", "consultancy", "supplies")
WITHDRAWN = 11
"""One record in so many has been withdrawn before anybody reads it."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many nodes with how many contracts each, with descriptions of about `text` characters.

    `delay` is the seconds of a round trip, as a distant host would cost them: one for a connection, one for a request,
    and one more each time that an answer fills the window of a connection, which begins at ten packets and doubles.
    `net` is the first half of the addresses; every second `changes` records change somewhere.
    """

    nodes: int
    records: int
    net: str = "127.30"
    port: int = 18_600
    page: int = 500
    delay: float = 0.0
    poll: int = 300
    changes: float = 0.0
    text: int = 70

    def address(self, n: int) -> str:
        """Give the address of a node: none ends in 0 or 255."""
        return f"{self.net}.{n // 200 + 1}.{n % 200 + 1}"

    def url(self, n: int) -> str:
        """Give the public URL of a node."""
        return f"http://{self.address(n)}:{self.port}"

    def all(self) -> Iterator[Node]:
        """Give every node as it stands at the start."""
        for n in range(self.nodes):
            yield Node(self, n)


@dataclass(slots=True)
class Node:
    """One node. Its organisation is change 1, its contracts follow; what changes later comes at the end."""

    crowd: Crowd
    n: int
    later: list[int] = field(default_factory=list)
    newest: dict[int, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Give the public URL."""
        return self.crowd.url(self.n)

    @property
    def publisher(self) -> str:
        """Give the publisher's id."""
        n = self.n
        return f"GB-LAE-{LETTERS[n // 676 % 26]}{LETTERS[n // 26 % 26]}{LETTERS[n % 26]}"

    @property
    def prefix(self) -> str:
        """Give the prefix of its ids."""
        return f"{self.url}/id/{self.publisher}/"

    @property
    def latest(self) -> int:
        """Give the highest change number."""
        return 1 + self.crowd.records + len(self.later)

    def organisation(self) -> dict[str, object]:
        """Give its organisation record."""
        code = self.publisher.rpartition("-")[2]
        return {"name": f"Council {code}", "identifiers": [{"scheme": "GB-LAE", "id": code}], "region": "Wessex"}

    def manifest(self) -> bytes:
        """Give its manifest."""
        publisher: dict[str, object] = {"idPrefix": self.prefix, "relation": "own"} | self.organisation()
        feed: dict[str, object] = {"url": f"{self.url}/v1/changes", "protocol": "rpde", "ordering": "changeNumber"}
        found: dict[str, object] = {"folkmoot": "1.0", "role": "node", "id": f"{self.url}/.well-known/folkmoot"}
        found |= {"epoch": "first"}
        found |= {"contact": {"name": "Team", "email": "team@council.example"}, "license": OGL}
        found |= {"publishers": [publisher], "feeds": [feed | {"minPollSeconds": self.crowd.poll}]}
        return json.dumps(found).encode()

    def change(self, record: int) -> tuple[str, int]:
        """Publish a contract anew; gives its id and its change number."""
        self.later.append(record)
        self.newest[record] = self.latest
        return f"{self.prefix}contract/C-{record:06d}", self.latest

    def truth(self) -> Iterator[tuple[str, int, bytes | None]]:
        """Give (id, change number, data) of everything; None for what was withdrawn."""
        yield f"{self.prefix}organisation/{self.publisher}", 1, json.dumps(self.organisation()).encode()
        for record in range(1, self.crowd.records + 1):
            number = self.newest.get(record, record + 1)
            yield f"{self.prefix}contract/C-{record:06d}", number, self.data(record, number)

    @property
    def _more(self) -> str:
        return " Terms and options are as in the schedule of works." * ((self.crowd.text - 70) // 51)

    def data(self, record: int, number: int) -> bytes | None:
        """Give a contract as it was published with a change number; None where it was withdrawn with it."""
        if record % WITHDRAWN == 0 and number == record + 1:
            return None
        seed = record * 7 + self.n
        return (
            f'{{"reference":"C-{record:06d}","title":"{WORDS[seed % 10]} {WORK[seed % 9]} {record} ({number})",'
            f'"description":"The council\'s arrangement for {WORK[seed % 7]}, number {seed}.{self._more}",'
            f'"department":"{WORDS[seed % 7]}","stage":"active",'
            f'"buyers":[{{"name":"Council","identifiers":[{{"scheme":"GB-LAE","id":"{self.publisher[7:]}"}}]}}],'
            f'"suppliers":[{{"name":"Supplier {seed % 8000} Ltd"}}],'
            f'"value":{{"amount":{1000 + seed % 90000},"currency":"GBP","basis":"total"}},"startDate":"2026-04-01",'
            f'"endDate":"20{27 + seed % 6}-03-31",'
            f'"classifications":[{{"scheme":"CPV","id":"{48 + seed % 40}000000"}}]}}'
        ).encode()

    def feed(self, after: int) -> bytes:
        """Give the page after a change number."""
        items: list[bytes] = []
        last = after
        for number, record in self._waiting(after):
            items.append(self._item(number, record))
            last = number
            if len(items) == self.crowd.page:
                break
        head = f'{{"next":"{self.url}/v1/changes?afterChangeNumber={last}","license":"{OGL}","epoch":"first"'.encode()
        if not items:
            head += f',"latest":{self.latest}'.encode()
        return head + b',"items":[' + b",".join(items) + b"]}"

    def _waiting(self, after: int) -> Iterator[tuple[int, int]]:
        for number in range(after + 1, self.latest + 1):
            record = number - 1 if number <= self.crowd.records + 1 else self.later[number - self.crowd.records - 2]
            if number == self.newest.get(record, record + 1):
                yield number, record

    def _item(self, number: int, record: int) -> bytes:
        if record == 0:
            kind, reference = "organisation", self.publisher
            data: bytes | None = json.dumps(self.organisation()).encode()
        else:
            kind, reference, data = "contract", f"C-{record:06d}", self.data(record, number)
        said = b'"state":"deleted","reason":"ended"' if data is None else b'"state":"updated","data":' + data
        return said.join(
            (
                b"{",
                f',"kind":"{kind}","id":"{self.prefix}{kind}/{reference}","modified":{number},"origin":{{'
                f'"node":"{self.url}/.well-known/folkmoot","publisher":"{self.publisher}","seq":{number},'
                f'"time":"2026-11-02T09:00:00Z"}}}}'.encode(),
            )
        )


@dataclass(slots=True)
class Seen:
    """What was asked of the crowd. `overlap` is the most requests under way at once for one host."""

    requests: int = 0
    connections: int = 0
    unchanged: int = 0
    overlap: int = 0
    open: dict[str, int] = field(default_factory=dict)
    changed: list[tuple[str, int, float]] = field(default_factory=list)


class Served:
    """The crowd as it stands, and what it has seen."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd, self.seen = crowd, Seen()
        self.nodes = {f"{crowd.address(node.n)}:{crowd.port}": node for node in crowd.all()}

    @cached_property
    def listed(self) -> list[Node]:
        """Give the nodes in a list, to choose from."""
        return list(self.nodes.values())

    def answer(self, host: str, path: str, etag: str) -> bytes:
        """Give the whole answer to a request."""
        node = self.nodes[host]
        if path == "/crowd":
            return _answer(200, json.dumps(asdict(self.seen)).encode())
        if path == "/.well-known/folkmoot":
            return _answer(200, node.manifest())
        if not path.startswith("/v1/changes"):
            return _answer(404, b"{}")
        now = f'"{node.latest}"'
        if etag == now:
            self.seen.unchanged += 1
            return _answer(304, b"", now)
        return _answer(200, node.feed(int(path.rpartition("=")[2]) if "=" in path else 0), now)

    async def change(self) -> None:
        """Change so many records a second, somewhere."""
        chance = random.Random(5)
        while True:
            await asyncio.sleep(1 / self.crowd.changes)
            node = chance.choice(self.listed)
            told = node.change(chance.randint(1, self.crowd.records))
            self.seen.changed.append((*told, datetime.now(UTC).timestamp()))


_REASONS = {200: "OK", 304: "Not Modified", 404: "Not Found"}


def _answer(status: int, body: bytes, etag: str = "") -> bytes:
    tag = f"etag: {etag}\r\n" if etag else ""
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/json\r\n{tag}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


WINDOW = 14_600
"""Bytes that a fresh connection carries in its first round trip: ten packets (RFC 6928)."""


class Talk(asyncio.Protocol):
    """One connection: requests without bodies, one after the other."""

    def __init__(self, served: Served) -> None:
        self._served, self._held = served, b""
        self._window, self._trips = WINDOW, 1
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._served.seen.connections += 1

    def data_received(self, data: bytes) -> None:
        """Take what came, and answer each request that is whole."""
        self._held += data
        while b"\r\n\r\n" in self._held:
            head, _, self._held = self._held.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            named = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
            path = lines[0].split(" ")[1]
            host = named["host"]
            seen = self._served.seen
            if path != "/crowd":
                seen.requests += 1
                seen.open[host] = seen.open.get(host, 0) + 1
                seen.overlap = max(seen.overlap, seen.open[host])
            answer = self._served.answer(host, path, named.get("if-none-match", ""))
            delay = self._served.crowd.delay * self._round_trips(len(answer))
            asyncio.get_running_loop().call_later(delay, self._reply, host if path != "/crowd" else "", answer)

    def _round_trips(self, size: int) -> int:
        trips, self._trips = self._trips + 1, 0
        while size > self._window:
            size -= self._window
            self._window *= 2
            trips += 1
        return trips

    def _reply(self, host: str, answer: bytes) -> None:
        if host:
            self._served.seen.open[host] -= 1
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


async def serve(crowd: Crowd) -> None:
    """Listen on every node's address until told to end."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop, served, stop = asyncio.get_running_loop(), Served(crowd), asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    for node in crowd.all():
        made = socket.create_server((crowd.address(node.n), crowd.port), backlog=64)
        await loop.create_server(lambda: Talk(served), sock=made)
    changing = asyncio.create_task(served.change()) if crowd.changes else None
    print("ready", flush=True)
    await stop.wait()
    if changing is not None:
        changing.cancel()


def main() -> None:
    """Serve the crowd that the command line describes."""
    asyncio.run(serve(Crowd(**json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
