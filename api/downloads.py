"""Lists as files: each is written once for all who ask for it, and sent to each at the client's own pace.

To put a long table together costs more than all else that a request can ask for, and none of it can be sent before the
last record was read: the columns are known then. So a hundred who want the same wait for one file, and who wants
another waits for its turn; neither has a thread or a session meanwhile, nor while a client does not read.

What all this may take is bounded: so many files wait, so many of them for one client, and none that nobody waits for
any more is begun. A file lies on the disk for as long as somebody reads it, which a slow client may for hours; where
there are too many of them, or too large ones, what nobody has asked for for longest is given up, and who reads it is
cut off.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO, Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from federation import lists, outages
from federation.bulk import one_line
from federation.database import Database
from federation.lists import item_json
from schema.errors import Busy, Hurried

log = structlog.get_logger("folkmoot.downloads")
AT_ONCE = 2
"""How many files a process writes at a time: more would end no sooner, and keep all else waiting."""
MOST_WAITING = 20
"""How many files may wait for their turn: whoever asked for one more would have gone before it came."""
A_CLIENT = 4
"""How many of them one client may have asked for."""
A_WHILE = 5
"""Seconds after which a client that has asked for too many may ask again: one of them may be done."""
MOST_FILES, MOST_BYTES = 100, 2_000_000_000
"""How many files may be held for those who read them, and how large they may be together."""
GONE = 499
"""What the log says of a client that went away before its file was there; nobody else is told."""
_BLOCK, _ROWS = 65_536, 250
Who = Callable[[Scope], str | None]
"""By what a client is known; None for one that cannot be told from others."""


class _GivenUp(Exception):
    """The file makes room for others."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Written:
    """What a download consists of. The file has no name in any folder, so that nothing of it is left when it is closed.

    It is read without a position of its own: many read it at once. It is closed with this at the latest: a server that
    ends while it is written has nobody left to take it.
    """

    file: IO[bytes]
    headers: Mapping[str, str]
    size: int

    async def blocks(self) -> AsyncIterator[bytes]:
        """All of it, with a thread for as long as a block takes to read."""
        sent = 0
        while block := await run_in_threadpool(os.pread, self.file.fileno(), _BLOCK, sent):
            yield block
            sent += len(block)


def write(parts: Iterable[bytes], headers: Mapping[str, str]) -> Written:
    """Write a file. Whatever the parts raise is raised, and then there is no file; `Busy` where there is no room."""
    try:
        with ExitStack() as if_it_fails:
            file = if_it_fails.enter_context(TemporaryFile())
            file.writelines(parts)
            file.flush()
            if_it_fails.pop_all()
    except OSError as error:
        if not outages.is_full(error):
            raise
        log.warning("there is no room for a download", error=str(error))
        raise Busy("There is no room on this server to write this file at the moment. Try again later.") from error
    written = Written(file, headers, file.tell())
    weakref.finalize(written, file.close)
    return written


@dataclass(slots=True, eq=False)
class _Shared:
    """A file on its way, for all who want it. `client` is the first of them, `written` is there when it is."""

    client: str | None
    task: asyncio.Task[Written] = field(init=False)
    begun: bool = False
    written: Written | None = None
    given_up: bool = False
    users: int = 0

    async def blocks(self, written: Written) -> AsyncIterator[bytes]:
        """All of it. Raises `_GivenUp` where it is to make room."""
        async for block in written.blocks():
            if self.given_up:
                raise _GivenUp
            yield block


