"""The index follows the log.

The index remembers how far it has come and of which database (epoch). An index of another epoch, or one that is ahead
of the log, is rebuilt beside the one that serves. One process writes; in the others `catch_up` only looks again. So
it does where the folder of the index is another database's (`federation/tenant.py`), whatever becomes of its writer.
"""

from __future__ import annotations

import threading

import structlog

from federation import log
from federation.database import Database
from federation.index import Index, Reached, Sink
from federation.scan import epoch
from federation.staging import Walk
from federation.tenant import Tenant

POLL, REST = 0.5, 0.25
"""Seconds until the next look at the log: usually, and, whoever nudges, after a look that found something."""
_log = structlog.get_logger()


class Follower:
    """Keeps one index up to date with one database, in a thread of its own once it is started."""

    def __init__(self, database: Database, index: Index, tenant: Tenant | None = None) -> None:
        self.database = database
        self.index = index
        self._tenant = tenant
        self.problem = ""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def catch_up(self) -> int:
        """Follow the log to its end now. Gives the change number reached."""
        with self._lock:
            try:
                return self._catch_up()
            except BaseException:
                self.index.release()  # what was staged must not be committed later: it will be staged again
                raise

    def _catch_up(self) -> int:
        sink = self._claim()
        reached = self.index.reached()
        fits = self._fits(reached, writing=sink is not None)
        if not fits:
            self.index.refuse()
        if sink is not None and fits:
            Walk(self.database, sink, reached).to_the_end()
        elif sink is not None:
            rebuild(self.database, self.index)
        reached = self.index.reached()
        return reached.number if reached else 0

    def _claim(self) -> Sink | None:
        if self._tenant is None or not self._tenant.foreign:
            return self.index.claim()
        self.index.refresh()
        return None

    def nudge(self) -> None:
        """Say that there may be something new, so that the thread looks at once."""
        self._wake.set()

    def start(self) -> None:
        """Begin to follow in the background, looking twice a second."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="index-follower", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread after the commit that it is at, and let the index go."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.index.close()

    def _run(self) -> None:
        before = 0
        while not self._stopping.is_set():
            found = False
            try:
                number = self.catch_up()
                found, before = number > before, number
                self.problem = ""
            except Exception as error:  # noqa: BLE001 - the thread outlives a full disk or a database that is away
                self._tell(error)
            if found:  # a commit costs as much for one change as for a hundred
                self._stopping.wait(REST)
            else:
                self._wake.wait(POLL)
            self._wake.clear()

    def _tell(self, error: Exception) -> None:
        if str(error) != self.problem:
            _log.error("the index cannot follow the log", error=str(error), kind=type(error).__name__)
        self.problem = str(error)

    def _fits(self, reached: Reached | None, *, writing: bool) -> bool:
        """Whether the index is of this database: same epoch, not ahead of its log.

        Only the writer looks at the log: what another process reads may be a replica that is a moment behind.
        """
        if reached is None:
            return True
        with self.database.read() as session:
            return reached.epoch == epoch(session) and (not writing or reached.number <= log.latest(session))


def rebuild(database: Database, index: Index) -> int:
    """Build the index anew beside the one that serves, which it then replaces. Gives the change number reached."""
    with index.rebuilding() as fresh:
        return Walk(database, fresh, None, unseen=True).to_the_end()
