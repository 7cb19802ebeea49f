"""Feeds that never come to an end, beside large ones that do: whose turn it is, and what is told."""

from __future__ import annotations

import asyncio
import copy
from datetime import timedelta

import pytest

from federation import endless, reader
from federation.endless import Pass
from schema.change import MAX_ITEMS
from schema.errors import Later
from tests.integration.crawl.world import Aggregator, FakeNode, Item, World, feed, node_row, problems, rows


class Endless(FakeNode):
    """A node whose one contract is changed whenever a page is asked for."""

    on = True

    def page(self, after: int) -> Item:
        if self.on and after >= self.number:
            self.put("contract", "C-1", title=f"Title {self.number}")
        return super().page(after)


@pytest.fixture
def node(world: World) -> Endless:
    """Return that node."""
    made = Endless()
    world.servers[made.url] = made
    return made


def test_a_feed_without_an_end_is_told_and_asked_less_often(moot: Aggregator, world: World, node: Endless) -> None:
    """Twelve visits in a row that read one record again and again: a warning, and the usual wait between two more."""
    moot.add(node)
    results = moot.crawl(budget=5)
    assert [result.outcome for result in results] == ["budget"] * endless.VISITS
    row = feed(moot.database)
    assert timedelta(seconds=300) <= row.due - row.last_visit <= timedelta(seconds=331)
    (told,) = problems(moot.database)
    assert (told.rule, told.severity, told.pointer) == (endless.RULE, "warning", "/next")
    assert told.message.startswith("12 visits in a row read 60 items and came to no end; the feed holds 2 records.")
    assert (node_row(moot.database).state, row.fails) == ("active", 0)


def test_it_is_as_others_are_when_it_has_come_to_its_end(moot: Aggregator, world: World, node: Endless) -> None:
    """Once it ends, the problem is gone, and a long pass after it is read at once as any other."""
    crawler = moot.crawler(budget=5)
    moot.crawler = lambda **_options: crawler  # type: ignore[method-assign]
    moot.add(node)
    moot.crawl()
    world.pass_time(minutes=10)
    assert [result.outcome for result in moot.crawl()] == ["budget"], "one visit, and then it waits again"
    node.on = False
    world.pass_time(minutes=10)
    assert [result.outcome for result in moot.crawl()] == ["ended"]
    assert problems(moot.database) == []
    for n in range(40):
        node.put("contract", f"D-{n}")
    world.pass_time(minutes=10)
    assert [result.outcome for result in moot.crawl()] == ["budget", "budget", "ended"]


@pytest.mark.parametrize("again", [False, True], ids=["its first pass", "all said again"])
def test_a_large_feed_is_read_at_once_visit_after_visit(moot: Aggregator, world: World, *, again: bool) -> None:
    """Fifteen visits that bring a record an item, new or all said again, are a large feed and no endless one."""
    node = world.node(size=1)
    for n in range(30):
        node.put("contract", f"C-{n}")
    moot.add(node)
    if again:
        moot.crawl()
        node.all_again()
        world.pass_time(hours=1)
    results = moot.crawl(budget=2)
    assert [result.outcome for result in results] == ["budget"] * (len(results) - 1) + ["ended"]
    assert len(results) > endless.VISITS
    assert problems(moot.database) == []


def test_a_feed_without_an_end_comes_behind_those_that_are_due(moot: Aggregator, world: World, node: Endless) -> None:
    """After each of its visits whoever fell due before that goes first, however long its feed is."""
    moot.add(node)
    others = [world.node(f"n{n}.example", f"N{chr(65 + n)}X") for n in range(3)]
    for other in others:
        moot.add(copy.copy(other))
    visited = [result.key for result in moot.crawl(budget=5)]
    assert visited[:4] == ["exa.example", "n0.example", "n1.example", "n2.example"]


class Refusable(FakeNode):
    """A node whose every page brings something new that cannot be taken."""

    def page(self, after: int) -> Item:
        if after >= self.number:
            self.put("contract", f"C-{self.number}", {"title": 5})
        return super().page(after)


class Naming(FakeNode):
    """A relay with one page, which names origins that nobody has heard of whenever it is asked for."""

    def __init__(self, each: int) -> None:
        super().__init__("relay.example", "REL", role="aggregator", size=50)
        self.each = each
        self.named = 0

    def page(self, after: int) -> Item:
        page = super().page(min(after, 0))
        for n in range(self.each):
            self.named += 1
            origin = FakeNode(f"n{self.named}.example", "NEW")
            self.pass_on(origin.items[origin.put("contract", "C-1")], modified=self.number + n + 1)
            page["items"] = [*page["items"], self.items.popitem()[1]]
        return page


class Silent(FakeNode):
    """A node whose pages are empty after the first, and go on."""

    def page(self, after: int) -> Item:
        page = super().page(after)
        return page if page["items"] else page | {"next": f"{self.url}{self.feed_path}?afterChangeNumber={after + 1}"}


def _lives(world: World, node: FakeNode) -> FakeNode:
    world.servers[node.url] = node
    return node


def test_what_is_refused_is_no_progress(moot: Aggregator, world: World) -> None:
    """A feed that brings nothing but what cannot be taken is found as soon as one that says the same again."""
    moot.add(_lives(world, Refusable()))
    results = moot.crawl(budget=5)
    assert [result.outcome for result in results] == ["budget"] * endless.VISITS
    assert endless.RULE in {problem.rule for problem in problems(moot.database)}


