"""Lists as files: each is written once for all who ask for it, and sent to each at the client's own pace.

To put a long table together costs more than all else that a request can ask for, and none of it can be sent before the
last record was read: the columns are known then. So a hundred who want the same wait for one file, and who wants
another waits for its turn; neither has a thread or a session meanwhile, nor while a client does not read.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryFile
from typing import IO

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from federation import lists
from federation.database import Database
from federation.lists import item_json

AT_ONCE = 2
"""How many files a process writes at a time: more would end no sooner, and keep all else waiting."""
_BLOCK, _ROWS = 65_536, 250


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Written:
    """What a download consists of. The file has no name in any folder, so that nothing of it is left when it is closed.

    It is read without a position of its own: many read it at once. It is closed with this at the latest: a server that
    ends while it is written has nobody left to take it.
    """

    file: IO[bytes]
    headers: Mapping[str, str]

    async def blocks(self) -> AsyncIterator[bytes]:
        """All of it, with a thread for as long as a block takes to read."""
        sent = 0
        while block := await run_in_threadpool(os.pread, self.file.fileno(), _BLOCK, sent):
            yield block
            sent += len(block)


def write(parts: Iterable[bytes], headers: Mapping[str, str]) -> Written:
    """Write a file. Whatever the parts raise is raised, and then there is no file."""
    with ExitStack() as if_it_fails:
        file = if_it_fails.enter_context(TemporaryFile())
        file.writelines(parts)
        file.flush()
        if_it_fails.pop_all()
    written = Written(file, headers)
    weakref.finalize(written, file.close)
    return written


@dataclass(slots=True)
class _Shared:
    task: asyncio.Task[Written]
    users: int = 0


class Downloads:
    """The files that are being written or sent, by what they are. Of one event loop."""

    def __init__(self) -> None:
        self._shared: dict[str, _Shared] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def held(self, key: str, make: Callable[[], Written]) -> AsyncIterator[Written]:
        """Hold the file of this key: the one that others hold, or what `make` gives. The last to let go closes it.

        A client that goes away takes nothing from the others; what `make` raises is raised for all who wait.
        """
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = _Shared(asyncio.create_task(self._in_turn(make)))
        shared.users += 1
        try:
            yield await asyncio.shield(shared.task)
        finally:
            shared.users -= 1
            if not shared.users:
                del self._shared[key]
                shared.task.add_done_callback(_close)  # all may have gone before it is written

    async def _in_turn(self, make: Callable[[], Written]) -> Written:
        async with self._turns:
            return await run_in_threadpool(make)


def _close(task: asyncio.Task[Written]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().file.close()


class Download(Response):
    """Answers with a file that is written when this is sent. What goes wrong before its first byte is told as ever."""

    def __init__(self, downloads: Downloads, key: str, make: Callable[[], Written], media_type: str) -> None:
        super().__init__(media_type=media_type)
        self._hold = partial(downloads.held, key, make)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the file, and send it."""
        async with self._hold() as written:
            response = StreamingResponse(written.blocks(), headers=written.headers, media_type=self.media_type)
            await response(scope, receive, send)


def lines(database: Database, rows: Sequence[int]) -> Iterator[bytes]:
    """The items of a list as JSON. No session is held while they are sent: who reads slowly must not keep one."""
    for start in range(0, len(rows), _ROWS):
        with database.read() as session:
            items = [item_json(item) for item in lists.held(session, rows[start : start + _ROWS])]
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
