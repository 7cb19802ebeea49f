"""Walk one feed from a cursor and yield its pages, each held to the rules of a page. No SQL, no network of its own.

"Ended" and "broke off" are told apart: the last page yielded is the end (no items, `next` is itself), or the budget
of the visit is spent; anything else that stops is raised.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

from federation.parcels import Waits
from federation.seam import Answer, Get
from schema.change import LARGE_PAGE, Page, check_page
from schema.errors import Refused

BUDGET = 2_000
EMPTY_PAGES = 20
_NUMBER = re.compile(r"[?&]afterChangeNumber=([0-9]{1,16})(?:&|$)")


@dataclass(frozen=True, slots=True)
class Step:
    """One page of a walk. `etag` is the answer's own; `ms` how long it took; `same` a 304: nothing new."""

    page: Page
    etag: str | None
    ms: int
    same: bool = False


async def walk(
    get: Get,
    url: str,
    *,
    after: int = -1,
    budget: int = BUDGET,
    etag: str | None = None,
    headers: Mapping[str, str] | None = None,
    waits: Waits = nullcontext,
    empty: int = 0,
) -> AsyncGenerator[Step, None]:
    """Yield page after page from `url` until the end or the budget; the next is fetched while one is worked on.

    But for the page after a large one: that has the turn of the process until the next page is asked for, so that
    there are never two of those in memory. `waits` is entered around the wait for the turn.

    `after` is the change number already read: what comes must be above it; `empty` is how many pages without items came
    last. `etag` is that of the page at `url` when it was last read as the end. Raises what `get` raises, and `Refused`
    with the rule of the feed that was broken.
    """
    first = dict(headers or {}) | ({"If-None-Match": etag} if etag else {})
    track = _Track(after, empty)
    pending: asyncio.Future[Answer] | None = asyncio.ensure_future(get(url, first))
    try:
        for left in reversed(range(budget)):
            answer = await (pending or get(url, headers))
            pending = None  # it holds its answer
            async with answer.turn(waits):
                step = _step(answer, await answer.whole(), url)
                track.check(step.page)
                url, ended = step.page.next, step.page.ended
                if not ended and left and step.page.size <= LARGE_PAGE:
                    pending = asyncio.ensure_future(get(url, headers))
                del answer
                yield step
            if ended:
                return
            del step
    finally:
        if pending is not None:
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await pending


def _step(answer: Answer, body: bytes, url: str) -> Step:
    etag = answer.headers.get("etag")
    if answer.status == 304:
        return Step(Page(url, url, [], None, None, -1), etag, answer.ms, same=True)
    return Step(check_page(body, url), etag, answer.ms)


class _Track:
    """What is remembered between pages to see that a feed goes forward and not in circles."""

    def __init__(self, after: int, empty: int) -> None:
        self._last = after
        self._empty = empty
        self._seen: set[str] = set()

    def check(self, page: Page) -> None:
        """Raise `Refused` where the feed loops, rewinds, or has nothing to say for twenty pages."""
        if page.ended:
            return
        self._seen.add(page.url)
        if page.next in self._seen:
            raise Refused("next-advances", f"next is {page.next[:200]}, a page that was read already.", "/next")
        here, there = number_of(page.url), number_of(page.next)
        if here is not None and there is not None and there < here:
            raise Refused("next-advances", f"next goes back from {here} to {there}.", "/next")
        if page.items:
            self._check_numbers(page)
            self._empty = 0
            return
        self._empty += 1
        if self._empty >= EMPTY_PAGES:
            raise Refused("empty-pages", f"{EMPTY_PAGES} pages in a row are empty, and none is the end.", "/items")

    def _check_numbers(self, page: Page) -> None:
        if page.first_modified <= self._last:
            raise Refused(
                "items-ordered",
                f"modified is {page.first_modified}, yet {self._last} was read before; numbers rise through the feed.",
                "/items/0/modified",
            )
        self._last = page.last_modified


def number_of(url: str) -> int | None:
    """The change number in a page's URL, where it has one."""
    found = _NUMBER.search(url)
    return int(found[1]) if found else None
