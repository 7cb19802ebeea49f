"""Pages written together end as pages written one by one; an idle visit asks once; what is held is not judged."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

import migrations
from federation import gather, judge
from federation.database import Database, table
from federation.rounds import TurnResult
from schema.errors import Later
from schema.kinds import check
from schema.tables import Feed, History, Host, Node, Problem, Record, Shadow, Sighting
from tests.integration.crawl.world import Aggregator, FakeNode, World, feed, problems, rows

TABLES = (Record, History, Shadow, Sighting, Problem, Node, Feed)
VOLATILE = ("due", "last_visit", "last_good", "latency_ms", "changed", "first_seen", "last_seen", "manifest_at", "via")


def _content(database: Database) -> dict[str, list[dict[str, Any]]]:
    found = {}
    with database.read() as session:
        for model in TABLES:
            rows = [dict(row._mapping) for row in session.connection().execute(select(table(model)))]
            kept = [{k: v for k, v in row.items() if k not in VOLATILE} for row in rows]
            if model is Feed:  # its report tells a time too
                kept = [row | {"last_report": orjson.loads(row["last_report"] or "{}") | {"at": None}} for row in kept]
            if model is Problem:  # PostgreSQL also gives a number to a problem that is only counted again
                kept = [row | {"id": 0} for row in kept]
            found[table(model).name] = sorted(kept, key=repr)
    return found


def _edit(node: FakeNode, chance: random.Random, steps: int) -> None:
    for _step in range(steps):
        reference = f"C-{chance.randrange(30)}"
        if chance.random() < 0.2:
            node.delete("contract", reference)
        else:
            node.put("contract", reference, title=chance.choice(["One", "Two", "Three", 5, ""]))


def _lives(world: World, moot: Aggregator, seed: int) -> list[TurnResult]:
    """Let two nodes and a relay live through edits, relayed words, a restore and a failure, with crawls between."""
    chance = random.Random(seed)
    one, two, relay = world.node(size=4), world.node("two.example", "TWO", size=7), world.node("r.example", "REL")
    relay.role = "aggregator"
    for node in (one, two):
        moot.add(node)
    moot.add(relay, relays=True)
    results = []
    for step in range(5):
        _edit(one, chance, 25)
        _edit(two, chance, 10)
        for item in chance.sample(list(one.items.values()), 5):
            relay.pass_on(item)
        if step == 2:
            two.epoch = "second"
        if step == 3:
            one.items[list(one.items)[-3]]["state"] = "perhaps"
        results += moot.crawl(budget=3)
        for item in one.items.values():
            item["state"] = "deleted" if "reason" in item else "updated"
        world.pass_time(hours=2)
    return results


@pytest.mark.parametrize("seed", [1, 2])
def test_pages_together_are_pages_one_by_one(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Whatever is gathered into one transaction, the database holds what it holds page by page, numbers included."""
    together = _lives(world := World(), Aggregator(database, world), seed)
    url = f"sqlite:///{tmp_path / 'reference.db'}"
    migrations.upgrade(url)
    reference = Database(url)
    monkeypatch.setattr(gather, "MAX_ROWS", 0)
    apart = _lives(world := World(), Aggregator(reference, world), seed)
    assert _content(database) == _content(reference)
    assert [(r.key, r.outcome, r.pages) for r in together] == [(r.key, r.outcome, r.pages) for r in apart]
    assert [r.applied for r in together] == [r.applied for r in apart]
    reference.dispose()


def test_idle_visit_is_one_request_and_writes_its_feed(moot: Aggregator, world: World) -> None:
    """When nothing is new a visit asks once, is answered 304, and changes its feed's and host's rows alone."""
    node = world.node()
    node.put("contract", "C-1")
    node.put("contract", "C-2", title=5)
    moot.add(node)
    moot.crawl()
    before = _content(moot.database)
    world.pass_time(minutes=10)
    world.asked.clear()
    (result,) = moot.crawl()
    assert (result.outcome, [url for url, _headers in world.asked]) == ("ended", [feed(moot.database).cursor])
    after = _content(moot.database)
    assert {name for name in before if before[name] != after[name]} == {"feed"}
    changed = {k for k, v in after["feed"][0].items() if v != before["feed"][0][k]}
    counts = {"visits", "good_visits", "pages", "last_report"}
    assert changed <= {"fence", "owner", "leased_until"} | counts
    assert table(Host).name not in before


def _asks(moot: Aggregator, world: World, node: FakeNode) -> list[dict[str, str]]:
    world.asked.clear()
    moot.crawl()
    return [headers for url, headers in world.asked if url == node.id]


def test_manifest_is_asked_when_due(moot: Aggregator, world: World) -> None:
    """The manifest is asked at the first visit and again after an hour, by its ETag; not in between."""
    node = world.node()
    moot.add(node)
    assert _asks(moot, world, node) == [{}]
    for _visit in range(4):
        world.pass_time(minutes=9)
        assert _asks(moot, world, node) == []
    world.pass_time(minutes=20)
    (headers,) = _asks(moot, world, node)
    assert "If-None-Match" in headers
    world.pass_time(minutes=20)
    assert _asks(moot, world, node) == []