class Downloads:
    """The files that are being written or sent, by what they are. Of one event loop."""

    def __init__(self, who: Who = lambda _scope: None) -> None:
        self.who = who
        self._shared: dict[str, _Shared] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    @contextmanager
    def held(self, key: str, make: Callable[[], Written], client: str | None) -> Iterator[_Shared]:
        """Hold the file of this key: the one that others hold, or what `make` gives. The last to let go closes it.

        A client that goes away takes nothing from the others; what `make` raises is raised for all who wait. Raises
        `Hurried` where too many files of this client wait to be written, `Busy` where too many do in all.
        """
        shared = self._shared.pop(key, None) or self._asked(make, client)
        self._shared[key] = shared  # last, for it was asked for last
        shared.users += 1
        try:
            yield shared
        finally:
            shared.users -= 1
            if not shared.users:
                self._let_go(key, shared)

    def _asked(self, make: Callable[[], Written], client: str | None) -> _Shared:
        waiting = [one.client for one in self._shared.values() if not one.begun]
        if client is not None and waiting.count(client) >= A_CLIENT:
            told = f"{A_CLIENT} files that you asked for wait to be written already. Try again when one is done."
            raise Hurried("address", A_WHILE, told)
        if len(waiting) >= MOST_WAITING:
            raise Busy(f"{MOST_WAITING} files wait to be written already. Try again in a moment.")
        shared = _Shared(client)
        shared.task = asyncio.create_task(self._in_turn(shared, make))
        return shared

    async def _in_turn(self, shared: _Shared, make: Callable[[], Written]) -> Written:
        async with self._turns:
            shared.begun = True
            written = await run_in_threadpool(make)
        shared.written = written
        self._make_room(shared)
        return written

    def _make_room(self, newest: _Shared) -> None:
        """Give up the files that nobody has asked for for longest, until the others are not too many."""
        sizes = {key: one.written.size for key, one in self._shared.items() if one.written and one is not newest}
        total = sum(sizes.values()) + (newest.written.size if newest.written else 0)
        for number, (key, size) in enumerate(sizes.items()):
            if len(sizes) + 1 - number <= MOST_FILES and total <= MOST_BYTES:
                return
            self._shared.pop(key).given_up = True
            total -= size

    def _let_go(self, key: str, shared: _Shared) -> None:
        """Close a file that nobody wants any more; one that is not begun is never written."""
        if self._shared.get(key) is shared:  # else it was given up, and another of this key may be there
            del self._shared[key]
        if shared.begun:
            shared.task.add_done_callback(_close)  # all may have gone before it is written
        else:
            shared.task.cancel()


def _close(task: asyncio.Task[Written]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().file.close()


class Download(Response):
    """Answers with a file that is written when this is sent. What goes wrong before its first byte is told as ever."""

    def __init__(self, downloads: Downloads, key: str, make: Callable[[], Written], media_type: str) -> None:
        super().__init__(media_type=media_type)
        self._downloads, self._key, self._make = downloads, key, make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the file, and send it."""
        with self._downloads.held(self._key, self._make, self._downloads.who(scope)) as shared:
            if not await _done_before(shared.task, _left(receive)):
                await Response(status_code=GONE)(scope, receive, send)
                return
            written = shared.task.result()
            answer = StreamingResponse(shared.blocks(written), headers=written.headers, media_type=self.media_type)
            try:
                await answer(scope, receive, send)
            except _GivenUp:  # the answer stays without an end, so that nobody takes it for a whole one
                log.warning("a download was broken off to make room", bytes=written.size)


async def _done_before(work: asyncio.Task[Written], other: Coroutine[Any, Any, None]) -> bool:
    """Wait for the first of the two to be done. Whether that is the work; it goes on where it is not."""
    rival = asyncio.create_task(other)
    try:
        await asyncio.wait({work, rival}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        rival.cancel()
        await asyncio.wait({rival})  # what it read from belongs to the next who reads
    return work.done()


async def _left(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def lines(database: Database, rows: Sequence[int]) -> Iterator[bytes]:
    """The items of a list as JSON. No session is held while they are sent: who reads slowly must not keep one."""
    for start in range(0, len(rows), _ROWS):
        with database.read() as session:
            items = [one_line(item_json(item)) for item in lists.held(session, rows[start : start + _ROWS])]
        yield from items


def in_blocks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer parts."""
    block = bytearray()
    for part in parts:
        block += part
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)
