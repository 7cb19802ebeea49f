"""The worker that has a search index made anew, in a process of its own, when the log is at rest.

An index that follows the log grows by a part with each commit, and every search goes through all of them: after a first
crawl of 100,000 records there are eight, and a search takes a third less time when there is one (decision 0030). And
what was taken out of a part stands in its files, though nobody finds it, until the engine merges that part, which may
be never: words that were withdrawn as personal data must not (decision 0031).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import orjson
import structlog

from federation import erasure, log
from federation.apart import Apart, Broken, unless_stopped
from federation.database import Database, DatabaseFault, clock
from federation.index import Index, Reached

LOOK, AFTER_FAILURE = 10.0, 3_600.0
"""Seconds until the next look, and after one that failed. Between two looks the index stood at the log's end."""
PATIENCE = timedelta(hours=1)
"""How long what was withdrawn waits for the log to be at rest."""
_ROOM = 3
_RESTS = 20
"""After a making it is left alone for so many times as long as that took."""
_BEGUN = "begun"
_logger = structlog.get_logger("folkmoot.index")


class Compactor:
    """A worker beside the server: looks now and then whether the index in `folder` is to be made anew."""

    def __init__(self, database: Database, index: Index, folder: Path, *, look: float = LOOK) -> None:
        self._database = database
        self._index = index
        self._folder = folder
        self._begun = folder / _BEGUN
        self._look = look
        self._apart = Apart()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, and give up what is being made then."""
        before: Reached | None = None
        wait = self._look
        while not await _stopped(stop, wait):
            reached, wait = self._index.reached(), self._look
            if reached is not None:
                wait = max(wait, await self._looked(stop, reached, at_rest=reached == before))
            before = reached

    async def _looked(self, stop: asyncio.Event, reached: Reached, *, at_rest: bool) -> float:
        """Make it anew where that is due. Gives how many seconds it is to be left alone for.

        What a making failed for is told in a line; a database that is away has told so itself.
        """
        began = time.monotonic()
        try:
            if not await asyncio.to_thread(self._due, reached, at_rest=at_rest):
                return 0
            self._begun.touch()
            await unless_stopped(stop, self._make, self._apart.end)
        except DatabaseFault:
            return 0
        except (Broken, OSError) as error:
            _logger.warning("the search index cannot be made anew", error=str(error))
            return AFTER_FAILURE
        self._begun.unlink(missing_ok=True)
        took = time.monotonic() - began
        if not stop.is_set():
            _logger.info("the search index was made anew", seconds=round(took, 1))
        return _RESTS * took

    def _due(self, reached: Reached, *, at_rest: bool) -> bool:
        """Whether it is scattered or may hold what was withdrawn, and no try of the last hour took the server with it.

        Only where the log is at rest, or what was withdrawn waits for that for too long. Raises `OSError` where the
        disk has no room for another one and to spare.
        """
        with self._database.read() as session:
            withdrawn = erasure.later(session, reached.begun)
            late = withdrawn is not None and clock(session) - withdrawn > PATIENCE
            still = at_rest and log.latest(session) == reached.number
        if not late and not (still and (withdrawn is not None or self._index.scattered())):
            return False
        with suppress(FileNotFoundError):
            if time.time() - self._begun.stat().st_mtime < AFTER_FAILURE:
                return False
        held = _size(self._folder)
        if (free := shutil.disk_usage(self._folder).free) < _ROOM * held:
            raise OSError(
                f"its disk has {free:,} bytes left; expected {_ROOM * held:,}, {_ROOM} times what it takes now"
            )
        return True

    def _make(self) -> None:
        url = self._database.reader.url.render_as_string(hide_password=False)
        self._apart.run("federation.compact_child", orjson.dumps({"url": url, "folder": str(self._folder)}))


def _size(folder: Path) -> int:
    """Bytes of all files in a folder, from which others may be taking some away."""
    found = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                found += (Path(where) / name).stat().st_size
    return found


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()
