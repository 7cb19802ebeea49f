"""Origins heard of through relays: how many are asked at a time, what is remembered, and who vouches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import orjson
import pytest
from sqlalchemy.exc import OperationalError

from federation import origins, reader, rounds
from federation.identity import read_manifest
from federation.seam import Answer
from schema.errors import Later, Vanished
from tests.integration.crawl.world import Aggregator, FakeNode, World, node_row, problems, rows


def _relay_of(world: World, count: int) -> FakeNode:
    relay = world.node("relay.example", "REL", role="aggregator", size=50)
    for n in range(count):
        origin = world.node(f"n{n}.example", f"N{chr(65 + n)}X")
        relay.pass_on(origin.items[origin.put("contract", "C-1")])
    return relay


def test_many_new_origins_are_asked_over_visits(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that names more origins than a visit may ask waits, without fault, until enough are known."""
    monkeypatch.setattr(reader, "ORIGINS_A_VISIT", 4)
    moot.add(_relay_of(world, 10), relays=True)
    results = moot.crawl()
    assert [result.outcome for result in results] == ["budget", "budget", "ended"]
    assert (len(rows(moot.database)), node_row(moot.database, "relay.example").state) == (12, "active")
    assert problems(moot.database) == []


def test_dead_origins_do_not_block_a_feed(moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Origins that nobody can reach are asked once an hour; the feed goes on without their records."""
    monkeypatch.setattr(reader, "ORIGINS_A_VISIT", 4)
    relay = _relay_of(world, 6)
    for n in range(6):
        world.faults[f"https://n{n}.example"] = Later("down")
    moot.add(relay, relays=True)
    results = moot.crawl()
    assert [result.outcome for result in results] == ["budget", "ended"]
    assert {p.rule for p in problems(moot.database)} == {"origin-unknown"}
    asked = [url for url, _ in world.asked if "//n" in url]
    assert len(asked) == len(set(asked)) == 6
    world.faults.clear()
    for item in list(relay.items.values())[1:]:
        relay.items.pop(item["id"])
        relay.number += 1
        relay.items[item["id"]] = item | {"modified": relay.number}
    world.pass_time(hours=2)
    moot.crawl()
    assert problems(moot.database) == []
    assert len([row for row in rows(moot.database).values() if row.rank == 2]) == 6


def _learn(pages: Mapping[str, Any], node: FakeNode, relay: FakeNode) -> origins.Heard | None:
    async def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        del headers
        if url not in pages:
            raise Vanished(f"{url} answers 404.", 404)
        return Answer(200, orjson.dumps(pages[url]))

    manifest = read_manifest(orjson.dumps(relay.manifest()), relay.id)
    return asyncio.run(origins.learn(get, node.id, relay=manifest))


def test_list_of_members_is_read_page_by_page(world: World) -> None:
    """A relay's list is followed by `next` within its own host, until the origin is found."""
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    relay.more["members"] = first = "https://relay.example/v1/nodes"
    listed = {"id": node.id, "manifest": node.manifest()}
    pages = {first: {"items": [{"id": "x"}], "next": first + "?cursor=1"}, first + "?cursor=1": {"items": [listed]}}
    heard = _learn(pages, node, relay)
    assert heard is not None
    assert (heard.vouched_by, dict(heard.prefixes)) == (relay.id, {node.prefix: node.publisher})
    assert _learn({first: pages[first]}, node, relay) is None


@pytest.mark.parametrize("ends", [True, False], ids=["it ends", "it has no end"])
def test_a_list_that_does_not_name_the_origin_vouches_for_nobody(world: World, *, ends: bool) -> None:
    """A list is read to its end, or for fifty pages: who is not on them is not vouched for, and it is asked no more."""
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    relay.more["members"] = first = "https://relay.example/v1/nodes"
    urls = [first, *(f"{first}?cursor={n}" for n in range(1, origins.MEMBER_PAGES + 5))]
    asked: list[str] = []

    class Pages(dict[str, Any]):
        def __getitem__(self, url: str) -> Any:
            asked.append(url)
            return super().__getitem__(url)

    pages = Pages({url: {"items": [{"id": "x"}], "next": more} for url, more in pairwise(urls)})
    pages[urls[-2]] = {"items": [{"id": node.id, "manifest": node.manifest()}]}
    if ends:
        pages[urls[2]] = {"items": [{"id": "x"}], "next": None}
    assert _learn(pages, node, relay) is None
    assert asked == urls[: 3 if ends else origins.MEMBER_PAGES]


@pytest.mark.parametrize(
    "listed", [[], {"items": 5}, {"items": [5]}, {"items": [{"id": "https://exa.example/.well-known/folkmoot"}]}]
)
def test_list_of_nonsense_vouches_for_nobody(world: World, listed: object) -> None:
    """A list that is none, or whose copy is no manifest, leaves the origin unknown."""
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    relay.more["members"] = "https://relay.example/v1/nodes"
    assert _learn({relay.more["members"]: listed}, node, relay) is None


def test_relay_cannot_vouch_with_anothers_list(world: World) -> None:
    """A list on another host than the relay's own is not asked."""
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    relay.more["members"] = elsewhere = "https://else.example/v1/nodes"
    assert _learn({elsewhere: {"items": [{"id": node.id, "manifest": node.manifest()}]}}, node, relay) is None


def test_heard_of_gives_way_to_pinned(moot: Aggregator, world: World) -> None:
    """What was heard of an origin is forgotten when it is pinned: then its own manifest speaks."""
    moot.add(_relay_of(world, 1), relays=True)
    moot.crawl()
    with moot.database.write() as session:
        assert set(origins.every(session, now=world.now)) == {
            "https://relay.example/.well-known/folkmoot",
            "https://n0.example/.well-known/folkmoot",
        }
    moot.add(world.servers["https://n0.example"])  # type: ignore[arg-type]
    moot.crawl()
    assert {row.rank for row in rows(moot.database).values()} == {0}


def test_crawl_waits_for_a_database_that_is_down(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon whose database does not answer waits and goes on; it does not fall over."""
    monkeypatch.setattr(rounds, "FAULT_SECONDS", 0.05)
    moot.add(world.node())
    faults = iter([OperationalError("down", None, Exception("down"))] * 2)
    told: list[str] = []

    async def go() -> None:
        crawler, stop = moot.crawler(workers=1), asyncio.Event()
        claim = crawler._claim

        def failing(due_by: Any) -> Any:
            if (fault := next(faults, None)) is not None:
                raise fault
            return claim(due_by)

        monkeypatch.setattr(rounds.Crawler, "_claim", lambda _self, due_by: failing(due_by))

        def tell(result: rounds.TurnResult) -> None:
            told.append(result.outcome)
            stop.set()

        crawler.told = tell
        await asyncio.wait_for(crawler.run(stop), 20)

    asyncio.run(go())
    assert told == ["ended"]
