"""The door, opened when something first goes through it: most servers hold it for a day that never comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

from federation.seam import Answer

if TYPE_CHECKING:
    from federation.fetch import Door


class Ajar:
    """`get`, `robots` and `post` of a door that the first of them opens. 5 MB and 0.2 s of a server's start."""

    def __init__(self, make: Callable[[], Door]) -> None:
        self._make, self._opening = make, asyncio.Lock()
        self._door: Door | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        async with self._opening:
            if self._door is not None:
                await self._door.aclose()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Fetch one page. Raises as `Door.get` does."""
        return await (await self._opened()).get(url, headers)

    async def robots(self, place: str) -> Answer:
        """Fetch a robots.txt. Raises as `Door.robots` does."""
        return await (await self._opened()).robots(place)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send JSON to one address. Raises as `Door.post` does."""
        return await (await self._opened()).post(url, body, headers)

    async def _opened(self) -> Door:
        async with self._opening:
            if self._door is None:
                self._door = await asyncio.to_thread(self._make)  # its imports would hold up whoever is served
            return self._door
