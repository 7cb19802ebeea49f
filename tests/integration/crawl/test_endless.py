"""Feeds that never come to an end, beside large ones that do: whose turn it is, and what is told."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from federation import endless
from tests.integration.crawl.world import Aggregator, FakeNode, Item, World, feed, node_row, problems


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
