"""How many visits go on at a time: so many that work, and beside them those that only wait for a slow host.

A visit that has waited for its host for more than a second lends its place to another, so that nodes which hang, drip
or ask for long pauses cost the others nothing but a connection each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

PATIENT = 1.0


class Crew:
    """`workers` visits that work, `most` at all; `hire` starts another task that looks for visits."""

    def __init__(self, workers: int, most: int, hire: Callable[[], object]) -> None:
        self._workers, self._most, self._hire = workers, max(workers, most), hire
        self._tasks = self._waiting = 0

    def start(self) -> None:
        """Take on the first workers."""
        while self._tasks < self._workers:
            self._add()

    def _add(self) -> None:
        self._tasks += 1
        self._hire()

    def left(self) -> None:
        """Count a task out that has ended."""
        self._tasks -= 1

    @property
    def crowded(self) -> bool:
        """Whether more are at work than there should be, since some of those who waited went on: one may leave."""
        return self._tasks - self._waiting > self._workers

    @asynccontextmanager
    async def waits(self) -> AsyncIterator[None]:
        """Around whatever may take its time at a host."""
        lent = False

        def lend() -> None:
            nonlocal lent
            lent = True
            self._waiting += 1
            if self._tasks < self._most and self._tasks - self._waiting < self._workers:
                self._add()

        timer = asyncio.get_running_loop().call_later(PATIENT, lend)
        try:
            yield
        finally:
            timer.cancel()
            self._waiting -= lent
