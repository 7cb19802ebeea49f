"""Work that several requests wait for at once is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Flights:
    """Work under way, by what it is for. Of one event loop."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}

    async def once(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Give what `work` gives, or what work for the same key that is under way will give.

        A client that goes away takes nothing from the others who wait.
        """
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._run(key, work))
        found: T = await asyncio.shield(task)
        return found

    async def anew(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Give what work gives that begins after this is asked: what is under way is waited for, and not taken."""
        under_way = self._under_way.get(key)
        if under_way is not None:
            await asyncio.wait([under_way])
        return await self.once(key, work)

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        finally:
            del self._under_way[key]
