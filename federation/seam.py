"""The seam between crawling and the network, one method wide: `await get(url, headers)` gives an `Answer`.

The application hands in `fetch.Door.get`; tests hand in a dictionary of pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node answered: 200 with a body, or 304 without. Header names are in lower case; `ms` is milliseconds."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    ms: int = 0


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
