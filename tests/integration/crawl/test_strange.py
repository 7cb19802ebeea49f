"""One item or manifest that no database, reader or relay can hold: it is told of, and holds up nobody else."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.crawl.world import Aggregator, FakeNode, World, feed, problems, rows, signature

Item = dict[str, Any]
ASTRAL = random.Random(1)


def _astral(count: int) -> str:
    return "".join(chr(ASTRAL.randrange(0x20000, 0x2A000)) for _ in range(count))


def _spoken(node: FakeNode, placed: bytes, said: bytes) -> None:
    """Let a node say other bytes wherever it would say these."""
    plain = node.answer
    node.answer = lambda url: plain(url).replace(placed, said)  # type: ignore[method-assign]


def _stranger(node: FakeNode, item: Item) -> None:
    item["id"] = _astral(2_500)


def _long_pointer(node: FakeNode, item: Item) -> None:
    reference = _astral(200)
    item["id"] = f"{node.prefix}contract/{quote(reference, safe='')}"
    item["data"] |= {"reference": reference, _astral(490): "\x01"}


def _nul_in_a_pointer(node: FakeNode, item: Item) -> None:
    item["data"]["extra"] = {"a\0b": {"x": "\x01"}}


@pytest.mark.parametrize("strange", [_stranger, _long_pointer, _nul_in_a_pointer])
def test_a_place_that_no_index_holds_is_told(
    moot: Aggregator, world: World, strange: Callable[[FakeNode, Item], None]
) -> None:
    """However long an id or a pointer is, and whatever is in it, its item is refused alone and told once a place."""
    node = world.node(size=50)
    moot.add(node)
    strange(node, node.items[node.put("contract", "B")])
    good = node.put("contract", "G")
    for _ in range(2):
        (result,) = moot.crawl()
        assert (result.outcome, good in rows(moot.database)) == ("ended", True)
        strange(node, node.items[node.put("contract", "B")])
        world.pass_time(hours=1)
    assert {told.rule for told in problems(moot.database)} <= {"id", "id-prefix", "schema"}
    assert all("\0" not in told.pointer for told in problems(moot.database))


STRANGE_ORIGINS: dict[str, bytes] = {
    "a number without end": b"1e999",
    "nested without end": b"[" * 300 + b"]" * 300,
    "a control character": rb'"a\u0000b"',
    "an integer that does not survive": b"1" + b"0" * 30,
    "a member given twice": b'1,"note":2',
}


@pytest.mark.parametrize("name", list(STRANGE_ORIGINS))
def test_an_origin_that_readers_read_apart_is_refused_alone(moot: Aggregator, world: World, name: str) -> None:
    """What one council puts into its origin stops no relay's feed, and is not passed on."""
    origin, other = world.node(), world.node("b.example", "BBB")
    relay = world.node("relay.example", "REL", role="aggregator", size=50)
    moot.add(relay, relays=True)
    for title in ("first", "second"):
        bad, good = origin.put("contract", "C-1", title=title), other.put("contract", title)
        origin.items[bad]["origin"]["note"] = "STRANGE"
        relay.pass_on(origin.items[bad])
        relay.pass_on(other.items[good])
        if title == "first":
            _spoken(relay, b'"STRANGE"', STRANGE_ORIGINS[name])
        world.pass_time(hours=1)
        (result,) = moot.crawl()
        assert (result.outcome, good in rows(moot.database), bad in rows(moot.database)) == ("ended", True, False)
    assert {(told.rule, told.record_id) for told in problems(moot.database)} == {("origin", bad)}


@pytest.mark.parametrize("time", ["2026-13-45T99:99:99Z", "2026-02-30T00:00:00Z", "2026-11-02T24:30:00Z"])
@pytest.mark.parametrize("ends", [False, True])
def test_a_time_that_is_none_is_refused_alone(moot: Aggregator, world: World, time: str, *, ends: bool) -> None:
    """A signed record of the thirty-first of nowhere is refused and told; the records beside it are taken."""
    origin, other = world.node(), world.node("b.example", "BBB")
    relay = world.node("relay.example", "REL", role="aggregator", size=50)
    origin.key("2026-1")
    if ends:
        origin.keys["2026-1"]["exp"] = "2027-01-01T00:00:00Z"
    moot.add(relay, relays=True)
    bad, good = origin.put("contract", "C-1"), other.put("contract", "C-2")
    item = origin.items[bad]
    item["origin"] = {name: value for name, value in item["origin"].items() if name != "sig"} | {"time": time}
    assert origin.signer is not None
    item["origin"]["sig"] = signature(item, origin.signer)
    relay.pass_on(item)
    relay.pass_on(other.items[good])
    (result,) = moot.crawl()
    assert (result.outcome, good in rows(moot.database), bad in rows(moot.database)) == ("ended", True, False)
    assert [(told.rule, told.pointer) for told in problems(moot.database)] == [("origin", "/origin/time")]


