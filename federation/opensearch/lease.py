"""Who writes: a document that one process changes by compare-and-set, again and again while it lives.

No two clocks are compared. Who wants the lease watches the document, and takes it when it has not changed for the
lease's whole length by its own clock; who holds it trusts it for a third of that and then renews it. The length is
more than a holder's longest request takes, and what a paused holder still sends is older than what its successor
writes (`store.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from federation.opensearch.cluster import Clashed, Cluster, Found, Missing
from schema.errors import Busy

SECONDS = 30.0
_BEAT = 3
_FREE = ""


class Lease:
    """One process's claim to be the writer. `path` is that of the document."""

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        owner: str,
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cluster = cluster
        self.path = path
        self.owner = owner
        self.seconds = seconds
        self.clock = clock
        self._held: tuple[int, int] | None = None
        self._since = 0.0
        self._watched: tuple[int, int] | None = None
        self._watched_since = 0.0

    def hold(self) -> bool:
        """Be the writer, now and for a while; False where another is. Raises `Busy` where the cluster is away."""
        now = self.clock()
        if self._held is not None and now - self._since < self.seconds / _BEAT:
            return True
        if self._held is not None and self._write(self._held, now):
            return True
        self._held = None
        return self._take(now)

    def insist(self) -> None:
        """Go on being the writer. Raises `Busy` where another has become it."""
        if not self.hold():
            raise Busy("Another process writes the search index now.")

    def give(self) -> None:
        """Let another be the writer at once; where the cluster is away the lease runs out by itself."""
        held, self._held = self._held, None
        if held is not None:
            with suppress(Busy):
                self._put(held, _FREE)

    def _take(self, now: float) -> bool:
        try:
            found = self.cluster.ask("GET", self.path)
        except Missing:
            return self._write(None, now)
        seen = _place(found)
        if found["_source"]["owner"] in {_FREE, self.owner}:
            return self._write(seen, now)
        if seen != self._watched:
            self._watched, self._watched_since = seen, now
            return False
        return now - self._watched_since >= self.seconds and self._write(seen, now)

    def _write(self, place: tuple[int, int] | None, now: float) -> bool:
        try:
            self._held = _place(self._put(place, self.owner))
        except Clashed:
            return False
        self._since = now
        return True

    def _put(self, place: tuple[int, int] | None, owner: str) -> Found:
        guard: dict[str, Any] = (
            {"op_type": "create"} if place is None else {"if_seq_no": place[0], "if_primary_term": place[1]}
        )
        return self.cluster.ask("PUT", self.path, {"owner": owner}, **guard)


def _place(found: Found) -> tuple[int, int]:
    return found["_seq_no"], found["_primary_term"]