def test_a_page_that_names_new_origins_each_time_is_found(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feed of one page that is never read, for each visit must ask for others first, is not due at once for ever."""
    monkeypatch.setattr(reader, "ORIGINS_A_VISIT", 2)
    monkeypatch.setattr("federation.visit.ORIGINS_A_VISIT", 2)
    monkeypatch.setattr("federation.visit.MAX_ITEMS", 20)
    monkeypatch.setattr(endless, "MAX_ITEMS", 20)
    for n in range(200):
        world.faults[f"https://n{n}.example"] = Later("down")
    moot.add(_lives(world, Naming(each=3)), relays=True)
    crawler = moot.crawler()
    moot.crawler = lambda **_options: crawler  # type: ignore[method-assign]
    results = moot.crawl()
    assert endless.VISITS <= len(results) <= endless.VISITS + 3
    assert {result.outcome for result in results} == {"budget"}
    (told,) = problems(moot.database)
    assert told.rule == endless.RULE
    assert "the pages named" in told.message
    assert "nodes of origin, others whenever they were read" in told.message
    for _ in range(5):
        world.pass_time(minutes=10)
        (result,) = moot.crawl()  # it waits as others do
        assert (result.outcome, result.error) == ("budget", None)
    ((_cursor, asked),) = crawler.desk.asked.values()
    assert len(asked) <= 22, "what is kept of it has an end"


def test_a_page_of_a_thousand_origins_is_no_feed_without_an_end(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay whose first page takes many visits to ask for all its origins is read at once, visit after visit."""
    monkeypatch.setattr(reader, "ORIGINS_A_VISIT", 2)
    relay = world.node("relay.example", "REL", role="aggregator", size=50)
    for n in range(2 * endless.VISITS + 6):
        origin = world.node(f"n{n}.example", f"{chr(65 + n // 26)}{chr(65 + n % 26)}X")
        relay.pass_on(origin.items[origin.put("contract", "C-1")])
    moot.add(relay, relays=True)
    results = moot.crawl()
    assert [result.outcome for result in results] == ["budget"] * (len(results) - 1) + ["ended"]
    assert len(results) > endless.VISITS
    assert problems(moot.database) == []
    assert len(rows(moot.database)) == 2 * endless.VISITS + 8


def test_as_many_origins_as_items_are_asked_for_an_honest_feed() -> None:
    """What is asked for the page that comes next is not counted yet; what goes beyond a page of it is."""
    assert Pass(read=500, asked=MAX_ITEMS).said == 500
    assert Pass(read=0, asked=MAX_ITEMS + 7).said == 7


def test_empty_pages_are_counted_over_visits(moot: Aggregator, world: World) -> None:
    """A feed that parts its empty pages over visits is refused at the twentieth as within one."""
    moot.add(_lives(world, Silent()))
    results = moot.crawl(budget=6)
    assert [result.outcome for result in results] == ["budget"] * 3 + ["failed"]
    assert [problem.rule for problem in problems(moot.database)] == ["empty-pages"]


class Gappy(FakeNode):
    """A node whose numbers are passed one a page, and many of whose pages are empty."""

    empty = frozenset([*range(3, 18), *range(23, 33)])

    def page(self, after: int) -> Item:
        page = super().page(after)
        if after + 1 not in self.empty:
            return page
        return page | {"items": [], "next": f"{self.url}{self.feed_path}?afterChangeNumber={after + 1}"}


def test_empty_pages_before_a_page_with_items_are_forgotten(moot: Aggregator, world: World) -> None:
    """Fifteen, then a visit that breaks off after pages with items, then ten: never twenty in a row, so no fault."""
    node = Gappy(size=1)
    for n in range(60):
        node.put("contract", f"C-{n}")
    moot.add(_lives(world, node))
    crawler = moot.crawler(budget=17)

    def visit() -> str:
        done = asyncio.run(crawler.turn())
        assert done is not None
        return done.outcome

    assert visit() == "budget"
    world.faults[f"{node.url}{node.feed_path}?afterChangeNumber=22"] = Later("down")
    assert visit() == "failed"
    world.faults.clear()
    world.pass_time(hours=1)
    assert [visit(), visit()] == ["budget", "budget"]
    assert "empty-pages" not in {problem.rule for problem in problems(moot.database)}


def test_a_feed_that_begins_anew_is_a_pass_of_its_own_once(moot: Aggregator, world: World) -> None:
    """What was read before it began anew does not count against it; one that begins anew each time is found."""
    node = world.node(size=1)
    for n in range(40):
        node.put("contract", f"C-{n}")
    moot.add(node)
    crawler = moot.crawler(budget=3)
    moot.crawler = lambda **_options: crawler  # type: ignore[method-assign]
    (feed_id,) = [feed(moot.database).id]

    def visit() -> Pass:
        assert asyncio.run(crawler.turn()) is not None
        return crawler.desk.passes[feed_id]

    for _ in range(4):
        visit()
    crawler.desk.asked[feed_id] = (feed(moot.database).cursor, frozenset(["https://old.example/.well-known/folkmoot"]))
    node.epoch = "second"
    assert (visit().visits, feed(moot.database).reconciling) == (1, True)
    assert crawler.desk.asked == {}
    node.epoch = "third"
    assert visit().visits == 2
