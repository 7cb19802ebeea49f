"""tantivy behind the seam `federation.index.Index`: the folder, who writes, snapshots, searches.

One process writes to a folder, by tantivy's own lock; others read what it commits and take over when it is gone.
How far the index goes is committed with the documents, so a process killed at any point goes on from the truth.
A folder whose files are torn or gone is left for an empty one, which the log fills: all that it held stands there.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from federation.documents import Document
from federation.index import Hits, Matcher, Query, Reached, Sink
from federation.search import folder, words
from federation.search.find import Search
from federation.search.lane import Lane
from federation.search.queries import Builder
from federation.search.store import ALL, Damaged, Snapshot, Store, identities
from schema.errors import Busy

_KEPT = 16
LEAST, FEW, SHARE = 10_000, 4, 4
"""Of records, and of parts (segments): up to so many of these a search takes no notice. A fresh index is worth while
when a record in so many has changed since the last one."""
_log = structlog.get_logger()


class TantivyIndex:
    """An index in a folder of this machine; safe to search from many threads."""

    def __init__(self, root: Path, lane: Lane | None = None) -> None:
        self.root = root
        self.lane = lane or Lane()
        self._lock = threading.RLock()
        self._keeping = threading.Lock()
        self._store: Store | None = None
        self._snapshot: Snapshot | None = None
        self._refused: Path | None = None
        self._recent: OrderedDict[int, Snapshot] = OrderedDict()

    def claim(self) -> Sink | None:
        """Try to be the one writer of the folder that serves, making it where there is none or a damaged one.

        Raises `Damaged` where another process writes to that: it has open what is gone, and goes on.
        """
        with self._lock:
            try:
                return self._claim()
            except Damaged as damaged:
                self._leave(damaged)
            return self._claim()

    def _claim(self) -> Sink | None:
        if folder.current(self.root) is None:
            with folder.locked(self.root):
                if folder.current(self.root) is None:
                    folder.point(self.root, folder.fresh(self.root))
        self._refresh(writing=True)
        store = self._opened()
        if not store.writes and store.claim() and store.late:
            self._open_anew(store)  # else the engine would leave what it does not know for ever
            store = self._opened()
        if store.claim() and store.path == self._refused:  # the rebuild that was to replace it broke off
            with folder.locked(self.root):
                folder.point(self.root, folder.fresh(self.root))
            self._refresh(writing=True)
            store = self._opened()
        if not store.claim():
            return None
        for path in folder.leftovers(self.root):
            folder.remove(path)
        return _Bound(self, store)

    def _leave(self, damaged: Damaged) -> None:
        """Let an empty folder serve in the place of a damaged one, unless somebody has done so already."""
        self.release()
        with folder.locked(self.root):
            if folder.current(self.root) != damaged.path:
                return
            if folder.written(damaged.path):
                raise damaged
            folder.point(self.root, folder.fresh(self.root))
        _log.warning("the search index is made anew from the log", error=damaged.detail)

    def refresh(self) -> None:
        """See what another process committed, or the folder that a rebuild put in this one's place.

        Who is writing goes over to that, or opens a worn folder anew, with its next `claim`: what it is staging must
        not lose its writer.
        """
        self._refresh(writing=False)

    def _refresh(self, *, writing: bool) -> None:
        with self._lock:
            path, store = folder.current(self.root), self._store
            if path is not None and (store is None or (store.path != path and (writing or not store.busy))):
                self._adopt(Store(path))
            elif store is not None and store.path == path and store.worn and (writing or not store.writes):
                self._open_anew(store)
            elif store is not None:
                self.look(store)

    def look(self, store: Store) -> None:
        """See what was committed to a folder, if that is the one that serves."""
        with self._lock:
            if store is self._store and store.path != self._refused:
                before, seen = self._snapshot, store.snapshot(self._snapshot)
                if seen is not None and before is not None and seen is not before:
                    Search(seen, _builder(store)).warm(before)
                self._snapshot = seen

    def refuse(self) -> None:
        """Answer `Busy` until another folder serves: rows of another database would be the wrong records."""
        with self._lock:
            self._refused = self._store.path if self._store else None
            self._snapshot = None
            self._forget_kept()

    def reached(self) -> Reached | None:
        """How far the index goes; None where nothing was committed yet."""
        snapshot = self._snapshot
        return snapshot.reached if snapshot else None

    def stamp(self) -> str:
        """Changes with every commit and every rebuild."""
        snapshot = self._snapshot
        return f"{snapshot.stamp}.{snapshot.searcher.num_segments}" if snapshot else ""

    @contextmanager
    def rebuilding(self, *, instead: Path | None = None) -> Iterator[Sink]:
        """Fill a fresh index while the old one serves. Killed before the end, it leaves the old one as it was.

        Raises `Busy`, and leaves what serves, where that is no longer the folder that it is to serve `instead` of.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        fresh = Store(folder.fresh(self.root))
        if not fresh.claim(ALL):
            raise RuntimeError("a folder that was just made has a writer already")
        try:
            yield fresh
            fresh.finish()
            with folder.locked(self.root):
                folder.point(self.root, fresh.path, instead=instead)
        except BaseException:
            fresh.close()
            folder.remove(fresh.path)
            raise
        with self._lock:
            self._adopt(fresh)

    def scattered(self) -> bool:
        """Whether much of it was put in piece by piece: each part is searched by itself, and each costs as much again.

        The engine merges parts of like size by eights, so that seven of each size may stay for good.
        """
        snapshot, store = self._snapshot, self._store
        if snapshot is None or store is None or snapshot.searcher.num_segments <= FEW:
            return False
        held = int(snapshot.searcher.num_docs)
        return held > LEAST and (snapshot.reached.number - store.whole) * SHARE >= held

    def search(self, query: Query) -> Hits:
        """Find. Raises `Busy` before the index was first built, and for a query that costs more than its budget."""
        snapshot = self._held(query)
        hits = Search(snapshot, _builder(self._opened())).run(query, self.lane)
        if hits.next is not None:
            self._keep(query, snapshot)
        return hits

    def count(self) -> int:
        """How many records the index holds."""
        return int(self._latest().searcher.num_docs) - 1

    def identities(self, least: int, most: int) -> Iterator[tuple[str, str, int]]:
        """(id, kind, change number) of the documents whose change number lies in this span."""
        return identities(self._latest().searcher, _builder(self._opened()).numbers(least, most))

    def matcher(self, typed: str) -> Matcher:
        """Where the words that were typed stand in a text, in characters."""
        return words.matcher(self._opened().analysed, typed)

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
            self._forget_kept()
            self.lane.close()

    def _held(self, query: Query) -> Snapshot:
        """The snapshot to read: for a later page by relevance the one of its first page, while it is kept."""
        if query.sort == "relevance" and query.after is not None:
            kept = self._recent.get(query.after.number)
            if kept is not None:
                return kept
        return self._latest()

    def _keep(self, query: Query, snapshot: Snapshot) -> None:
        if query.sort == "relevance":
            with self._keeping:  # not the lock of the index: who looks at a new commit may hold that for a while
                self._recent[snapshot.reached.number] = snapshot
                self._recent.move_to_end(snapshot.reached.number)
                while len(self._recent) > _KEPT:
                    self._recent.popitem(last=False)

    def _forget_kept(self) -> None:
        with self._keeping:
            self._recent.clear()

    def _latest(self) -> Snapshot:
        if self._snapshot is None:
            self.refresh()
        if self._snapshot is None and self._refused is not None:
            raise Busy("The search index is to be made anew. Try again in a moment; /health/ready says what is amiss.")
        if self._snapshot is None:
            raise Busy("The search index is being built for the first time. Try again in a moment.")
        return self._snapshot

    def _opened(self) -> Store:
        if self._store is None:
            raise Busy("The search index is not open yet. Try again in a moment.")
        return self._store

    def _open_anew(self, store: Store) -> None:
        """Serve the same folder, opened anew. Merges end first: whoever opens it must know of their files."""
        store.close()
        self._adopt(Store(store.path))

    def _adopt(self, store: Store) -> None:
        """Serve another folder. The old one serves until that is open, and is closed last: its merges may take long."""
        old, self._store = self._store, store
        try:
            self.look(store)
        except BaseException:
            self._snapshot = None
            raise
        finally:
            self._forget_kept()
            if old is not None:
                old.close()


def _builder(store: Store) -> Builder:
    return Builder(store.schema, store.analysed)


@dataclass(frozen=True, slots=True)
class _Bound:
    """The writer's end of one folder. A rebuild that changes folders meanwhile does not move it to another."""

    index: TantivyIndex
    store: Store

    def stage(self, documents: Iterable[Document], gone: Iterable[str], *, new: bool = False) -> None:
        self.store.stage(documents, gone, new=new)

    def commit(self, reached: Reached) -> None:
        self.store.commit(reached)
        self.index.look(self.store)
