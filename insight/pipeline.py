"""What is coming: contracts that end by quarter, what ends soon, what changed, who looks for partners.

Each is a query of the index, so that a home page costs the same however much is held. Time is an argument: what
depends on today's date is asked anew and never stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from federation.index import Filter, Index, Query, Span, Terms
from schema.kinds import KINDS

QUARTERS = 8
SEEKING = ("seeking-partners", "share-funding")
_CONTRACTS = Terms("kind", ("contract",))


@dataclass(frozen=True, slots=True)
class Quarter:
    """A calendar quarter; `number` is 1 to 4, `first` and `last` are its days."""

    year: int
    number: int

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return self.next.first - timedelta(days=1)

    @property
    def next(self) -> Quarter:
        """The quarter after it."""
        return Quarter(self.year + 1, 1) if self.number == 4 else Quarter(self.year, self.number + 1)


@dataclass(frozen=True, slots=True)
class Ending:
    """How many contracts end in a quarter."""

    quarter: Quarter
    count: int


def quarters(today: date, count: int = QUARTERS) -> list[Quarter]:
    """The quarter of today and those that follow."""
    found = [Quarter(today.year, (today.month + 2) // 3)]
    while len(found) < count:
        found.append(found[-1].next)
    return found


def of_publisher(publisher: str | None) -> tuple[Filter, ...]:
    """The filter for one publisher's records; none for everybody's."""
    return (Terms("publisher", (publisher,)),) if publisher else ()


def ending_by_quarter(
    index: Index, today: date, *, count: int = QUARTERS, publisher: str | None = None
) -> list[Ending]:
    """How many contracts end in the quarter of today and in each that follows: a count of the index for each."""
    return [
        Ending(quarter, index.search(ending_in(quarter, publisher=publisher)).count)
        for quarter in quarters(today, count)
    ]


def ending_in(quarter: Quarter, *, publisher: str | None = None) -> Query:
    """Contracts whose last day, extensions apart, lies in the quarter, the soonest first."""
    span = Span("end", quarter.first.toordinal(), quarter.last.toordinal())
    filters = (_CONTRACTS, span, *of_publisher(publisher))
    return Query(filters=filters, sort="end", descending=False, limit=1)


def ending_soon(today: date, *, limit: int = 5, publisher: str | None = None) -> Query:
    """Contracts that end from today on, the soonest first."""
    filters = (_CONTRACTS, Span("end", today.toordinal()), *of_publisher(publisher))
    return Query(filters=filters, sort="end", descending=False, limit=limit)


def changed_lately(*, limit: int = 5, publisher: str | None = None, kinds: Sequence[str] = ()) -> Query:
    """What changed here last, of these kinds or of all."""
    only = (Terms("kind", tuple(kinds)),) if kinds else ()
    return Query(filters=(*only, *of_publisher(publisher)), limit=limit)


def seeking_partners(*, limit: int = 4) -> Query:
    """Digital work whose publishers look for others to do it or to pay for it with, the latest change first."""
    filters = (Terms("kind", ("roadmap-item",)), Terms("collaboration", SEEKING))
    return Query(filters=filters, limit=limit)


def publishing() -> Query:
    """Who publishes something besides organisations' own records, by its facet: an office alone is no news."""
    work = tuple(kind for kind in KINDS if kind != "organisation")
    return Query(filters=(Terms("kind", work),), limit=1, facets=("publisher",))


def by_kind(*, publisher: str | None = None) -> Query:
    """How much of each kind there is, by its facet, and who publishes it."""
    return Query(filters=of_publisher(publisher), limit=1, facets=("kind", "publisher"))
