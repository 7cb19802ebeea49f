"""The seam between crawling and the network, one method wide: `await get(url, headers)` gives an `Answer`.

The application hands in `fetch.Door.get`; tests hand in a dictionary of pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from federation.parcels import Parcel, Waits
from schema.errors import Refused
from schema.manifest import MAX_MANIFEST


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node answered: 200 with a body, or 304 without. Header names are in lower case; `ms` is milliseconds.

    A large body is a parcel, which is opened in its turn (`whole`, `turn`); what is no page is small.
    """

    status: int
    body: bytes | Parcel
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    ms: int = 0

    async def small(self) -> bytes:
        """The body of what is no page of a feed. Raises `Refused` where it is larger than a manifest may be."""
        if isinstance(self.body, Parcel) and self.body.size > MAX_MANIFEST:
            raise Refused("page-bytes", f"{self.url} has more than {MAX_MANIFEST} bytes; only a page of a feed may.")
        return await self.whole()

    def turn(self, waits: Waits = nullcontext) -> AbstractAsyncContextManager[None]:
        """Have the turn to open the body, where it is large; `waits` is entered around the wait for it."""
        return self.body.turn(waits) if isinstance(self.body, Parcel) else nullcontext()

    async def whole(self) -> bytes:
        """The body, unpacked."""
        return await self.body.whole() if isinstance(self.body, Parcel) else self.body


permit: ContextVar[Callable[[str], object]] = ContextVar("permit", default=lambda _url: None)
"""What is asked before a redirect is followed; raises `Refused` where that is forbidden to us (`robots.Permits`)."""


class Get(Protocol):
    """Fetch one URL. Raises `Later`, `Refused` or `Vanished`; anything else is a fault of ours."""

    async def __call__(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Give the answer, its body decoded and within the caps."""
        ...


class Post(Protocol):
    """Send JSON to one URL. Raises `Later` or `Refused` where nothing was answered."""

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Give the answer's status and headers, whatever the status is."""
        ...
