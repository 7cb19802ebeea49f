"""The worker that keeps bulk files written (federation/bulk.py), and tells of those that cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial

import structlog

from federation import outages
from federation.apart import unless_stopped
from federation.bulk import AFTER_FAILURE, SHAPES, BulkFiles
from schema.errors import Busy

logger = structlog.get_logger("folkmoot.bulk")


class Keeper:
    """A worker beside the server: writes every file at the start and looks again from time to time.

    So the manifest names them all, without anybody having asked.
    """

    def __init__(self, files: BulkFiles, *, every: float = 300.0) -> None:
        self._files = files
        self._every = every

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, and end the file in hand, but for a large one, which is given up.

        A file that cannot be written keeps neither the others from it nor what is withdrawn from being removed.
        """
        while not stop.is_set():
            done = await _told("no bulk file can be kept", "", asyncio.to_thread(self._files.check))
            done = done and await self._kept(stop)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._every if done else min(self._every, AFTER_FAILURE))

    async def _kept(self, stop: asyncio.Event) -> bool:
        """Whether all was written and removed that should be."""
        done = True
        for name in SHAPES:
            if not stop.is_set():
                work = unless_stopped(stop, partial(self._files.current, name), self._files.give_up)
                done &= await _told("a bulk file cannot be written", name, work)
        return done & await _told("old bulk files cannot be removed", "", asyncio.to_thread(self._files.purge))


async def _told(event: str, file: str, work: Awaitable[object]) -> bool:
    """Whether the work was done; what it failed for is told: in a line, but for a fault of ours."""
    try:
        await work
    except Exception as error:
        if isinstance(error, Busy | OSError) or outages.is_outage(error):
            logger.warning(event, file=file, error=str(error.__cause__ or error))
        else:
            logger.exception(event, file=file)
        return False
    return True