def test_an_origin_at_a_host_longer_than_any_is_refused_alone(moot: Aggregator, world: World) -> None:
    """No host has more than 253 characters (RFC 1035): nobody is asked there, and the others are read."""
    origin, other = world.node(), world.node("b.example", "BBB")
    relay = world.node("relay.example", "REL", role="aggregator", size=50)
    moot.add(relay, relays=True)
    bad, good = origin.put("contract", "C-1"), other.put("contract", "C-2")
    far = "https://" + "a234567890." * 40 + "example/.well-known/folkmoot"
    relay.pass_on(origin.items[bad], origin=origin.items[bad]["origin"] | {"node": far})
    relay.pass_on(other.items[good])
    (result,) = moot.crawl()
    assert (result.outcome, good in rows(moot.database), bad in rows(moot.database)) == ("ended", True, False)
    assert far not in [url for url, _headers in world.asked]


@pytest.mark.parametrize("latest", [-1, 2**53, 2**63, 2**64 + 5])
def test_a_latest_that_is_no_change_number_refuses_the_page(moot: Aggregator, world: World, latest: int) -> None:
    """A last page whose latest no database holds is told as the node's fault."""
    node = world.node()
    moot.add(node)
    node.number = 4_242_424
    _spoken(node, b'"latest":4242424', b'"latest":%d' % latest)
    (result,) = moot.crawl()
    assert result.outcome == "failed"
    (told,) = problems(moot.database)
    assert told.rule in {"page-members", "page-json"}
    assert told.severity == "error"


@pytest.mark.parametrize("seconds", [10**9, 2**31 + 5, 2**53 - 1])
def test_no_feed_is_left_alone_for_more_than_a_day(moot: Aggregator, world: World, seconds: int) -> None:
    """Milliseconds taken for seconds keep nobody away for decades, whether said at first or later."""
    later, first = world.node(), world.node("b.example", "BBB")
    moot.add(later)
    moot.crawl()
    for node in (later, first):
        manifest = node.manifest()
        manifest["feeds"][0]["minPollSeconds"] = seconds
        node.more = {"feeds": manifest["feeds"]}
    moot.add(first)
    world.pass_time(hours=2)
    results = moot.crawl()
    assert [result.outcome for result in results] == ["ended", "ended"]
    assert {(told.rule, told.severity) for told in problems(moot.database)} == {("poll-wish", "warning")}
    assert all(86_400 <= (result.due - world.now).total_seconds() <= 95_100 for result in results if result.due)


def test_an_epoch_of_a_manifest_is_as_short_as_that_of_a_page(moot: Aggregator, world: World) -> None:
    """A manifest whose epoch has more than 64 characters is not valid, and the node is told where."""
    node = world.node()
    moot.add(node)
    moot.crawl()
    node.more = {"epoch": "e" * 65}
    world.pass_time(hours=2)
    (result,) = moot.crawl()
    assert (result.outcome, feed(moot.database).epoch) == ("failed", node.epoch or None)
    assert [(told.rule, told.pointer) for told in problems(moot.database)] == [("manifest-valid", "/epoch")]


def test_what_is_told_of_many_records_quotes_none(moot: Aggregator, world: World) -> None:
    """Past a thousand places a rule has one row, which outlives its records and repeats no cell of theirs."""
    node = world.node(size=600)
    moot.add(node)
    for n in range(1_001):
        node.put("contract", f"C-{n}", title="T", startDate=f"the birthday of nobody {n}")
    moot.crawl()
    gathered = [told for told in problems(moot.database) if told.record_id == "*"]
    assert gathered
    assert not any("birthday" in told.message for told in gathered)
