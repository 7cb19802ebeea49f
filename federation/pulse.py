"""Where the log stands, asked of the database ten times a second at most, however many ask here.

A write of this process is seen by the next question. A write of another process (an import, a crawler, another worker)
is seen within `FRESH` seconds: far less than the 8 seconds that any cache may keep the end of the feed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from federation import publishers
from federation.database import Database, Reading
from federation.glance import Glance, asking, glance, texts

FRESH, DUE = 0.25, 0.05
"""Seconds for which an answer of the database is believed, and after which it is time to ask again.

FRESH is what docs/protocol.md tells the readers of several processes.
"""
_STANDING = texts("SELECT n, (SELECT value FROM meta WHERE key = 'epoch') FROM counter")
_COUNT = texts("SELECT count(*) FROM record WHERE number > ? AND number <= ?")
_COUNT_OF_KIND = texts("SELECT count(*) FROM record WHERE number > ? AND number <= ? AND kind = ?")


@dataclass(frozen=True, slots=True)
class Standing:
    """The log's latest number and the epoch of its database: while both stand, so does every page.

    While the log stands still a `Pulse` gives the same object, so that `is` tells; `turn` tells which came first.
    """

    latest: int
    epoch: str
    turn: int = field(default=0, compare=False)


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

    @property
    def due(self) -> bool:
        """Whether it is time to ask again, so that the standing goes on being known."""
        return self.known() is None or self._seen is None or self._clock() - self._seen[1] > DUE

    def ask(self) -> Standing:
        """Where the log stands. Those who ask at the same time wait for one answer.

        Raises `Misconfigured` before the first publication.
        """
        with self._lock:
            known = self.known()
            if known is not None and not self.due:
                return known
            writes = self._database.writes  # before the question: what is written meanwhile makes it one to ask again
            found = self._look()
            before = self._seen
            if before is None:
                standing = found
            else:
                standing = before[2] if before[2] == found else replace(found, turn=before[2].turn + 1)
            # From the answer and not from the question: on a busy machine an answer may take as long as it is fresh.
            self._seen = (writes, self._clock(), standing)
            return standing

    def _look(self) -> Standing:
        with glance(self._database) as rows:
            ((latest, epoch),) = rows.ask(_STANDING)
        if epoch is None:
            with self._database.read() as session:
                epoch = publishers.epoch(session)
        return Standing(latest, epoch)


def count(reading: Reading | Glance, after: int, last: int, kind: str | None = None) -> int:
    """How many records stand in the log after one number up to another.

    A record leaves a stretch of the log when it changes, and none ever comes in below the latest number: where the
    count is the same, so is every record of it.
    """
    asked = asking(reading)
    rows = asked.ask(_COUNT, after, last) if kind is None else asked.ask(_COUNT_OF_KIND, after, last, kind)
    return int(rows[0][0])
