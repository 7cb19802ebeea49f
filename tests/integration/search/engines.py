"""What the contract of `federation/index.py` is tried with: an engine's place, and records put straight into it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import orjson

from federation.documents import Document, Place, Source
from federation.index import Index, Query, Reached
from federation.making import document
from tests.integration.search.corpus import PLACES, Made, organisation
from tests.services import NOW

EPOCH = "first"


class Engine(Protocol):
    """A place for one index, empty at first. What is opened is closed by whoever made the engine."""

    def open(self) -> Index:
        """Open the place as one more process would."""
        ...


@dataclass(frozen=True)
class Filled:
    """An index, and what was put into it by row."""

    engine: Engine
    index: Index
    made: dict[int, Made] = field(repr=False)

    def ids(self, query: Query) -> list[str]:
        """The ids of one page."""
        return [self.made[row].id for row in self.index.search(query).rows]


def own(publisher: str) -> Made:
    """The organisation record of a publisher."""
    name, region = PLACES[publisher]
    id_ = f"http://moot.test/id/{publisher}/organisation/{publisher}"
    return Made(id_, "organisation", publisher, organisation(publisher, name, region))


def documents(made: Iterable[Made], first: int = 1, changed: datetime = NOW) -> list[Document]:
    """Documents of these records, at the change numbers from `first` on, which are their rows too."""
    found = []
    for row, one in enumerate(made, first):
        name, region = PLACES[one.publisher]
        source = Source(row, one.id, one.kind, one.publisher, row, orjson.dumps(one.data), changed)
        found.append(document(source, Place(name, region, "England")))
    return [one for one in found if one is not None]


def contract(number: int, title: str = "Parking", **data: object) -> Made:
    """A contract to be told apart by its number."""
    id_ = f"http://moot.test/id/GB-LAE-EXA/contract/{number}"
    return Made(id_, "contract", "GB-LAE-EXA", {"reference": str(number), "title": title, **data})


def put(index: Index, made: Sequence[Made], first: int = 1, gone: Iterable[str] = ()) -> int:
    """Write and commit records at the change numbers from `first` on. Gives the last."""
    sink = index.claim()
    assert sink is not None
    last = first + len(made) - 1
    sink.stage(documents(made, first), gone)
    sink.commit(Reached(EPOCH, last))
    return last


def fill(engine: Engine, made: Sequence[Made]) -> Filled:
    """Fill an engine with records; rows count from 1."""
    index = engine.open()
    put(index, made)
    return Filled(engine, index, dict(enumerate(made, 1)))


def walk(filled: Filled, page: Query) -> list[str]:
    """Every id of a list, page by page; a page that is followed by another is full."""
    ids: list[str] = []
    while True:
        hits = filled.index.search(page)
        ids += [filled.made[row].id for row in hits.rows]
        if hits.next is None:
            return ids
        assert len(hits.rows) == page.limit
        page = replace(page, after=hits.next)
