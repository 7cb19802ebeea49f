"""A query that costs more than its budget is refused, and the others are answered meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.documents import FACETS, Document
from federation.index import Query, Reached
from federation.search.lane import Lane
from federation.tantivy_index import TantivyIndex
from schema.errors import Busy

WORDS = [f"w{number}" for number in range(60)]
SLOW = Query(words='"w1 w2 w3" ' + " ".join(f'"w{n} w{n + 1}"' for n in range(4, 40)), sort="relevance", facets=FACETS)
COUNT = 100_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an index in which every record says the same sixty words: each of them is as common as can be."""
    root = Path(tmp_path_factory.mktemp("budget")) / "index"
    index = TantivyIndex(root)
    sink = index.claim()
    assert sink is not None
    text = " ".join(WORDS * 3)
    sink.stage((_document(row, text) for row in range(1, COUNT + 1)), (), new=True)
    sink.commit(Reached("e", COUNT))
    index.close()
    return root


def _document(row: int, text: str) -> Document:
    id_, title = f"http://a.test/{row}", f"Title {row % 50}"
    members = {"id": id_, "title": title, "text": [title, text], "row": row, "number": row, "changed": 0}
    members |= {"kind": ["contract"], "publisher": [f"GB-LAE-{row % 300}"], "stage": ["active"]}
    return Document(id_, "contract", row, row, members)


@pytest.fixture
def index(folder: Path) -> Iterator[TantivyIndex]:
    """Yield the index with a budget of a few milliseconds and two threads for what is costly."""
    made = TantivyIndex(folder, Lane(budget=0.02, threads=2))
    made.refresh()
    yield made
    made.close()


def test_the_slow_query_is_slow(folder: Path) -> None:
    """Given the time, the query of these tests is answered, rightly, and takes more than the budget of the others."""
    patient = TantivyIndex(folder, Lane(budget=60.0))
    patient.refresh()
    began = time.monotonic()
    assert patient.search(SLOW).count == COUNT
    assert time.monotonic() - began > 0.04
    patient.close()


def test_a_query_over_its_budget_is_busy_in_time(index: TantivyIndex) -> None:
    """Nobody waits much longer than the budget, and the answer says what to ask instead."""
    began = time.monotonic()
    with pytest.raises(Busy, match=r"costs more than 0\.02 seconds.*fewer words"):
        index.search(SLOW)
    assert time.monotonic() - began < 1.0


def test_runaway_queries_hold_few_threads_and_nobody_else(index: TantivyIndex) -> None:
    """However many costly queries come, two threads work on them, and a cheap one is answered at once."""
    refused: list[Busy] = []
    others = set(threading.enumerate())

    def ask() -> None:
        try:
            index.search(SLOW)
        except Busy as error:
            refused.append(error)

    clients = [threading.Thread(target=ask) for _ in range(12)]
    for client in clients:
        client.start()
    assert index.search(Query(words="title 7 zebra", sort="relevance")).count == 0
    assert sum(thread.name.startswith("search_") for thread in set(threading.enumerate()) - others) <= 2
    for client in clients:
        client.join()
    assert len(refused) == 12
    assert any("Other costly queries" in error.detail for error in refused)


def test_what_is_cheap_is_answered_whatever_the_budget(folder: Path) -> None:
    """The budget is for the costly: a query of rare words runs in its caller's thread and is never refused."""
    hasty = TantivyIndex(folder, Lane(budget=0.0))
    hasty.refresh()
    assert hasty.search(Query(words="zebra w1", sort="relevance")).count == 0
    with pytest.raises(Busy):
        hasty.search(SLOW)
    hasty.close()
