"""Pages of the feed as they are sent: made in a thread, once for all who wait, and kept while they are true.

A page is true while the log stands still. When it has moved, a page on which no more goes is still true if its stretch
of the log still holds as many records (`federation.pulse.count`), which costs a hundredth of making it anew.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import NamedTuple

import structlog
from starlette.types import Scope

from api.etags import tag, unchanged
from api.flights import Flights
from api.middleware import Quick
from api.negotiation import JSON, Coding, coding, preferred
from api.services import Services
from api.threads import in_few
from federation import log as changes
from federation.answers import MAX_RATIO, RATIO_FLOOR
from federation.glance import Glance, glance
from federation.memory import aside
from federation.pulse import Pulse, Standing, count
from federation.tail import MOST_BYTES, Tail, follow
from schema.change import MAX_NUMBER
from schema.errors import FolkmootError

log = structlog.get_logger("folkmoot.feed")
PATH = "/v1/changes"
CACHE_BYTES = 64 * 1024 * 1024
AROUND = 2_000
"""Bytes that a page takes beside its body."""
AT_ONCE = 64 * 1024
"""Bytes of a page that is put together in the event loop: for more than that others would wait."""
GZIP_LEVEL, ZSTD_LEVEL = 6, 3
_SUFFIX: Mapping[Coding, tuple[str, ...]] = {"": (), "gzip": ("gz",), "zstd": ("zst",)}
_PLAIN_QUERY = re.compile(
    rb"(?:afterChangeNumber=(0|[1-9][0-9]{0,15})(?:&kind=([a-z][a-z-]{0,39}))?|kind=([a-z][a-z-]{0,39}))?"
)
_LONG = 200
"""Bytes of a header or a query above which nobody has said something plain."""

Headers = Sequence[tuple[bytes, bytes]]


class Key(NamedTuple):
    """Which page, in which coding."""

    number: int
    kind: str | None
    coding: Coding


@dataclass(frozen=True, slots=True)
class Kept:
    """A page as it is sent in one coding, with the standing of the log for which it is known to be true.

    `last` is the change number that it leads to, `count` how many items it has; `full` where no more goes on it.
    `short` are the headers of a 304.
    """

    standing: Standing
    body: bytes | memoryview
    etag: str
    headers: Headers
    short: Headers
    last: int
    count: int
    full: bool

    def quick(self, if_none_match: str | None) -> Quick:
        """The answer to somebody who may hold this page already."""
        if unchanged(if_none_match, self.etag):
            return Quick(PATH, 304, self.short, b"")
        return Quick(PATH, 200, self.headers, self.body)


class PageCache:
    """Pages by what was asked, within a bound of memory, the least recently used dropped first. Of one event loop.

    A page on which more would go is true for one standing of the log alone: with the next it is dropped. Where changes
    keep coming each reader of the feed's end is given another one, and they would fill the cache.
    """

    def __init__(self, capacity: int = CACHE_BYTES) -> None:
        self._pages: OrderedDict[Key, Kept] = OrderedDict()
        self._passing: set[Key] = set()
        self._standing: Standing | None = None
        self._capacity = capacity
        self.size = 0

    def get(self, key: Key) -> Kept | None:
        """The page, of whatever standing."""
        page = self._pages.get(key)
        if page is not None:
            self._pages.move_to_end(key)
        return page

    def put(self, key: Key, page: Kept) -> None:
        """Keep a page in the place of an older one, and drop others until all fit."""
        if self._standing is not None and page.standing.turn < self._standing.turn:
            return  # it was long in the making, and the log has moved on
        if page.standing is not self._standing:
            self._standing = page.standing
            for passed in list(self._passing):
                self._drop(passed)
        self._drop(key)
        self._pages[key] = page
        self.size += len(page.body) + AROUND
        if not page.full:
            self._passing.add(key)
        while self.size > self._capacity and self._pages:
            self._drop(next(iter(self._pages)))

    def _drop(self, key: Key) -> None:
        page = self._pages.pop(key, None)
        self._passing.discard(key)
        self.size -= len(page.body) + AROUND if page else 0


class FeedPages:
    """The feed of one server, page by page."""

    def __init__(self, here: Services, cache: PageCache) -> None:
        self._here = here
        self._pulse = Pulse(here.database)
        self._cache = cache
        self._flights = Flights()
        self._tail: Tail | None = None
        self._following = threading.Lock()
        self._asking: asyncio.Task[Standing] | None = None

    async def quick(self, scope: Scope) -> Quick | None:
        """Answer a plain request for a page, past all that the framework has around a route; None for any other.

        `scope` is that of a GET or HEAD. What this does not answer the route does, errors among it, but for those of
        the database, which it raises.
        """
        if scope["path"] != PATH or len(scope["query_string"]) > _LONG:
            return None
        asked, heard = _plain(scope["query_string"]), _heard(scope["headers"])
        if asked is None or heard is None:
            return None
        if self._pulse.known() is not None:
            self._ask_again()
        try:
            return (await self.page(Key(*asked, heard[0]))).quick(heard[1])
        except FolkmootError:
            return None

    async def close(self) -> None:
        """Wait for a question that is under way, so that nothing is left at the database."""
        if self._asking is not None:
            await asyncio.wait([self._asking])

    async def _ask(self) -> Standing:
        # Who comes after a write of this process does not wait for a question that was put before it.
        return await self._flights.once(self._here.database.writes, partial(in_few, self._here.database, self._look))

    def _look(self) -> Standing:
        standing = self._pulse.ask()
        if self._tail is not None:  # who waits for the standing asks after the end of the log, most likely
            self._follow(standing)
        return standing

    def _ask_again(self) -> None:
        """Ask beside what is answered: while there are requests the standing is known, and none waits for it."""
        if self._asking is None and self._pulse.due:
            self._asking = asyncio.get_running_loop().create_task(self._ask())
            self._asking.add_done_callback(self._asked_again)

    def _asked_again(self, task: asyncio.Task[Standing]) -> None:
        self._asking = None
        if not task.cancelled() and task.exception() is not None:
            log.warning("where the log stands is not known", error=str(task.exception()))

    async def page(self, key: Key) -> Kept:
        """The page as the log stands now. Raises `Misconfigured` before the first publication."""
        standing = self._pulse.known() or await self._ask()
        page = self._cache.get(key)
        if page is not None and page.standing is standing:
            return page
        if not key.coding and (found := self._of_tail(key, standing, AT_ONCE)) is not None:
            made = _packed(found, key.coding, standing)
            self._cache.put(key, made)
            return made

        async def make() -> Kept:
            made = await in_few(self._here.database, partial(self._make, key, standing, page))
            if key.number <= standing.latest:  # what comes after a number not yet given is not known for a moment
                self._cache.put(key, made)
            return made

        return await self._flights.once((key, standing), make)

    def _make(self, key: Key, standing: Standing, old: Kept | None) -> Kept:
        tail = self._tail
        if tail is None or tail.start <= key.number <= standing.latest:
            self._follow(standing)
            if (made := self._of_tail(key, standing)) is not None:
                return _packed(made, key.coding, standing)
        # `standing` was asked for before the page is read: should a change land between the two, the page is newer
        # than it says, and the next reader looks again. The other way round an old page would be kept as a new one.
        with glance(self._here.database) as rows:
            if old is not None and _still_true(rows, key, standing, old):
                return replace(old, standing=standing)
            made = changes.page(
                rows,
                key.number,
                public_url=self._here.public_url,
                epoch=standing.epoch,
                license_url=self._here.license,
                kind=key.kind,
            )
        return _packed(made, key.coding, standing)

    def _of_tail(self, key: Key, standing: Standing, most: int = MOST_BYTES) -> changes.FeedPage | None:
        """The page, where it begins near the log's end and has no more than so many bytes of items."""
        tail = self._tail
        if tail is None or not tail.holds(standing, key.number):
            return None
        items = [(piece.number, piece.item) for piece in tail.after(key.number, key.kind)]
        if sum(len(item) for _, item in items) > most:
            return None
        asked = changes.Asked(key.number, key.kind, self._here.public_url, standing.epoch, self._here.license)
        return changes.page_of(asked, items, standing.latest)

    def _follow(self, standing: Standing) -> None:
        with self._following:
            if self._tail is None or self._tail.standing.turn < standing.turn:
                with glance(self._here.database) as rows:
                    self._tail = follow(rows, standing, self._tail)


