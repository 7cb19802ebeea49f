"""tantivy behind the seam `federation.index.Index`: the folder, who writes, snapshots, searches.

One process writes to a folder, by tantivy's own lock; others read what it commits and take over when it is gone.
How far the index goes is committed with the documents, so a process killed at any point goes on from the truth.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import tantivy

from federation.documents import Document, spelling
from federation.index import MAX_RELEVANT, Facet, Hits, Matcher, Position, Query, Reached, Sink
from federation.search import facets, folder, words
from federation.search.fields import KEYS
from federation.search.queries import Builder, position
from federation.search.store import Snapshot, Store, identities, stored
from schema.errors import Busy

_KEPT = 16
_SPELLINGS = 50


class TantivyIndex:
    """An index in a folder of this machine; safe to search from many threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.RLock()
        self._store: Store | None = None
        self._snapshot: Snapshot | None = None
        self._refused: Path | None = None
        self._recent: OrderedDict[int, Snapshot] = OrderedDict()

    def claim(self) -> Sink | None:
        """Try to be the one writer of the folder that serves, making it where there is none."""
        with self._lock:
            if folder.current(self.root) is None:
                with folder.locked(self.root):
                    if folder.current(self.root) is None:
                        folder.point(self.root, folder.fresh(self.root))
            self.refresh()
            store = self._opened()
            if not store.claim():
                return None
            for path in folder.leftovers(self.root):
                folder.remove(path)
            return _Bound(self, store)

    def refresh(self) -> None:
        """See what another process committed, or the folder that a rebuild put in this one's place."""
        with self._lock:
            path = folder.current(self.root)
            if path is not None and (self._store is None or self._store.path != path):
                self._adopt(Store(path))
            if self._store is not None:
                self.look(self._store)

    def look(self, store: Store) -> None:
        """See what was committed to a folder, if that is the one that serves."""
        with self._lock:
            if store is self._store and store.path != self._refused:
                self._snapshot = store.snapshot(self._snapshot)

    def refuse(self) -> None:
        """Answer `Busy` until another folder serves: rows of another database would be the wrong records."""
        with self._lock:
            self._refused = self._store.path if self._store else None
            self._snapshot = None
            self._recent.clear()

    def reached(self) -> Reached | None:
        """How far the index goes; None where nothing was committed yet."""
        snapshot = self._snapshot
        return snapshot.reached if snapshot else None

    def stamp(self) -> str:
        """Changes with every commit and every rebuild."""
        snapshot = self._snapshot
        return f"{snapshot.stamp}.{snapshot.searcher.num_segments}" if snapshot else ""

    @contextmanager
    def rebuilding(self) -> Iterator[Sink]:
        """Fill a fresh index while the old one serves. Killed before the end, it leaves the old one as it was."""
        self.root.mkdir(parents=True, exist_ok=True)
        fresh = Store(folder.fresh(self.root))
        if not fresh.claim():
            raise RuntimeError("a folder that was just made has a writer already")
        try:
            yield fresh
        except BaseException:
            fresh.close()
            folder.remove(fresh.path)
            raise
        with self._lock:
            with folder.locked(self.root):
                folder.point(self.root, fresh.path)
            self._adopt(fresh)
            self.look(fresh)

    def search(self, query: Query) -> Hits:
        """Find. Raises `Busy` before the index was built for the first time."""
        snapshot = self._held(query)
        store = self._opened()
        build = Builder(store.schema, store.analysed)
        matching = build.matching(query)
        searcher = snapshot.searcher
        count = searcher.search(matching, 1).count  # type: ignore[attr-defined]  # the stub forgets it
        hits = _relevant(searcher, matching, query) if query.sort == "relevance" else _sorted(searcher, build, query)
        shown = hits[: query.limit]
        rows = tuple(int(row or 0) for row in searcher.fast_field_values("row", [address for _, address in shown]))
        following = None
        if len(hits) > len(shown) and shown:
            offset = len(shown) + (query.after.offset if query.after else 0)
            following = position(query, int(shown[-1][0]), offset, snapshot.reached.number)
            self._keep(query, snapshot)
        return Hits(rows, following, count, facets=self._facets(snapshot, build, query))

    def count(self) -> int:
        """How many records the index holds."""
        return int(self._latest().searcher.num_docs) - 1

    def identities(self, least: int, most: int) -> Iterator[tuple[str, str, int]]:
        """(id, kind, change number) of the documents whose change number lies in this span."""
        store, snapshot = self._opened(), self._latest()
        matching = Builder(store.schema, store.analysed).numbers(least, most)
        return identities(snapshot.searcher, matching)

    def matcher(self, typed: str) -> Matcher:
        """Where the words that were typed stand in a text, in characters."""
        analysed = self._opened().analysed
        wanted = words.wanted(analysed, typed)

        def matches(text: str) -> Sequence[tuple[int, int]]:
            tokens = analysed.pre_tokenize(text).tokens
            return [(t.char_offset_from, t.char_offset_to) for t in tokens if t.text in wanted]

        return matches

    def release(self) -> None:
        """Be the writer no more, and forget what was not committed."""
        with self._lock:
            if self._store is not None:
                self._store.release()

    def close(self) -> None:
        """Let go of the folder; another process may write then."""
        with self._lock:
            if self._store is not None:
                self._store.close()
            self._store, self._snapshot = None, None
            self._recent.clear()

    def _facets(self, snapshot: Snapshot, build: Builder, query: Query) -> dict[str, Facet]:
        filtered = {one.name for one in query.filters}
        together = [name for name in query.facets if name not in filtered]
        counted = facets.count(snapshot.searcher, build.matching(query), together) if together else {}
        for name in query.facets:
            if name in filtered:
                counted |= facets.count(snapshot.searcher, build.matching(query, without=name), [name])

        def label(name: str, value: str) -> str:
            return _label(snapshot, build, name, value)

        return {name: facets.facet(name, counted[name], label) for name in query.facets}

    def _held(self, query: Query) -> Snapshot:
        """The snapshot to read: for a later page by relevance the one of its first page, while it is kept."""
        if query.sort == "relevance" and query.after is not None:
            kept = self._recent.get(query.after.number)
            if kept is not None:
                return kept
        return self._latest()

    def _keep(self, query: Query, snapshot: Snapshot) -> None:
        if query.sort == "relevance":
            with self._lock:
                self._recent[snapshot.reached.number] = snapshot
                self._recent.move_to_end(snapshot.reached.number)
                while len(self._recent) > _KEPT:
                    self._recent.popitem(last=False)

    def _latest(self) -> Snapshot:
        if self._snapshot is None:
            self.refresh()
        if self._snapshot is None:
            raise Busy("The search index is being built for the first time. Try again in a moment.")
        return self._snapshot

    def _opened(self) -> Store:
        if self._store is None:
            raise Busy("The search index is not open yet. Try again in a moment.")
        return self._store

    def _adopt(self, store: Store) -> None:
        old, self._store = self._store, store
        self._snapshot = None
        self._recent.clear()
        if old is not None:
            old.close()


