"""Pages on their way into the database: several in one transaction, written while the next ones are read and judged.

A transaction costs more than the rows of a page. So pages wait for one another: not long, not many, and never past the
end of a visit. What was gathered is written in the order in which it was read, with the cursor after its last page.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from federation.endless import Pass
from federation.verdicts import Judged
from federation.verifier import Verifier

MAX_ROWS = 5_000
MAX_BYTES = 8 * 1024 * 1024
MAX_SECONDS = 2.0
P = TypeVar("P")


@dataclass(slots=True)
class Load(Generic[P]):
    """What one transaction brings: the pages in order as one, the place after the last, and how long that one took."""

    judged: Judged
    place: P
    ms: int
    size: int
    since: float = field(default_factory=time.monotonic)
    ids: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """How many items were taken."""
        return len(self.judged.heard) + len(self.judged.standing) + len(self.judged.refused)

    def add(self, judged: Judged, place: P, ms: int, size: int) -> None:
        """Bring another page too."""
        self.judged.add(judged)
        self.ids.update(judged.ids())
        self.place, self.ms, self.size = place, ms, self.size + size


class Desk:
    """What the visits of one process share: one writes at a time, and all together hold `MAX_BYTES` of pages at most.

    The database lets one in at a time as well, but those who wait at its door take up a thread each. `asked` holds, for
    each feed whose visit ended while origins were asked for a page: at which cursor, and which were; `passes` what was
    read of each feed that has not come to its end.
    """

    def __init__(self) -> None:
        self.writing = asyncio.Lock()
        self.verifier = Verifier()
        self.readers = 0
        self.asked: dict[int, tuple[str, frozenset[str]]] = {}
        self.passes: dict[int, Pass] = {}

    @contextmanager
    def reader(self) -> Iterator[None]:
        """Be one of the visits that gather."""
        self.readers += 1
        try:
            yield
        finally:
            self.readers -= 1

    def full(self, load: Load[P]) -> bool:
        """Whether a load has waited long enough, or is its visit's share."""
        if load.rows >= MAX_ROWS or load.size * max(1, self.readers) >= MAX_BYTES:
            return True
        return time.monotonic() - load.since >= MAX_SECONDS


class Gather(Generic[P]):
    """The pages of one visit that are not written yet. `write` puts a load into the database."""

    def __init__(self, desk: Desk, write: Callable[[Load[P]], Coroutine[None, None, None]]) -> None:
        self._desk, self._write = desk, write
        self._load: Load[P] | None = None
        self._task: asyncio.Task[None] | None = None
        self._going: set[str] = set()

    def waiting(self) -> set[str]:
        """The ids of records whose words are not in the database yet."""
        return self._going | (self._load.ids if self._load is not None else set())

    async def add(self, judged: Judged, place: P, ms: int, size: int) -> None:
        """Take a page in; write what was gathered where it is enough. Raises what an earlier write raised.

        A record that stands in two pages is written twice, as its history asks.
        """
        if self._load is not None and not self._load.ids.isdisjoint(judged.ids()):
            await self._start()
        if self._load is None:
            self._load = Load(Judged(), place, ms, 0)
        self._load.add(judged, place, ms, size)
        if self._desk.full(self._load):
            await self._start()

    async def _start(self) -> None:
        await self._settle()
        load, self._load = self._load, None
        if load is not None:
            self._going = load.ids
            self._task = asyncio.create_task(self._write(load))

    async def _settle(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await task
            self._going = set()

    async def flush(self) -> None:
        """Write all that was gathered. Raises what a write raised."""
        await self._start()
        await self._settle()

    async def rest(self) -> Load[P] | None:
        """What is not written yet, for a transaction of the caller's own, once all before it is written."""
        await self._settle()
        load, self._load = self._load, None
        return load

    async def close(self) -> None:
        """Let go of what was gathered, and wait for what is being written, whatever came of it."""
        self._load = None
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
