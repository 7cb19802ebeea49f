"""A server that publishes tells aggregators that something is new: "visit me now", at most once a minute.

Nothing hangs on it: an aggregator that is not told, or does not answer, finds the change at its next visit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from federation import log as changes
from federation.database import Database
from federation.seam import Post
from schema.errors import Crawling

log = structlog.get_logger("folkmoot.ping")
GAP = 60.0


@dataclass(slots=True)
class Pinger:
    """Watches the log, and pings each address when it has grown. What stood there at the start is not news."""

    database: Database
    post: Post
    addresses: Sequence[str]
    every: float = 2.0
    gap: float = GAP

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        told = await asyncio.to_thread(self._latest)
        while not stop.is_set():
            latest = await asyncio.to_thread(self._latest)
            if latest > told:
                told = latest
                await self.tell()
                await _pause(stop, self.gap)
            await _pause(stop, self.every)

    async def tell(self) -> None:
        """Ping each address once; one that fails is logged and left."""
        for address in self.addresses:
            try:
                answer = await self.post(address, b"{}", {})
                log.info("ping", address=address, status=answer.status)
            except Crawling as error:
                log.warning("ping failed", address=address, error=error.detail)

    def _latest(self) -> int:
        with self.database.present() as session:
            return changes.latest(session)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
