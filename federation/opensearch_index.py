"""OpenSearch behind the seam `federation.index.Index`: for an index that outgrows a machine (docs/opensearch.md).

An alias names the index that serves; one process writes to it, by lease, and all others look. A search sees what the
last commit showed, or more: `reached` and `stamp` are as this process last looked, never ahead of what is shown.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from federation.index import Hits, Matcher, Query, Reached, Sink, Slow, hurried
from federation.opensearch import indices
from federation.opensearch.address import Address
from federation.opensearch.cluster import Broken, Cluster, Missing
from federation.opensearch.finding import POINT_KEPT, Search, identities
from federation.opensearch.lease import SECONDS, Lease
from federation.opensearch.store import CHUNK, Seen, Store, look, state_path
from federation.search import words
from federation.search.fields import analyser
from schema.errors import Busy

_KEPT = 16
LEFT = 600.0
"""Seconds after which an index that serves nobody, and to which nobody writes, is taken away."""


class OpenSearchIndex:
    """An index in a cluster; safe to search from many threads."""

    def __init__(
        self,
        address: Address,
        *,
        lease_seconds: float = SECONDS,
        left_seconds: float = LEFT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self.cluster = Cluster(address)
        self.analysed = analyser()
        self._clock = clock
        self._lock = threading.RLock()
        path = state_path(self.cluster, "lease")
        self._lease = Lease(self.cluster, path, secrets.token_hex(8), seconds=lease_seconds, clock=clock)
        self._leftovers = indices.Leftovers(self.cluster, left_seconds)
        self._prepared = False
        self._seen: Seen | None = None
        self._refused = ""
        self._made = ""
        self._store: Store | None = None
        self._pointing = threading.Lock()
        self._points: OrderedDict[int, str] = OrderedDict()

    def claim(self) -> Sink | None:
        """Try to be the one writer. What was never committed to, or is refused, is begun anew. Raises `Busy`."""
        with self._lock:
            self._prepare()
            if not self._lease.hold():
                self.refresh()
                return None
            current = indices.current(self.cluster)
            seen = look(self.cluster, current) if current else None
            if current is None or current == self._refused or (seen is None and current != self._made):
                self._made = current = indices.fresh(self.cluster)
                indices.point(self.cluster, current)
                seen = None
            self._see(seen)
            if self._store is None or self._store.index != current:
                self._store = Store(self.cluster, current, insist=self._lease.insist, done=self._committed)
            self._leftovers.clear(current, self._clock())
            return self._store

    def refresh(self) -> None:
        """See what another process committed, or the index that a rebuild put in this one's place. Raises `Busy`."""
        with self._lock:
            current = indices.current(self.cluster)
            self._see(look(self.cluster, current) if current else None)

    def refuse(self) -> None:
        """Answer `Busy` until another index serves: rows of another database would be the wrong records."""
        with self._lock:
            self._refused = self._seen.index if self._seen else indices.current(self.cluster) or ""
            self._see(None)

    def reached(self) -> Reached | None:
        """How far the index goes, as far as this process has looked; None where nothing was committed yet."""
        seen = self._seen
        return seen.reached if seen else None

    def stamp(self) -> str:
        """Changes with every commit and every rebuild."""
        seen = self._seen
        return seen.stamp if seen else ""

    @contextmanager
    def rebuilding(self) -> Iterator[Sink]:
        """Fill a fresh index while the old one serves. An error takes it away; what a crash leaves, the writer does."""
        self._prepare()
        fresh = indices.fresh(self.cluster)
        try:
            yield Store(self.cluster, fresh, insist=self._go_on, done=lambda _: None, kept=CHUNK)
        except BaseException:
            with suppress(Busy):
                indices.remove(self.cluster, fresh)
            raise
        with self._lock:
            indices.point(self.cluster, fresh)
            self.refresh()

    def scattered(self) -> bool:
        """Never: a cluster sees to its parts by itself."""
        return False

    def search(self, query: Query) -> Hits:
        """Find. Raises `Busy` before the index was first built, beyond the budget, and where the cluster is away."""
        if hurried.get():
            raise Slow
        seen = self._latest()
        point = self._point_in_time(seen, query) if query.sort == "relevance" else ""
        try:
            return Search(self.cluster, self.analysed, seen, query, point).hits()
        except (Missing, Broken) as error:
            if isinstance(error, Broken) and not point:
                raise
        self._points.clear()
        self.refresh()
        return Search(self.cluster, self.analysed, self._latest(), query, "").hits()

    def count(self) -> int:
        """How many records the index holds."""
        (found,) = self.cluster.search(self._latest().index, [{"size": 0, "track_total_hits": True}])
        return int(found["hits"]["total"]["value"])

    def identities(self, least: int, most: int) -> Iterator[tuple[str, str, int]]:
        """(id, kind, change number) of the documents whose change number lies in this span."""
        return identities(self.cluster, self._latest().index, least, most)

    def matcher(self, typed: str) -> Matcher:
        """Where the words that were typed stand in a text, in characters."""
        return words.matcher(self.analysed, typed)

    def release(self) -> None:
        """Be the writer no more, and forget what was not committed."""
        with self._lock:
            self._store = None
            self._lease.give()

    def close(self) -> None:
        """Let go of lease, points in time and connections."""
        with self._lock:
            self.release()
            self._drop(len(self._points))
            self._seen = None
            self.cluster.close()

    def _prepare(self) -> None:
        if not self._prepared:
            indices.prepare(self.cluster)
            self._prepared = True

    def _point_in_time(self, seen: Seen, query: Query) -> str:
        """What a page by relevance is read from, so that its later pages go on in the same order.

        One is opened for a commit when that is first asked by relevance. Where the cluster gives none, or it is gone,
        pages are read from the index as it is (empty).
        """
        number = query.after.number if query.after else seen.reached.number
        with self._pointing:  # a lock of its own: a search is not to wait for the writer
            if number not in self._points and query.after is None:
                with suppress(Busy):
                    path = f"/{seen.index}/_search/point_in_time"
                    self._points[number] = self.cluster.ask("POST", path, keep_alive=POINT_KEPT)["pit_id"]
            if number in self._points:
                self._points.move_to_end(number)
            self._drop(len(self._points) - _KEPT)
            return self._points.get(number, "")

    def _drop(self, count: int) -> None:
        """Give the oldest points in time back; the cluster forgets them by itself where that fails."""
        oldest = [self._points.popitem(last=False)[1] for _ in range(max(0, count))]
        if oldest:
            with suppress(Busy):
                self.cluster.ask("DELETE", "/_search/point_in_time", {"pit_id": oldest})

    def _latest(self) -> Seen:
        if self._seen is None:
            self.refresh()
        seen = self._seen
        if seen is None:
            raise Busy("The search index is being built for the first time. Try again in a moment.")
        return seen

    def _committed(self, seen: Seen) -> None:
        """Serve a commit of ours, unless a rebuild has taken the index's place meanwhile."""
        with self._lock:
            if self._seen is None or self._seen.index == seen.index:
                self._see(seen)

    def _see(self, seen: Seen | None) -> None:
        if seen is None or seen.index == self._refused:
            self._seen = None
        elif self._seen is None or self._seen.stamp != seen.stamp:
            if self._seen is not None and self._seen.index != seen.index:
                self._points.clear()
            self._seen = seen

    def _go_on(self) -> None:
        """Stay the writer while a rebuild runs, where this process is that."""
        with self._lock:
            if self._store is not None:
                self._lease.hold()
