"""Origins heard of through relays: how many are asked at a time, what is remembered, and who vouches."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import orjson
import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError

from federation import hosts, lists, origins, reader, rounds, unproven
from federation.database import Reading, table
from federation.identity import prefixes_of, read_manifest
from federation.merge import Statement
from federation.seam import Answer
from federation.sign import Signer
from federation.visit import BUSY_WAIT
from folkmoot.commands import node_decisions
from schema.errors import Later, LeaseLost, Refused, Vanished
from schema.manifest import Manifest
from schema.tables import Node, Origin, Unproven
from tests.integration.crawl.world import (
    Aggregator,
    FakeNode,
    Item,
    World,
    feed,
    node_row,
    problems,
    rows,
    signature,
    vouching,
)


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


@pytest.mark.parametrize("signed", [False, True], ids=["new", "known, under another key"])
def test_a_visit_asks_origins_no_longer_than_it_may_last(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch, *, signed: bool
) -> None:
    """Origins that are slow are asked over visits, each once: one that leaves the page as unproven as before too."""
    monkeypatch.setattr("federation.visit.VISIT_SECONDS", 0.0)
    relay = world.node("relay.example", "REL", role="aggregator", size=50)
    for n in range(4):
        origin = world.node(f"n{n}.example", f"N{chr(65 + n)}X")
        if signed:
            origin.key("1")
            origin.key("2", publish=False)
        relay.pass_on(origin.items[origin.put("contract", "C-1")])
    moot.add(relay, relays=True)
    results = moot.crawl()
    assert [result.outcome for result in results] == ["budget"] * 4 + ["ended"]
    asked = [url for url, _headers in world.asked if "//n" in url]
    assert len(asked) == len(set(asked)) == 4
    assert len(rows(moot.database)) == (2 if signed else 6)


def test_a_large_page_leaves_the_turn_to_others_while_origins_are_asked(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a page of megabytes the turn is given back before anybody else is asked; then it is fetched again, once."""
    relay = _relay_of(world, 3)
    for n in range(11):
        relay.put("contract", f"C-{n}", unknownMember=["Words. " * 31_000])
    having: list[str] = []
    meanwhile: list[list[str]] = []

    @asynccontextmanager
    async def turn(answer: Answer, waits: object = None) -> AsyncIterator[None]:
        del waits
        having.append(answer.url)
        try:
            yield
        finally:
            having.remove(answer.url)

    def look(url: str) -> None:
        if "//n" in url:
            meanwhile.append(list(having))

    monkeypatch.setattr(Answer, "turn", turn)
    world.before = look
    moot.add(relay, relays=True)
    (result,) = moot.crawl()
    assert (result.outcome, result.applied.created) == ("ended", 15)
    assert meanwhile == [[], [], []]
    pages = [url for url, _headers in world.asked if url.startswith(f"{relay.url}/v1/changes")]
    assert len(pages) == 3, "the page, the page again, and the end"


