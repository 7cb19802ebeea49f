"""The seam to the search engine: what a list asks, what it gets, and what an engine must be able to do.

No engine is needed here. `federation/tantivy_index.py` stands behind it, or `federation/opensearch_index.py` where the
index outgrows a machine; what both promise is tried by `tests/integration/search/contract_*.py`.

Changes of the seam: `Sink.stage` takes `new`, a promise that none of the documents stands in the index or was staged
before; an engine may use it to save itself the looking, or pass it over. `Index.search` raises `Busy` for a query that
costs more than its budget too. `Index.scattered` is asked before one that serves well is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

from federation.documents import Document

SortBy = Literal["relevance", "updated", "start", "end", "value"]
SORTS: tuple[SortBy, ...] = ("relevance", "updated", "start", "end", "value")
MAX_RELEVANT = 1_000
"""How deep relevance can be paged: an order of the moment has no key to go on from (protocol section 6)."""
FACET_SIZE = 20
"""How many values of a facet are named; the rest is counted as `other`."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Records that have any of these values in a field (a name of `documents.FILTERS`)."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Records whose number in a field lies in the span; both ends belong to it, None is open.

    Names: `start` and `end` (days, as `date.toordinal`), `low` and `high` (money), `changed` (microseconds since
    1970). A record without the number is outside.
    """

    name: str
    least: float | None = None
    most: float | None = None


Filter = Terms | Span


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended. `key` is the last record's own sort key; relevance has `offset` within `number`'s index."""

    key: int = 0
    offset: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """What a list asks of the index. Different filters are AND, the values of one are OR."""

    words: str = ""
    filters: tuple[Filter, ...] = ()
    sort: SortBy = "updated"
    descending: bool = True
    after: Position | None = None
    limit: int = 20
    facets: tuple[str, ...] = ()


class FacetItem(msgspec.Struct, frozen=True, gc=False):
    """One value, what to call it, and how many records have it."""

    value: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """The commonest values of a field among what was found, its own filter left out. `other` counts the rest."""

    items: tuple[FacetItem, ...]
    other: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found: row numbers of records in order, where the next page starts, how many there are in all."""

    rows: tuple[int, ...]
    next: Position | None
    count: int
    exact: bool = True
    facets: Mapping[str, Facet] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far an index has followed the log, of which database.

    `row` is the highest row number of all records that it ever held, where that is known: a record with a higher one
    is new to it. `begun` is the log's latest change when the index was begun: what was taken away up to that one was
    never put in; what was taken away later may stand in its files still, though no search finds it.
    """

    epoch: str
    number: int
    row: int | None = field(default=None, compare=False)
    begun: int = field(default=0, compare=False)


Matcher = Callable[[str], Sequence[tuple[int, int]]]
"""Where in a text words stand: from and to, in characters."""


hurried: ContextVar[bool] = ContextVar("hurried", default=False)
"""Whether others wait for the thread that searches: what would wait itself, or take long, is `Slow` there."""


class Slow(Exception):
    """This is to be asked again by who has time."""


class Sink(Protocol):
    """Where documents are written. What is staged is seen when it is committed, and not before.

    An engine of several parts may show a commit part by part, a moment apart; `reached` follows when all show it.
    """

    def stage(self, documents: Iterable[Document], gone: Iterable[str], *, new: bool = False) -> None:
        """Put documents in the place of those with their ids, and take those that are gone out.

        `new` promises that no document with one of these ids was ever staged here.
        """
        ...

    def commit(self, reached: Reached) -> None:
        """Make what was staged durable and seen, together with how far it reaches."""
        ...


class Index(Protocol):
    """A search engine that follows the log."""

    def claim(self) -> Sink | None:
        """Try to be the one writer. A process that is not (None) serves what the writer commits."""
        ...

    def refresh(self) -> None:
        """See what another process committed or rebuilt."""
        ...

    def refuse(self) -> None:
        """Serve nothing of the present index, for it is of another database; the one that replaces it serves."""
        ...

    def reached(self) -> Reached | None:
        """How far the index goes; None for one that was never committed to."""
        ...

    def stamp(self) -> str:
        """Changes whenever an answer of this index could."""
        ...

    def rebuilding(self) -> AbstractContextManager[Sink]:
        """A fresh index to fill while the old one serves; it takes the old one's place at the end."""
        ...

    def scattered(self) -> bool:
        """Whether a fresh index (`rebuilding`) would be searched so much faster that it is worth its making."""
        ...

    def search(self, query: Query) -> Hits:
        """Find. Raises `Busy` before the index was first built, and for a query that costs more than its budget.

        Raises `Slow` to the `hurried` where it would wait: for others that are costly, or for another machine.
        """
        ...

    def count(self) -> int:
        """How many records the index holds."""
        ...

    def identities(self, least: int, most: int) -> Iterator[tuple[str, str, int]]:
        """(id, kind, change number) of the documents whose change number lies in this span."""
        ...

    def matcher(self, typed: str) -> Matcher:
        """Find in a text the words of a query, as they are compared: stemmed, accents folded."""
        ...

    def release(self) -> None:
        """Be the writer no more; what was staged and not committed is forgotten. Goes on serving."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
