"""One search of one snapshot: a page of hits, their number, the facets; each counted once, the costly side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import tantivy

from federation.index import MAX_RELEVANT, Facet, Hits, Position, Query
from federation.search import facets
from federation.search.counts import Key
from federation.search.fields import KEYS
from federation.search.labels import label, labeller
from federation.search.lane import Lane
from federation.search.queries import Builder, position
from federation.search.store import Snapshot

_WARMING, _NAMES = 0.25, 100
Scored = list[tuple[float, tantivy.DocAddress]]
Part = tuple[Key, tuple[str, ...]]
_ALL: Key = ("", ())


@dataclass(frozen=True, slots=True)
class Search:
    """A snapshot with what makes its queries."""

    snapshot: Snapshot
    build: Builder

    def run(self, query: Query, lane: Lane) -> Hits:
        """Find and count. Raises `Busy` when the budget is spent."""
        counted: dict[str, Facet] = {}
        key: Key = (query.words.strip(), query.filters)
        total, parts = self._passes(query, key, counted)
        both = query.sort == "relevance" and total is None  # the pass that finds then counts as well
        passes = [part for part in parts if part != (key, ())] if both else parts
        calls: list[Callable[[], Any]] = [partial(self._page, query, counting=both)]
        calls += [partial(self._count, part, names, total=not both or part is not key) for part, names in passes]
        cost = self.build.cost(self.snapshot.searcher, query) * len(calls)
        (hits, found), *made = lane.run(calls, cost)
        for (part, _), (number, several) in zip(passes, made, strict=True):
            found = number if part is key and number is not None else found
            counted |= several
        if both:
            self.snapshot.counts.keep(key, found, {})
        return self._hits(query, hits, found if total is None else total, counted)

    def warm(self, before: Snapshot) -> None:
        """Count what was asked of the snapshot before and touches most records, so that nobody waits for it.

        The names that were shown last are looked up again too: a new record may spell one otherwise.
        """
        until = time.monotonic() + _WARMING
        for key, names in before.counts.broad():
            if time.monotonic() < until:
                self._count(key, names)
        for name, value in list(before.labels)[-_NAMES:]:
            if time.monotonic() < until:
                label(self.snapshot, self.build, name, value)

    def _passes(self, query: Query, key: Key, counted: dict[str, Facet]) -> tuple[int | None, list[Part]]:
        """The total where it is known, and what is still to be counted; what is known is put to what was counted.

        A facet ignores its own filter: those without one share the pass of the total, the others have their own.
        """
        filtered = {one.name for one in query.filters}
        shared = tuple(name for name in query.facets if name not in filtered)
        total, known = self.snapshot.counts.known(key, shared)
        if total is None and key == _ALL:
            total = int(self.snapshot.searcher.num_docs) - 1
        counted |= known
        missing = tuple(name for name in shared if name not in known)
        parts: list[Part] = [(key, missing)] if missing or total is None else []
        for name in query.facets:
            if name in filtered:
                part: Key = (key[0], tuple(one for one in query.filters if one.name != name))
                known = self.snapshot.counts.known(part, (name,))[1]
                counted |= known
                parts += [] if known else [(part, (name,))]
        return total, parts

    def _count(self, key: Key, names: tuple[str, ...], *, total: bool = True) -> tuple[int | None, dict[str, Facet]]:
        """Count what matches, if the `total` is asked for, and these facets of it: one pass."""
        matching = self.build.matching(Query(words=key[0], filters=key[1]))
        number, found = facets.count(self.snapshot.searcher, matching, names, total=total)
        made = {name: facets.facet(found[name], labeller(self.snapshot, self.build, name)) for name in names}
        self.snapshot.counts.keep(key, number, made)
        return number, made

    def _page(self, query: Query, *, counting: bool) -> tuple[Scored, int]:
        searcher = self.snapshot.searcher
        if query.sort == "relevance":
            return _relevant(searcher, self.build.matching(query, ranked=True), query, counting=counting)
        order = tantivy.Order.Desc if query.descending else tantivy.Order.Asc
        hits: Scored = []
        for part in self.build.parts(self.build.matching(query), query, self.snapshot.reached.number):
            more = query.limit + 1 - len(hits)
            if more > 0:
                hits += searcher.search(part, more, count=False, order_by_field=KEYS[query.sort], order=order).hits
        return hits, 0

    def _hits(self, query: Query, hits: Scored, total: int, counted: Mapping[str, Facet]) -> Hits:
        shown = hits[: query.limit]
        rows = self.snapshot.searcher.fast_field_values("row", [address for _, address in shown])
        following = None
        if len(hits) > len(shown) and shown:
            offset = len(shown) + (query.after.offset if query.after else 0)
            following = position(query, int(shown[-1][0]), offset, self.snapshot.reached.number)
        asked = {name: counted[name] for name in query.facets}
        return Hits(tuple(int(row or 0) for row in rows), following, total, facets=asked)


def _relevant(
    searcher: tantivy.Searcher, matching: tantivy.Query, query: Query, *, counting: bool
) -> tuple[Scored, int]:
    offset = (query.after or Position()).offset
    wanted = min(query.limit + 1, MAX_RELEVANT - offset)
    found = searcher.search(matching, max(wanted, 1), count=counting, offset=offset)
    counted = found.count if counting else 0  # type: ignore[attr-defined]  # the stub forgets it
    return list(found.hits)[: max(wanted, 0)], counted