def test_a_large_page_of_too_many_origins_is_for_the_next_visit(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of megabytes is left as any other is until its origins are known, and nothing of it is lost."""
    monkeypatch.setattr(reader, "ORIGINS_A_VISIT", 2)
    relay = _relay_of(world, 5)
    for n in range(11):
        relay.put("contract", f"C-{n}", unknownMember=["Words. " * 31_000])
    moot.add(relay, relays=True)
    assert [result.outcome for result in moot.crawl()] == ["budget", "budget", "ended"]
    assert len(rows(moot.database)) == 18


def _busy(moot: Aggregator, place: str, until: datetime) -> None:
    with moot.database.write() as session:
        assert hosts.take(session, place, "two", at=until - timedelta(hours=2), until=until) is not None


def test_a_relay_does_not_speak_for_an_origin_that_is_busy(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another reader has an origin's turn, the page waits for the next visit: no copy is taken meanwhile."""
    monkeypatch.setattr("federation.polite.PATIENCE", 0.05)
    origin, false = world.node(), Signer("9", b"x" * 32)
    origin.key("1")
    record = origin.put("contract", "A", title="true")
    relay = vouching(world, origin, origin.manifest() | {"keys": [false.jwk]})
    relay.pass_on(origin.items[record])
    moot.add(relay, relays=True)
    _busy(moot, "exa.example:443", world.now + timedelta(hours=1))
    result = asyncio.run(moot.crawler().turn())
    assert result is not None
    assert (result.outcome, problems(moot.database)) == ("budget", [])
    assert (_asked(world, origin), relay.more["members"] in [url for url, _ in world.asked]) == (0, False)
    with moot.database.read() as session:
        assert origin.id not in origins.every(session, now=world.now)
    world.pass_time(hours=2)
    assert [result.outcome for result in moot.crawl()] == ["ended"]
    assert (_title(moot, record), _heard(moot, origin).vouched_by) == ("true", None)


def test_a_page_that_waits_for_a_busy_host_is_left_for_a_while(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all that is left is another reader's turn, the page is not fetched again at once and in vain."""
    monkeypatch.setattr("federation.polite.PATIENCE", 0.05)
    relay = _relay_of(world, 2)
    moot.add(relay, relays=True)
    _busy(moot, "n0.example:443", world.now + timedelta(hours=1))
    (result,) = moot.crawl()
    row = feed(moot.database)
    assert (result.outcome, round((row.due - row.last_visit) / BUSY_WAIT, 2)) == ("budget", 1.0)
    world.pass_time(minutes=1)
    (result,) = moot.crawl()
    asked = [url for url, _headers in world.asked if "//n1" in url]
    assert (result.outcome, len(asked)) == ("budget", 1)
    world.pass_time(hours=1)
    assert [result.outcome for result in moot.crawl()] == ["ended"]
    assert problems(moot.database) == []


def test_what_is_left_for_want_of_time_is_not_left_for_a_busy_host(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a busy host others are asked visit after visit; only when none could be asked does the page wait."""
    monkeypatch.setattr("federation.polite.PATIENCE", 0.05)
    monkeypatch.setattr(reader, "ORIGINS_A_VISIT", 2)
    moot.add(_relay_of(world, 4), relays=True)
    _busy(moot, "n0.example:443", world.now + timedelta(hours=1))
    assert [result.outcome for result in moot.crawl()] == ["budget"] * 3
    assert {url.split("/")[2] for url, _headers in world.asked if "//n" in url} == {f"n{n}.example" for n in (1, 2, 3)}


@pytest.mark.parametrize("lost", [False, True], ids=["its list cannot be had", "its lease is lost"])
def test_what_was_heard_before_a_visit_broke_off_is_kept(moot: Aggregator, world: World, *, lost: bool) -> None:
    """Of origins that were asked in a visit that failed none is asked again; of one whose feed is another's, all."""
    relay = _relay_of(world, 3)
    relay.more["members"] = members = f"{relay.url}/v1/nodes"
    moot.add(relay, relays=True)
    world.faults["https://n2.example"] = LeaseLost() if lost else Later("down")
    world.faults[members] = Later("down too")
    (result,) = moot.crawl()[:1] if not lost else [asyncio.run(moot.crawler().turn())]
    assert result is not None
    assert (result.outcome, result.error) == (("lost", LeaseLost().detail) if lost else ("failed", "down too"))
    world.faults.clear()
    world.pass_time(minutes=10)
    assert [result.outcome for result in moot.crawl()] == ["ended"]
    asked = [url.split("/")[2] for url, _headers in world.asked if "//n" in url]
    assert {name: asked.count(name) for name in asked} == {
        "n0.example": 1 + lost,
        "n1.example": 1 + lost,
        "n2.example": 2,
    }


def test_a_large_page_that_spends_the_budget_is_read_in_the_next_visit(moot: Aggregator, world: World) -> None:
    """A page of megabytes that is the last of its visit is not asked for in each visit and never read."""
    relay = world.node("relay.example", "REL", role="aggregator", size=50)
    origin = world.node("n0.example", "NAX")
    origin.key("1")
    origin.key("2", publish=False)
    relay.pass_on(origin.items[origin.put("contract", "C-1")])
    for n in range(11):
        relay.put("contract", f"C-{n}", unknownMember=["Words. " * 31_000])
    moot.add(relay, relays=True)
    crawler = moot.crawler(budget=1)

    async def go() -> list[str]:
        return [result.outcome for _ in range(6) if (result := await crawler.turn()) is not None]

    assert asyncio.run(go()) == ["budget", "budget", "ended"]
    assert len([url for url, _headers in world.asked if "//n0" in url]) == 1
    assert len(rows(moot.database)) == 13


def test_what_is_known_of_all_origins_is_read_once_a_visit(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages name new origins, the list of all of them is asked of the database with the first."""
    read: list[str] = []
    for name in ("every", "overdue"):
        plain = getattr(origins, name)

        def noted(session: Reading, *, now: datetime, name: str = name, plain: Any = plain) -> Any:
            read.append(name)
            return plain(session, now=now)

        monkeypatch.setattr(origins, name, noted)
    relay = _relay_of(world, 6)
    relay.size = 2
    moot.add(relay, relays=True)
    (result,) = moot.crawl()
    assert (result.outcome, result.pages, sorted(read)) == ("ended", 5, ["every", "overdue"])


def test_a_busy_origin_that_is_known_holds_up_nothing(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An origin that was only to be asked once more is asked another time, and the page is read by what is known."""
    monkeypatch.setattr("federation.polite.PATIENCE", 0.05)
    origin, relay = world.node(), world.node("relay.example", "REL", role="aggregator", size=50)
    relay.pass_on(origin.items[origin.put("contract", "A")])
    moot.add(relay, relays=True)
    moot.crawl()
    world.pass_time(days=2)
    _busy(moot, "exa.example:443", world.now + timedelta(hours=1))
    relay.pass_on(origin.items[origin.put("contract", "A", title="New")])
    assert [result.outcome for result in moot.crawl()] == ["ended"]
    assert _asked(world, origin) == 1
    assert {"New"} <= {orjson.loads(row.data).get("title") for row in rows(moot.database).values()}


def test_a_relay_does_not_speak_for_an_origin_whose_robots_txt_forbids_us(moot: Aggregator, world: World) -> None:
    """An origin that answers, and forbids us to ask, can be reached: no copy of its manifest stands in for it."""
    origin = world.node()
    relay = vouching(world, origin, origin.manifest())
    relay.pass_on(origin.items[origin.put("contract", "A")])
    world.faults[origin.url] = Refused("robots", "The robots.txt of exa.example forbids it.")
    moot.add(relay, relays=True)
    moot.crawl()
    assert [problem.rule for problem in problems(moot.database)] == ["origin-unknown"]
    assert (_heard(moot, origin).vouched_by, _heard(moot, origin).prefixes) == (None, "{}")


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
def test_an_origin_whose_name_can_be_none_is_refused_alone(moot: Aggregator, world: World, host: str) -> None:
    """An item of an origin that no resolver takes is told, nobody is asked, and the page beside it lands."""
    relay = _relay_of(world, 1)
    origin = world.node(host, "NOO")
    relay.pass_on(origin.items[origin.put("contract", "A")])
    moot.add(relay, relays=True)
    (result,) = moot.crawl()
    assert (result.outcome, result.applied.created, result.applied.refused) == ("ended", 2, 1)
    assert not any(host in url for url, _headers in world.asked)
    assert feed(moot.database).position == relay.number


def test_a_list_of_members_that_drips_is_for_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay whose list takes minutes to read holds up its own feed, and no visit for hours."""
    monkeypatch.setattr(origins, "LIST_SECONDS", -1.0)
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    relay.more["members"] = first = "https://relay.example/v1/nodes"
    with pytest.raises(Later, match="takes more than"):
        _learn({first: {"items": [], "next": None}}, node, relay)


def test_prefixes_of_origins_heard_of_at_once_are_those_of_the_first(moot: Aggregator, world: World) -> None:
    """Of origins that claim the same ids the first by its address has them, also where they are heard of together."""
    a, b = "https://exa.example/a", "https://exa.example/b"
    one, under, two = (f"https://exa.example/id/{path}/" for path in ("ONE", "ONE/x", "TWO"))
    moot.add(world.node("two.example", "TWO"))
    pinned = world.servers["https://two.example"].prefix  # type: ignore[attr-defined]
    manifest = _read(world.node())

    def kept(*heard: tuple[str, list[str]]) -> dict[str, set[str]]:
        with moot.database.write() as session:
            said = [origins.Heard(name, dict.fromkeys(prefixes, "P"), None, manifest) for name, prefixes in heard]
            return {name: set(left) for name, left in origins.remember(session, said, now=world.now).items()}

    assert kept((b, [under, two]), (a, [one, pinned])) == {a: {one}, b: {two}}
    assert kept((a, [one, two])) == {a: {one}}
    assert kept((a, []), (b, [one, two])) == {a: {one}, b: {two}}, "what another has stays its own"
    assert kept((b, [under])) == {b: {two}}
    assert kept((a, [under])) == {a: {one, under}}


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


def _heard_only_of(moot: Aggregator, world: World, origin: FakeNode, copied: Item, item: Item) -> FakeNode:
    """A relay that shows this copy of a manifest and passes an item on, read while its origin is down."""
    relay = vouching(world, origin, copied)
    relay.pass_on(item)
    world.faults[origin.url] = Later("down")
    moot.add(relay, relays=True)
    moot.crawl()
    return relay


def _forged(item: Item, title: str, signer: Signer | None = None, *, later: int = 0) -> Item:
    """What a relay might make of an origin's item: another title, signed by whoever is given."""
    lie = copy.deepcopy(item)
    lie["data"]["title"] = title
    lie["origin"]["seq"] += later
    del lie["origin"]["sig"]
    if signer is not None:
        lie["origin"]["sig"] = signature(lie, signer)
    return lie


def _heard(moot: Aggregator, origin: FakeNode) -> Any:
    with moot.database.read() as session:
        return session.connection().execute(select(table(Origin)).where(table(Origin).c.id == origin.id)).one()


def _asked(world: World, origin: FakeNode) -> int:
    return sum(url == origin.id for url, _headers in world.asked)


def _title(moot: Aggregator, record_id: str) -> str:
    return str(orjson.loads(rows(moot.database)[record_id].data)["title"])


def test_a_relay_cannot_lock_an_origin_out_byvouching(moot: Aggregator, world: World) -> None:
    """Keys that a relay vouched for while the origin was down give way to the origin's own (protocol section 5)."""
    origin, false = world.node(), Signer("9", b"x" * 32)
    origin.key("1")
    record = origin.put("contract", "A")
    bad = _heard_only_of(
        moot, world, origin, origin.manifest() | {"keys": [false.jwk]}, _forged(origin.items[record], "forged", false)
    )
    assert (_title(moot, record), _heard(moot, origin).vouched_by) == ("forged", bad.id)
    world.faults.clear()
    good = world.node("good.example", "GOO", role="aggregator", size=50)
    good.pass_on(origin.items[origin.put("contract", "A", title="true")])
    moot.add(good, relays=True)
    moot.crawl()
    row = rows(moot.database)[record]
    assert (_title(moot, record), row.signature, row.rank) == ("true", "valid", 1)
    assert [key["kid"] for key in orjson.loads(_heard(moot, origin).jwks)] == ["1"]


def test_what_an_origin_said_itself_no_relay_changes(moot: Aggregator, world: World) -> None:
    """While an origin is down, a relay's copy of its manifest changes nothing of what came from the origin itself."""
    origin = world.node()
    origin.key("1")
    relay = vouching(
        world,
        origin,
        origin.manifest() | {"keys": [origin.keys["1"] | {"revoked": "2026-11-02T09:00:00Z", "reason": "false"}]},
    )
    record = origin.put("contract", "A")
    relay.pass_on(origin.items[record])
    moot.add(relay, relays=True)
    moot.crawl()
    before = _heard(moot, origin)
    world.faults[origin.url] = Later("down")
    origin.key("2", publish=False)
    relay.pass_on(origin.items[origin.put("contract", "B")])  # under a key that nobody knows: the origin is asked
    world.pass_time(hours=1)
    moot.crawl()
    after = _heard(moot, origin)
    assert (after.jwks, after.prefixes, after.vouched_by) == (before.jwks, before.prefixes, None)
    assert after.fetched > before.fetched
    assert rows(moot.database)[record].signature == "valid"


def test_the_mark_of_a_vouched_origin_stays(moot: Aggregator, world: World) -> None:
    """Where nobody answers for an origin that a relay vouched for, its records still say who did."""
    origin = world.node()
    record = origin.put("contract", "A")
    one = _heard_only_of(moot, world, origin, origin.manifest(), origin.items[record])
    two = world.node("two.example", "TWO", role="aggregator", size=50)
    two.pass_on(origin.items[record] | {"id": "https://exa.example/id/OTHER/contract/A"})
    moot.add(two, relays=True)
    world.pass_time(hours=3)
    moot.crawl()
    with moot.database.read() as session:
        assert origins.vouchers(session, [origin.id]) == {origin.id: one.id}


def _two_bodies(origin: FakeNode, code: str = "HOS") -> FakeNode:
    """Another body that an origin publishes for from now on, with records of its own."""
    body = FakeNode(code=code)
    origin.more = {"publishers": [*origin.manifest()["publishers"], *body.manifest()["publishers"]]}
    return body


def _read(origin: FakeNode) -> Manifest:
    return read_manifest(orjson.dumps(origin.manifest()), origin.id)


def test_t37_what_a_body_withdraws_that_has_left_its_origin_is_taken(moot: Aggregator, world: World) -> None:
    """An origin that is relayed keeps the prefixes that it had: its tombstones and a relay's `dropped` still land."""
    origin, relay = world.node(), world.node("relay.example", "REL", role="aggregator", size=50)
    body = _two_bodies(origin)
    gone, ended, dropped = (body.put("contract", f"C-{n}") for n in range(3))
    for record in (gone, ended, dropped):
        relay.pass_on(body.items[record])
    moot.add(relay, relays=True)
    moot.crawl()
    origin.more = {}
    relay.pass_on(body.items[body.delete("contract", "C-0", "personal-data")])
    relay.pass_on(body.items[body.delete("contract", "C-1")])
    relay.pass_on(body.items[dropped], state="deleted", reason="dropped")
    world.pass_time(hours=26)
    moot.crawl()
    found = rows(moot.database)
    assert (_asked(world, origin), problems(moot.database)) == (2, [])
    assert [found[record].reason for record in (gone, ended, dropped)] == ["personal-data", "ended", "dropped"]


def test_a_prefix_that_an_origin_left_is_anothers_once_that_is_pinned_with_it(moot: Aggregator, world: World) -> None:
    """What an origin had and lists no more gives way to a node that is pinned with it, as what it lists does."""
    origin, other = world.node(), world.node("two.example", "TWO")
    body = _two_bodies(origin)
    moot.add(other)
    with moot.database.write() as session:
        origins.remember(session, [_said(origin)], now=world.now)
        has = update(table(Node)).where(table(Node).c.url == other.id)
        session.connection().execute(has.values(prefixes=orjson.dumps({body.prefix: body.publisher}).decode()))
        origin.more = {}
        assert origins.remember(session, [_said(origin)], now=world.now) == {origin.id: {origin.prefix: "GB-LAE-EXA"}}


def _said(origin: FakeNode, by: str | None = None) -> origins.Heard:
    """What an origin says of itself now, or what a relay says of it."""
    manifest = _read(origin)
    return origins.Heard(origin.id, prefixes_of(manifest), by, manifest)


@pytest.mark.parametrize("had", ["by asking it", "from a person"])
def test_prefixes_that_a_relay_alone_vouched_for_go_with_its_word(moot: Aggregator, world: World, had: str) -> None:
    """What an origin never said itself is none of its own once its word is had, however that is had."""
    origin = world.node()
    body = _two_bodies(origin)
    vouched = _said(origin, "https://relay.example/x")
    origin.more = {}
    with moot.database.write() as session:
        kept = origins.remember(session, [vouched], now=world.now)
        assert set(kept[origin.id]) == {origin.prefix, body.prefix}
        if had == "by asking it":
            origins.remember(session, [_said(origin)], now=world.now)
        else:
            origins.confirm(session, origin.id, _read(origin), now=world.now)
    assert (set(orjson.loads(_heard(moot, origin).prefixes)), _heard(moot, origin).vouched_by) == (
        {origin.prefix},
        None,
    )


def test_prefixes_that_a_relay_vouched_for_stay_while_it_alone_speaks(moot: Aggregator, world: World) -> None:
    """While an origin is silent, what its relay vouched for stays too; another relay's word takes the place of it."""
    origin = world.node()
    body = _two_bodies(origin)
    both = _said(origin, "https://relay.example/x")
    origin.more = {}
    with moot.database.write() as session:
        origins.remember(session, [both], now=world.now)
        kept = origins.remember(session, [_said(origin, "https://relay.example/x")], now=world.now)
        assert set(kept[origin.id]) == {origin.prefix, body.prefix}
        kept = origins.remember(session, [_said(origin, "https://other.example/x")], now=world.now)
        assert set(kept[origin.id]) == {origin.prefix}


def test_an_origin_that_is_asked_in_vain_is_known_as_it_stands_now(moot: Aggregator, world: World) -> None:
    """Who learns nothing of an origin writes nothing back that it read before another learnt more."""
    origin = world.node()
    _two_bodies(origin)
    vouched = _said(origin, "https://relay.example/x")
    origin.more = {}
    with moot.database.write() as session:
        for heard in (vouched, _said(origin), origins.Heard(origin.id, vouched.prefixes)):
            kept = origins.remember(session, [heard], now=world.now)
    assert (set(kept[origin.id]), _heard(moot, origin).vouched_by) == ({origin.prefix}, None)


def test_an_origin_keeps_no_more_prefixes_than_a_manifest_may_name(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that names others day after day has those that it names, and of the others the last that it had."""
    monkeypatch.setattr(origins, "MOST_PREFIXES", 3)
    origin = world.node()
    for code in ("ONE", "TWO", "THR", "FOU"):
        origin.more = {"publishers": FakeNode(code=code).manifest()["publishers"]}
        with moot.database.write() as session:
            kept = origins.remember(session, [_said(origin)], now=world.now)
    assert list(kept[origin.id].values()) == ["GB-LAE-FOU", "GB-LAE-THR", "GB-LAE-TWO"]


def test_no_relay_adds_a_prefix_to_a_node_that_is_read_here(moot: Aggregator, world: World) -> None:
    """While a pinned node is down, a relay that lists another body of it cannot make up records of that body."""
    origin = world.node()
    record = origin.put("contract", "A")
    moot.add(origin)
    moot.crawl()
    made_up = _two_bodies(origin, "XYZ")
    relay = vouching(world, origin, origin.manifest())
    world.faults[origin.url] = Later("down")
    relay.pass_on(made_up.items[made_up.put("contract", "A")])
    moot.add(relay, relays=True)
    moot.crawl()
    assert {problem.rule for problem in problems(moot.database)} >= {"id-prefix"}
    assert not [name for name in rows(moot.database) if name.startswith(made_up.prefix)]
    assert (_marks(moot, record), _known(moot, origin)) == ((), [])


def test_no_relay_vouches_for_a_node_that_is_read_here(moot: Aggregator, world: World) -> None:
    """While a pinned node is down, a record under a key that only a relay shows marks nothing, and waits for it."""
    origin = world.node()
    first = origin.key("1")
    origin.all_again()
    record = origin.put("contract", "A")
    moot.add(origin)
    moot.crawl()
    origin.key("2", by=first)
    later = origin.put("contract", "B")
    _heard_only_of(moot, world, origin, origin.manifest(), origin.items[later])
    assert (_marks(moot, record), _known(moot, origin), later in rows(moot.database)) == ((), [], False)
    world.faults.clear()
    world.pass_time(hours=1)
    moot.crawl()
    assert (rows(moot.database)[later].signature, _marks(moot, later)) == ("valid", ())


def test_what_a_pinned_node_says_at_a_relays_asking_takes_nothing_from_it(moot: Aggregator, world: World) -> None:
    """A pinned node that is asked for a new body has that one too, and still those that it was pinned with."""
    origin, relay = world.node(), world.node("relay.example", "REL", role="aggregator", size=50)
    left = _two_bodies(origin)
    moot.add(origin)
    moot.crawl()
    origin.more = {}
    joined = _two_bodies(origin, "XYZ")
    relay.pass_on(joined.items[joined.put("contract", "A")])
    relay.pass_on(left.items[left.put("contract", "A")])
    moot.add(relay, relays=True)
    moot.crawl()
    assert problems(moot.database) == []
    assert {f"{body.prefix}contract/A" for body in (left, joined)} <= set(rows(moot.database))
    assert (_asked(world, origin), _known(moot, origin)) == (2, [])


def test_what_a_relay_said_of_a_node_before_it_was_pinned_says_nothing_now(moot: Aggregator, world: World) -> None:
    """A word that was written while a node was pinned, or is left of a time before, gives it no key and no mark."""
    origin = world.node()
    record = origin.put("contract", "A")
    origin.key("9")
    with moot.database.write() as session:
        origins.remember(session, [_said(origin, "https://relay.example/x")], now=world.now)
        left = session.connection().execute(select(table(Origin))).one()._asdict()
    origin.keys = {}
    moot.add(origin)
    with moot.database.write() as session:
        session.connection().execute(table(Origin).insert().values(left))
    moot.crawl()
    with moot.database.read() as session:
        assert origin.id not in origins.rings(session)
    assert (left["jwks"] != "[]", _marks(moot, record)) == (True, ())


def test_t11_no_relay_revokes_a_key_of_a_node_that_is_pinned_later(moot: Aggregator, world: World) -> None:
    """What a relay said of a key while its node was down revokes nothing when that node joins, and holds nobody."""
    origin = world.node()
    origin.key("1")
    origin.all_again()
    record = origin.put("contract", "A")
    revoked = origin.keys["1"] | {"revoked": "2026-11-02T09:00:00Z", "reason": "false"}
    relay = _heard_only_of(moot, world, origin, origin.manifest() | {"keys": [revoked]}, origin.items[record])
    assert (_heard(moot, origin).vouched_by, "revoked" in _heard(moot, origin).jwks) == (relay.id, True)
    world.faults.clear()
    moot.add(origin)
    moot.crawl()
    pinned = node_row(moot.database)
    assert (pinned.state, "revoked" in pinned.jwks) == ("active", False)
    assert rows(moot.database)[record].signature == "valid"


def test_t11_a_key_that_a_relay_made_up_proves_nothing_once_its_node_is_pinned(moot: Aggregator, world: World) -> None:
    """What was signed under a false key that a relay vouched for is no longer valid when the node joins without any."""
    origin = world.node()
    record = origin.put("contract", "A", title="True")
    false = Signer("false", bytes(range(32)))
    item = origin.items[record]
    _heard_only_of(
        moot,
        world,
        origin,
        origin.manifest() | {"keys": [false.jwk]},
        _forged(item | {"origin": item["origin"] | {"sig": ""}}, "A lie", false, later=9),
    )
    assert rows(moot.database)[record].signature == "valid"
    world.faults.clear()
    moot.add(origin)
    assert (rows(moot.database)[record].signature, rows(moot.database)[record].rank) == ("unknown-key", 2)
    moot.crawl()
    assert (rows(moot.database)[record].signature, rows(moot.database)[record].rank) == ("absent", 0)


def _marks(moot: Aggregator, record: str) -> tuple[str, ...]:
    with moot.database.read() as session:
        held = lists.by_id(session, record)
    assert held is not None
    return held.marks


def _known(moot: Aggregator, origin: FakeNode) -> list[Any]:
    """What is written of an origin that was heard of."""
    with moot.database.read() as session:
        return list(session.connection().execute(select(table(Origin)).where(table(Origin).c.id == origin.id)))


def test_a_vouched_origin_is_asked_again_after_an_hour(moot: Aggregator, world: World) -> None:
    """A relay's copy of a manifest is in force for no longer than the origin is silent: it is asked every hour."""
    origin = world.node()
    copied = origin.manifest()  # without the key
    origin.key("1")
    record = origin.put("contract", "A")
    relay = _heard_only_of(moot, world, origin, copied, _forged(origin.items[record], "forged"))
    listed = sum(url == relay.more["members"] for url, _headers in world.asked)
    for visit, minutes in enumerate((10, 55, 10)):
        if visit == 2:
            world.faults.clear()
        relay.pass_on(_forged(origin.items[record], f"forged {visit}", later=1 + visit))
        world.pass_time(minutes=minutes)
        moot.crawl()
        assert (_asked(world, origin), _heard(moot, origin).vouched_by) == ([1, 2, 2][visit], relay.id)
    relay.pass_on(_forged(origin.items[record], "forged last", later=9))
    world.pass_time(hours=1)
    moot.crawl()
    assert (_asked(world, origin), _heard(moot, origin).vouched_by) == (3, None)
    assert _title(moot, record) == "forged 2"
    assert sum(url == relay.more["members"] for url, _headers in world.asked) == listed, "its list is asked no more"


def test_a_revoked_key_of_an_origin_that_is_relayed_verifies_nothing(moot: Aggregator, world: World) -> None:
    """An origin that was heard of is asked again after a day, so that what it revoked meanwhile verifies nothing."""
    origin = world.node()
    stolen = origin.key("1")
    relay = world.node("relay.example", "REL", role="aggregator", size=50)
    record = origin.put("contract", "A")
    relay.pass_on(origin.items[record])
    moot.add(relay, relays=True)
    moot.crawl()
    origin.keys["1"] |= {"revoked": "2026-11-03T00:00:00Z", "reason": "stolen"}
    world.pass_time(hours=23)
    relay.pass_on(origin.items[record])
    moot.crawl()
    assert _asked(world, origin) == 1
    world.pass_time(hours=2)
    relay.pass_on(_forged(origin.items[record], "forged", stolen, later=10))
    moot.crawl()
    assert _asked(world, origin) == 2
    assert (_title(moot, record), rows(moot.database)[record].signature) == ("contract A", "invalid")


def test_t11_a_person_confirms_the_keys_of_a_council_that_is_relayed(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch, run: Callable[..., tuple[int, str]]
) -> None:
    """A key that nobody endorsed: its words wait, told with the command that takes them, a withdrawal among them."""
    origin = world.node()
    origin.key("1")
    relay = world.node("relay.example", "REL", role="aggregator", size=50)
    stays, goes = origin.put("contract", "A"), origin.put("contract", "B")
    for record in (stays, goes):
        relay.pass_on(origin.items[record])
    moot.add(relay, relays=True)
    moot.crawl()
    origin.keys["1"] |= {"revoked": "2026-11-03T00:00:00Z", "reason": "stolen"}
    origin.key("2")
    relay.pass_on(origin.items[origin.put("contract", "A", title="later")])
    relay.pass_on(origin.items[origin.delete("contract", "B", "personal-data")])
    world.pass_time(hours=26)
    moot.crawl()
    found = rows(moot.database)
    assert (_title(moot, stays), found[stays].signature, found[goes].deleted) == ("contract A", "invalid", False)
    command = f"folkmoot node release {origin.id} --identity"
    assert {p.rule for p in problems(moot.database) if command in p.message} == {"signature-unknown-key"}
    manifest = read_manifest(orjson.dumps(origin.manifest()), origin.id)
    monkeypatch.setattr(node_decisions, "_asked", lambda _settings, url, _key: (manifest, url.encode()))
    code, said = run("node", "release", origin.url, "--identity", "--yes")
    assert (code, f"{origin.id} is known by these keys" in said) == (0, True), said
    code, said = run("node", "release", "nobody.example", "--identity", "--yes")
    assert (code, "no relay told of it" in said) == (2, True), said
    found = rows(moot.database)
    assert (_title(moot, stays), found[stays].signature) == ("later", "valid")
    assert (found[goes].deleted, found[goes].data) == (True, None)


@pytest.mark.parametrize("after", ["the old word again", "another that nobody can prove"])
def test_t37_a_withdrawal_that_waits_for_a_key_gives_way_to_nothing_older(
    moot: Aggregator, world: World, after: str
) -> None:
    """A personal-data tombstone under a key that is not known stays, and is told, until a person confirms the key."""
    origin = world.node()
    origin.key("1")
    relay = world.node("relay.example", "REL", role="aggregator", size=50)
    record = origin.put("contract", "A")
    first = dict(origin.items[record])
    relay.pass_on(first)
    moot.add(relay, relays=True)
    moot.crawl()
    origin.keys = {}
    origin.key("2")
    origin.delete("contract", "A", "personal-data")
    relay.pass_on(origin.items[record])
    world.pass_time(hours=26)
    moot.crawl()
    relay.pass_on(
        first if after == "the old word again" else _forged(first, "forged", Signer("9", b"x" * 32), later=50)
    )
    world.pass_time(hours=1)
    moot.crawl()
    assert "signature-unknown-key" in {problem.rule for problem in problems(moot.database)}
    manifest = read_manifest(orjson.dumps(origin.manifest()), origin.id)
    with moot.database.write() as session:
        origins.confirm(session, origin.id, manifest, now=world.now)
    row = rows(moot.database)[record]
    assert (row.deleted, row.reason, row.data) == (True, "personal-data", None)


def test_t37_a_withdrawal_gives_way_to_no_later_word_of_the_same_load(moot: Aggregator, world: World) -> None:
    """Where one load brings both under a key that is not known, the withdrawal is what waits, whichever came first."""
    origin, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    moot.add(relay, relays=True)
    told = (f"{origin.prefix}contract/A", "contract", "GB-LAE-EXA", 1)
    gone = Statement(*told, None, b"{}", None, "personal-data", None, origin.id, 5, 2)
    later = Statement(*told, b"{}", b"{}", None, None, None, origin.id, 9, 2)
    for words in ([gone, later], [later, gone]):
        with moot.database.write() as session:
            unproven.keep(session, 1, words, {}, world.now)
            waits = session.connection().execute(select(table(Unproven))).one()
            assert (waits.reason, waits.seq) == ("personal-data", 5)
            session.connection().execute(delete(table(Unproven)))


def test_t11_keys_that_a_person_confirmed_are_the_origins_own_word(moot: Aggregator, world: World) -> None:
    """Where only a relay had vouched for it before: what the origin shows next needs the word of a confirmed key."""
    origin = world.node()
    origin.key("1")
    manifest = read_manifest(orjson.dumps(origin.manifest()), origin.id)
    vouched = origins.Heard(origin.id, {origin.prefix: "GB-LAE-EXA"}, "https://relay.example/x", manifest)
    with moot.database.write() as session:
        origins.remember(session, [vouched], now=world.now)
        origins.confirm(session, origin.id, manifest, now=world.now)
    origin.keys = {}
    origin.key("thief")
    shown = read_manifest(orjson.dumps(origin.manifest()), origin.id)
    with moot.database.write() as session:
        origins.remember(session, [origins.Heard(origin.id, vouched.prefixes, None, shown)], now=world.now)
    with moot.database.read() as session:
        assert [key["kid"] for key in origins.keys(session, origin.id)] == ["1"]


def test_few_known_origins_are_asked_again_a_visit(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visit asks a few of the origins that it knows already, those that were asked longest ago, and reads on."""
    monkeypatch.setattr(reader, "AGAIN_A_VISIT", 4)
    relay = _relay_of(world, 6)
    moot.add(relay, relays=True)
    moot.crawl()
    world.asked.clear()
    for visit in range(3):
        for item in [item for item in relay.items.values() if "//n" in item["id"]]:
            relay.pass_on(item | {"via": [], "origin": item["origin"] | {"seq": 10 + visit}})
        world.pass_time(days=1 if visit == 0 else 0, hours=1)
        (result,) = moot.crawl()
        assert result.outcome == "ended"
    asked = [url for url, _headers in world.asked if "//n" in url]
    assert (len(asked), len(set(asked))) == (6, 6)
    assert {row.seq for row in rows(moot.database).values() if row.rank == 2} == {12}


def test_two_workers_that_learn_of_the_same_origins_do_not_wait_for_each_other(moot: Aggregator, world: World) -> None:
    """Origins are kept in one order, whatever the order in which they were heard of, so no two transactions lock up."""
    if moot.database.dialect != "postgresql":
        pytest.skip("SQLite has one writer")
    heard = [origins.Heard(f"https://o{n}.example/", {f"https://o{n}.example/id/P/": "P"}) for n in range(2)]
    met = threading.Barrier(2)

    def learn(order: list[origins.Heard]) -> None:
        met.wait(10)
        for _ in range(50):
            with moot.database.write() as session:
                origins.remember(session, order, now=world.now)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(learn, (heard, heard[::-1])))
    with moot.database.read() as session:
        assert set(origins.every(session, now=world.now)) == {one.id for one in heard}


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