@dataclass(frozen=True, slots=True)
class _Bound:
    """The writer's end of one folder. A rebuild that changes folders meanwhile does not move it to another."""

    index: TantivyIndex
    store: Store

    def stage(self, documents: Iterable[Document], gone: Iterable[str]) -> None:
        self.store.stage(documents, gone)

    def commit(self, reached: Reached) -> None:
        self.store.commit(reached)
        self.index.look(self.store)


def _sorted(searcher: tantivy.Searcher, build: Builder, query: Query) -> list[tuple[float, tantivy.DocAddress]]:
    matching = build.matching(query)
    order = tantivy.Order.Desc if query.descending else tantivy.Order.Asc
    wanted = query.limit + 1
    hits: list[tuple[float, tantivy.DocAddress]] = []
    for part in build.parts(matching, query):
        if len(hits) < wanted:
            more = wanted - len(hits)
            hits += searcher.search(part, more, count=False, order_by_field=KEYS[query.sort], order=order).hits
    return hits


def _relevant(
    searcher: tantivy.Searcher, matching: tantivy.Query, query: Query
) -> list[tuple[float, tantivy.DocAddress]]:
    offset = (query.after or Position()).offset
    wanted = min(query.limit + 1, MAX_RELEVANT - offset)
    if wanted <= 0:
        return []
    return list(searcher.search(matching, wanted, count=False, offset=offset).hits)


def _label(snapshot: Snapshot, build: Builder, name: str, value: str) -> str:
    """What the newest record with this value calls it; the value itself where no record says.

    Where that is all in capitals, the newest few records are asked, and their commonest plain spelling is taken.
    """
    known = snapshot.labels.get((name, value))
    if known is None:
        known = next(_spellings(snapshot, build, name, value, 1), value)
        if known.isupper() and known != value:
            known = spelling(_spellings(snapshot, build, name, value, _SPELLINGS)) or known
        snapshot.labels[name, value] = known
    return known


def _spellings(snapshot: Snapshot, build: Builder, name: str, value: str, count: int) -> Iterator[str]:
    found = snapshot.searcher.search(
        build.term(name, value), count, count=False, order_by_field="number", order=tantivy.Order.Desc
    ).hits
    for _, address in found:
        said = orjson.loads(stored(snapshot.searcher, address)).get("labels", {}).get(name, {}).get(value)
        if said:
            yield str(said)
