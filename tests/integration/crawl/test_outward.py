"""What a server sends to others: by the rules of the door, and nothing hangs on whether it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from federation import log
from federation.fetch import Door
from federation.pinger import Pinger
from federation.seam import Answer
from schema.errors import Later, Refused
from tests.contract.world import RECORDS, publish
from tests.integration.crawl.world import Aggregator
from tests.unit.federation.test_fetch import Server, reply


def test_what_is_sent_arrives_whole(moot: Aggregator) -> None:
    """Body and headers arrive as they were given; the answer is its status alone, and no redirect is followed."""

    async def go() -> list[tuple[int, bytes]]:
        found = []
        async with Server(reply(status="204 No Content", body=b"")) as server, _door(private=True) as door:
            for raw in (server.raw, reply(status="302 Found", Location=server.url("/else")), reply(status="500 Oh")):
                server.raw = raw
                answer = await door.post(server.url("/hook"), b'{"type":"x"}', {"webhook-id": "msg_1"})
                found.append((answer.status, await answer.whole()))
            heads = [head.lower() for head in server.heads]
        assert all(head.startswith("post /hook ") for head in heads)
        assert all("webhook-id: msg_1" in head and "content-length: 12" in head for head in heads)
        return found

    assert asyncio.run(go()) == [(204, b""), (302, b""), (500, b"")]


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/hook", "http://moot.example/hook", "https://user@moot.example/", "https://moot.example:22/x"],
)
def test_t01_a_webhook_goes_through_the_guarded_door(url: str) -> None:
    """An address that may not be fetched may not be posted to either: refused before any connection."""

    async def go() -> None:
        async with _door(private=False) as door:
            await door.post(url, b"{}", {})

    with pytest.raises(Refused):
        asyncio.run(go())


def test_t01_a_webhook_to_a_name_that_leads_inward_is_refused() -> None:
    """A public name with a private address gets nothing."""

    async def inward(_host: str, _port: int) -> list[str]:
        return ["10.0.0.1"]

    async def go() -> None:
        async with Door(user_agent="test", resolve=inward) as door:
            await door.post("https://hook.example/", b"{}", {})

    with pytest.raises(Refused) as refused:
        asyncio.run(go())
    assert refused.value.rule == "address"


def test_a_publisher_pings_when_its_log_has_grown(moot: Aggregator) -> None:
    """A change is told to every aggregator, once; an address that fails hinders neither the others nor the server."""
    told: list[str] = []
    both = asyncio.Event()

    async def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        told.append(url)
        if len(told) == 2:
            both.set()
        if "dead" in url:
            raise Later("It hangs.")
        return Answer(202, body, headers)

    async def go() -> None:
        stop = asyncio.Event()
        pinger = Pinger(moot.database, post, ["https://dead.example/p", "https://up.example/p"], every=0.01, gap=0.01)
        task = asyncio.create_task(pinger.run(stop))
        await asyncio.sleep(0.1)
        assert told == [], "what stood there at the start is not news"
        await asyncio.to_thread(publish, moot.database, {"contract": RECORDS["contract"][:1]})
        await both.wait()
        await asyncio.sleep(0.1)
        stop.set()
        await task

    with moot.database.read() as session:
        assert log.latest(session) == 1
    asyncio.run(asyncio.wait_for(go(), 30))
    assert told == ["https://dead.example/p", "https://up.example/p"]


def _door(*, private: bool) -> Door:
    return Door(user_agent="test", allow_private=private, gap=0)
