"""The worker that has a scattered index made anew, in a process of its own, when the log is at rest.

An index that follows the log grows by a part with each commit, and every search goes through all of them: after a first
crawl of 100,000 records there are eight, and a search takes a third less time when there is one (decision 0030).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import orjson
import structlog

from federation import log
from federation.apart import Apart, Broken, unless_stopped
from federation.database import Database, DatabaseFault
from federation.index import Index, Reached

LOOK, AFTER_FAILURE = 10.0, 3_600.0
"""Seconds until the next look, and after one that failed. Between two looks the index stood at the log's end."""
_ROOM = 3
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
            if reached is not None and reached == before and self._index.scattered():
                wait = wait if await self._compacted(stop, reached.number) else max(wait, AFTER_FAILURE)
            before = reached

    async def _compacted(self, stop: asyncio.Event, number: int) -> bool:
        """Whether it was made, is not due, or was given up with the server. What it failed for is told in a line."""
        began = time.monotonic()
        try:
            if not await asyncio.to_thread(self._due, number):
                return True
            self._begun.touch()
            await unless_stopped(stop, self._make, self._apart.end)
        except (Broken, OSError, DatabaseFault) as error:
            _logger.warning("the search index cannot be made anew", error=str(error))
            return False
        self._begun.unlink(missing_ok=True)
        if not stop.is_set():
            _logger.info("the search index was made anew, in fewer parts", seconds=round(time.monotonic() - began, 1))
        return True

    def _due(self, number: int) -> bool:
        """Whether the log ends where the index does, and no try of the last hour took this very server with it.

        Raises `OSError` where the disk has no room for another one and to spare.
        """
        with suppress(FileNotFoundError):
            if time.time() - self._begun.stat().st_mtime < AFTER_FAILURE:
                return False
        held = _size(self._folder)
        if (free := shutil.disk_usage(self._folder).free) < _ROOM * held:
            raise OSError(
                f"its disk has {free:,} bytes left; expected {_ROOM * held:,}, {_ROOM} times what it takes now"
            )
        with self._database.read() as session:
            return log.latest(session) == number

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
