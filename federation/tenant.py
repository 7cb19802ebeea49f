"""Whose data folder it is: one database's at a time. The index, the bulk files and the turns of the workers lie there.

Any number of processes with the same database share it. Those with another are turned away for as long as one of these
lives: they would serve the records of the wrong council, and do none of their own work.
"""

from __future__ import annotations

import asyncio
import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import structlog

from federation.database import Database
from federation.scan import epoch
from federation.search.folder import locked
from schema.errors import Busy, Misconfigured

LOOK = 5.0
"""Seconds until it is looked again whether the other database's processes are gone."""
WORD = (
    "The data folder is in use by a server with another database, so this one has no search and no bulk files, and "
    "its imports, visits and erasures may wait. Give it a folder of its own (FOLKMOOT_DATA_DIR), or end the "
    "other server."
)
"""What anybody may read of it."""
_log = structlog.get_logger()


class Tenant:
    """The hold that this process has on a data folder, for its database. Safe to share between threads."""

    def __init__(self, data_dir: Path, database: Database, *, look: float = LOOK) -> None:
        self._data_dir, self._database, self._every = data_dir, database, look
        self._folder = data_dir / "locks"
        self._lock = threading.Lock()
        self._held: IO[str] | None = None
        self._noted = ""
        self._foreign: bool | None = None
        self._told = False

    @property
    def foreign(self) -> bool:
        """Whether the folder is another database's, as last looked."""
        return self.look() if self._foreign is None else self._foreign

    def check(self) -> None:
        """Raise `Busy` where the folder is another database's."""
        if self.foreign:
            raise Busy(WORD)

    def look(self) -> bool:
        """Take the folder where it is nobody's or our database's already. Gives whether it is another's."""
        with self._database.present() as session:
            mine = epoch(session)
        with self._lock, locked(self._folder):
            self._foreign = foreign = not self._enter(mine)
        return foreign

    def _enter(self, mine: str) -> bool:
        held = self._held or (self._folder / "database").open("a+", encoding="ascii")
        if self._held is None and not _shared(held, mine):
            held.close()
            return False
        self._held = held
        if mine != self._noted:  # it was nobody's, or our database was restored meanwhile
            _write(held, mine)
            self._noted = mine
        return True

    def close(self) -> None:
        """Leave the folder."""
        with self._lock:
            if self._held is not None:
                self._held.close()
            self._held, self._noted, self._foreign = None, "", None

    async def run(self, stop: asyncio.Event) -> None:
        """Hold the folder until `stop` is set, or wait for it: the system gives it back when its holders have ended."""
        try:
            while not stop.is_set():
                self._tell(foreign=await asyncio.to_thread(self.look))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._every)
        finally:
            if stop.is_set():  # an outage of the database is no reason to leave
                self.close()

    def _tell(self, *, foreign: bool) -> None:
        """Say in the log that it is another's, and when that is over."""
        if foreign != self._told and foreign:
            _log.error("another server has the data folder", folder=str(self._data_dir), error=WORD)
        elif foreign != self._told:
            _log.warning("the data folder is this server's now", folder=str(self._data_dir))
        self._told = foreign


@contextmanager
def claimed(data_dir: Path, database: Database) -> Iterator[None]:
    """Hold a folder for a command. Raises `Misconfigured` where it is another database's."""
    tenant = Tenant(data_dir, database)
    try:
        if tenant.look():
            raise Misconfigured(
                f"The data folder {data_dir} is in use by a server with another database. Set FOLKMOOT_DATA_DIR "
                "to the folder of the server that this command is for, or to one of its own, or end the other server."
            )
        yield
    finally:
        tenant.close()


def _shared(file: IO[str], mine: str) -> bool:
    """Hold a file together with those who wrote `mine` into it; false where others did, who hold it still."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        if file.read() != mine:
            return False
    else:
        _write(file, mine)
    fcntl.flock(file, fcntl.LOCK_SH)
    return True


def _write(file: IO[str], mine: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(mine)
    file.flush()