def _still_true(rows: Glance, key: Key, standing: Standing, old: Kept) -> bool:
    if not old.full or old.standing.epoch != standing.epoch:
        return False
    return count(rows, key.number, old.last, key.kind) == old.count


def _packed(made: changes.FeedPage, packing: Coding, standing: Standing) -> Kept:
    body, packing = _coded(made.body, packing)
    etag = tag(made.body, *_SUFFIX[packing])
    short = [
        (b"etag", etag.encode()),
        (b"cache-control", b"public, max-age=8" if made.ended else b"public, max-age=3600"),
        (b"vary", b"Accept-Encoding"),
    ]
    headers = [*short, (b"content-type", JSON.encode()), (b"content-length", str(len(body)).encode())]
    if packing:
        headers.append((b"content-encoding", packing.encode()))
    return Kept(standing, aside(body), etag, headers, short, made.last, made.count, made.full)


def _coded(body: bytes, packing: Coding) -> tuple[bytes, Coding]:
    """A page in the coding that is wanted; plain where it would swell so much that readers take it for a bomb."""
    packed = body
    if packing == "gzip":
        packed = gzip.compress(body, GZIP_LEVEL, mtime=0)  # the same page gives the same bytes, whenever it was packed
    elif packing == "zstd":
        from backports import zstd  # noqa: PLC0415 - few clients ask for it

        packed = zstd.compress(body, level=ZSTD_LEVEL)
    swells = len(body) > max(RATIO_FLOOR, MAX_RATIO * len(packed))
    return (body, "") if swells else (packed, packing)


@lru_cache(maxsize=4096)
def _plain(query: bytes) -> tuple[int, str | None] | None:
    """The number and the kind that a query names in canonical words; None where it says anything else."""
    found = _PLAIN_QUERY.fullmatch(query)
    if found is None:
        return None
    number, kind = int(found[1] or 0), found[2] or found[3]
    return (number, kind.decode() if kind else None) if number <= MAX_NUMBER else None


def _heard(headers: Headers) -> tuple[Coding, str | None] | None:
    """The coding that is wanted and the tags that are held; None where a header is repeated, long or refuses JSON."""
    told: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in (b"accept", b"accept-encoding", b"if-none-match"):
            if name in told or len(value) > _LONG:
                return None
            told[name] = value
    if not _takes_json(told.get(b"accept", b"")):
        return None
    held = told.get(b"if-none-match")
    return _coding(told.get(b"accept-encoding", b"")), held.decode("latin-1") if held else None


@lru_cache(maxsize=256)
def _takes_json(accept: bytes) -> bool:
    return preferred(accept.decode("latin-1"), [JSON]) is not None


@lru_cache(maxsize=256)
def _coding(accept_encoding: bytes) -> Coding:
    return coding(accept_encoding.decode("latin-1"))
