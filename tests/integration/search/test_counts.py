"""Counts are made once a snapshot, and never outlive it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from federation.index import Query, Terms
from federation.search import facets
from federation.tantivy_index import TantivyIndex
from tests.integration.search.conftest import World
from tests.integration.search.corpus import counted, publish, records, withdraw

CONTRACTS = Query(filters=(Terms("kind", ("contract",)),), facets=("stage", "cpv", "kind"), limit=3)
WORDS = Query(words="parking", sort="relevance", facets=("publisher",), limit=3)


@pytest.mark.parametrize("query", [CONTRACTS, WORDS, replace(CONTRACTS, sort="end"), Query(limit=3)])
def test_every_page_of_a_list_tells_the_same_counts(world: World, query: Query) -> None:
    """Counts come with each page and are those of the first, however deep it is."""
    first = world.index.search(query)
    assert first.next is not None
    second = world.index.search(replace(query, after=first.next))
    assert (second.count, second.facets) == (first.count, first.facets)
    assert not set(first.rows) & set(second.rows)


def test_what_was_counted_is_not_counted_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second page of a list, or the same facets in another order, make no pass over what matches."""
    first = world.index.search(CONTRACTS)
    monkeypatch.setattr(facets, "count", _never)
    world.index.search(replace(CONTRACTS, after=first.next))
    turned = world.index.search(replace(CONTRACTS, facets=("cpv", "stage"), sort="start"))
    assert turned.facets["cpv"] == first.facets["cpv"]
    with pytest.raises(AssertionError):
        world.index.search(replace(CONTRACTS, facets=("service",)))


def test_counts_are_those_of_the_present_commit(world: World) -> None:
    """After a change both what was asked before and what was not are counted as the records are now."""
    before = world.index.search(CONTRACTS)
    assert before.count == sum(one.kind == "contract" for one in world.made.values())
    gone = [one for one in world.made.values() if one.kind == "contract"][:7]
    made = [replace(one, id=one.id + "-c") for one in records(Random(3), 40)]
    withdraw(world.database, gone)
    publish(world.database, made)
    world.follower.catch_up()
    alive = [one for one in [*world.made.values(), *made] if one not in gone]
    for query in (CONTRACTS, replace(CONTRACTS, facets=("supplier", "stage"))):
        found = world.index.search(query)
        assert found.count == sum(one.kind == "contract" for one in alive)
        wanted = counted((one for one in alive if one.kind == "contract"), "stage")
        assert {item.value: item.count for item in found.facets["stage"].items} == wanted
    assert world.index.search(Query()).count == len(alive)


def test_what_everybody_asks_is_counted_before_a_commit_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broad counts are ready when a new commit is seen, so that the first who asks does not wait for them."""
    world.index.search(CONTRACTS)
    world.index.search(Query(facets=("publisher",)))
    publish(world.database, [replace(one, id=one.id + "-w") for one in records(Random(4), 30)])
    world.follower.catch_up()
    with monkeypatch.context() as still:
        still.setattr(facets, "count", _never)
        warm = world.index.search(CONTRACTS), world.index.search(Query(facets=("publisher",)))
    world.index.close()
    world.index.refresh()
    assert (world.index.search(CONTRACTS), world.index.search(Query(facets=("publisher",)))) == warm


def _never(*_: object, **_more: object) -> None:
    raise AssertionError("a pass was made")


def test_a_reader_that_looks_again_reads_only_what_was_written(world: World) -> None:
    """Looking at a folder where nothing was committed opens nothing; a commit of another process is then seen."""
    reader = TantivyIndex(world.index.root)
    reader.refresh()
    before = reader.search(CONTRACTS)
    store = reader._opened()
    opened, store.index = store.index, None  # type: ignore[assignment]  # whoever opened anything now would fail
    reader.refresh()
    assert reader.search(CONTRACTS) == before
    store.index = opened
    publish(world.database, [replace(one, id=one.id + "-r") for one in records(Random(5), 20)])
    world.follower.catch_up()
    reader.refresh()
    assert reader.search(CONTRACTS) == world.index.search(CONTRACTS) != before
    reader.close()
