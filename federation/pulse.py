"""Where the log stands, asked of the database ten times a second at most, however many ask here.

A write of this process is seen by the next question. A write of another process (an import, a crawler, another worker)
is seen within `FRESH` seconds: far less than the 8 seconds that any cache may keep the end of the feed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import func, select

from federation import log, publishers
from federation.database import Database, Reading, table
from schema.tables import Record

FRESH = 0.1
"""Seconds for which an answer of the database is believed."""
_record = table(Record)


@dataclass(frozen=True, slots=True)
class Standing:
    """The log's latest number and the epoch of its database: while both stand, so does every page.

    While the log stands still a `Pulse` gives the same object, so that `is` tells.
    """

    latest: int
    epoch: str


class Pulse:
    """Knows where the log stands. Safe to share between threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: tuple[int, float, Standing] | None = None

    def known(self) -> Standing | None:
        """Where the log stands, without asking the database; None where it must be asked."""
        seen = self._seen
        if seen is None or seen[0] != self._database.writes or self._clock() - seen[1] > FRESH:
            return None
        return seen[2]

    def ask(self) -> Standing:
        """Where the log stands. Those who ask at the same time wait for one answer.

        Raises `Misconfigured` before the first publication.
        """
        with self._lock:
            known = self.known()
            if known is not None:
                return known
            # Both are taken before the question: what is written meanwhile makes the answer one to be asked again.
            writes, began = self._database.writes, self._clock()
            with self._database.read() as session:
                found = Standing(log.latest(session), publishers.epoch(session))
            before = self._seen
            standing = before[2] if before is not None and before[2] == found else found
            self._seen = (writes, began, standing)
            return standing


def count(session: Reading, after: int, last: int, kind: str | None = None) -> int:
    """How many records stand in the log after one number up to another.

    A record leaves a stretch of the log when it changes, and none ever comes in below the latest number: where the
    count is the same, so is every record of it.
    """
    chosen = select(func.count()).where(_record.c.number > after, _record.c.number <= last)
    if kind is not None:
        chosen = chosen.where(_record.c.kind == kind)
    found: int = session.connection().execute(chosen).scalar_one()
    return found