def test_manifest_is_asked_after_a_failure(moot: Aggregator, world: World) -> None:
    """After a visit that failed the node is asked who it is, however lately that was."""
    node = world.node()
    moot.add(node)
    moot.crawl()
    world.faults[node.url] = Later("It does not answer.")
    world.pass_time(minutes=6)
    moot.crawl()
    world.faults.clear()
    world.pass_time(minutes=6)
    assert len(_asks(moot, world, node)) == 1


def test_new_epoch_is_believed_at_once(moot: Aggregator, world: World) -> None:
    """A page of another epoch sends the reader to the manifest, past every cache, and then through the whole feed."""
    node = world.node(size=50)
    node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    node.epoch = "second"
    gone = node.items.pop(node.put("contract", "C-1"))
    world.pass_time(minutes=6)
    assert _asks(moot, world, node) == [{"Cache-Control": "no-cache"}]
    assert (feed(moot.database).epoch, rows(moot.database)[gone["id"]].reason) == ("second", "dropped")


def test_page_of_no_known_epoch_is_old(moot: Aggregator, world: World) -> None:
    """A page of an epoch that the manifest does not bear out is an old copy: nothing of it is taken."""
    node = world.node(size=50)
    moot.add(node)
    moot.crawl()
    page = node.page
    node.put("contract", "C-1")
    node.page = lambda after: page(after) | {"epoch": "old"}  # type: ignore[method-assign]
    world.pass_time(minutes=6)
    (result,) = moot.crawl()
    assert (result.outcome, len(rows(moot.database))) == ("failed", 2)


def _read_again(moot: Aggregator) -> None:
    with moot.database.write() as session:
        session.connection().execute(
            table(Feed)
            .update()
            .values(cursor=table(Feed).c.url, position=0, etag=None, due=datetime(2026, 1, 1).astimezone())
        )


def test_what_is_held_is_not_judged_again(moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed read again from 0 has only those records' data looked at that differ from what is held."""
    node = world.node(size=4)
    for n in range(10):
        node.put("contract", f"C-{n}")
    moot.add(node)
    moot.crawl()
    before, looked = rows(moot.database), list[bytes]()

    def look(kind: str, data: bytes) -> str | None:
        looked.append(data)
        return check(kind, data)

    monkeypatch.setattr(judge, "check", look)
    _read_again(moot)
    (result,) = moot.crawl()
    assert (result.applied.accepted, result.applied.unchanged, looked) == (11, 11, [])
    assert rows(moot.database) == before
    node.items[node.prefix + "contract/C-3"]["data"]["title"] = 7
    node.put("contract", "C-4", title="New")
    _read_again(moot)
    (result,) = moot.crawl()
    assert (result.applied.updated, result.applied.refused, len(looked)) == (1, 1, 2)


def test_relayed_words_that_are_held_are_not_judged_again(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay's word is known again too, where it is the record and where it is a shadow of the origin's own."""
    node, relay = world.node(), world.node("r.example", "REL")
    relay.role = "aggregator"
    shadowed, carried = node.put("contract", "C-1"), node.put("contract", "C-2")
    for record_id in (shadowed, carried):
        relay.pass_on(node.items[record_id])
    moot.add(relay, relays=True)
    moot.crawl()
    node.items.pop(carried)
    moot.add(node)
    moot.crawl()
    looked: list[bytes] = []
    monkeypatch.setattr(judge, "check", lambda _kind, data: looked.append(data))
    _read_again(moot)
    results = moot.crawl()
    assert sum(r.applied.unchanged for r in results) == 5
    assert looked == []


def test_problem_of_a_record_that_is_held_goes(moot: Aggregator, world: World) -> None:
    """A record that was refused and is put back as it was is mended, though nothing of it changes."""
    node = world.node()
    record_id = node.put("contract", "C-1", title="Good")
    good = node.items[record_id]
    moot.add(node)
    moot.crawl()
    node.put("contract", "C-1", title=5)
    world.pass_time(hours=1)
    moot.crawl()
    assert len(problems(moot.database)) == 1
    node.items[record_id] = good | {"modified": node.number + 1}
    node.number += 1
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.applied.unchanged, problems(moot.database)) == (1, [])


def test_gathering_stops_with_the_lease(moot: Aggregator, world: World) -> None:
    """A visit that is stopped writes what it has gathered; the next goes on behind it."""
    node = world.node(size=2)
    for n in range(9):
        node.put("contract", f"C-{n}")
    moot.add(node)
    stop = asyncio.Event()
    world.before = lambda url: stop.set() if url.endswith("=4") else None

    async def turn() -> TurnResult | None:
        return await moot.crawler().turn(stop=stop)

    result = asyncio.run(turn())
    assert result is not None
    held = len(rows(moot.database)) - 1
    assert (result.outcome, feed(moot.database).position, held >= 4) == ("budget", held, True)
    world.before = lambda _url: None
    moot.crawl()
    assert len(rows(moot.database)) == 11
