"""Bodies that are too large to lie about: packed as they were sent, in a file, until it is their turn (0024).

A body of a few hundred kilobytes stays in memory. What is longer goes to a file without a name while it comes, so that
a server which drips costs no memory; what is more than `LARGE_PAGE` when it is unpacked stays there until it is opened.
One at a time is open in a process: whoever opens it holds the turn until the records in it are written.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO
from weakref import finalize

from federation.answers import JSON, MAX_DECODED, Wanted, gunzip, pieces
from federation.memory import trim
from schema.change import LARGE_PAGE
from schema.errors import Later

KEPT = 256 * 1024
"""Bytes as sent that stay in memory: more than a page of 500 ordinary records has as gzip."""
_IN_THREAD = 64 * 1024
_Raw = IO[bytes]
Waits = Callable[[], AbstractAsyncContextManager[None]]


class Parcel:
    """A large body as it was sent, and how long it is unpacked. `turn` is shared by all of a process."""

    def __init__(self, url: str, raw: _Raw, turn: asyncio.Lock, size: int, *, packed: bool) -> None:
        self._url, self._raw, self._turn, self._packed = url, raw, turn, packed
        self.size = size
        finalize(self, raw.close)

    @asynccontextmanager
    async def turn(self, waits: Waits = nullcontext) -> AsyncIterator[None]:
        """Have the turn to be open; `waits` is entered around the wait for it."""
        async with waits():
            await self._turn.acquire()
        try:
            await asyncio.to_thread(trim)  # what the last one left
            yield
        finally:
            self._turn.release()

    async def whole(self) -> bytes:
        """All of it, unpacked: it was held to the rules when it came."""
        return await asyncio.to_thread(self._open)

    def _open(self) -> bytes:
        if not self._packed:
            return _read(self._raw)
        body, _size = _gunzip(self._url, self._raw, MAX_DECODED)
        return body or b""


def _read(raw: _Raw) -> bytes:
    raw.seek(0)
    return raw.read()


def _gunzip(url: str, raw: _Raw, keep: int) -> tuple[bytes | None, int]:
    size = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    return gunzip(url, iter(partial(raw.read, _IN_THREAD), b""), size, keep=keep)


class Parcels:
    """Where the bodies of one process come in. `folder` is for its files; None is the system's own."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._turn = asyncio.Lock()

    async def receive(
        self, url: str, chunks: AsyncIterator[bytes], wanted: Wanted = JSON, *, packed: bool = False
    ) -> bytes | Parcel:
        """Read a body: unpacked where it is small, else as a parcel. Raises what reading it does, and `Refused`."""
        raw, size = await self._raw(url, chunks, wanted)
        body: bytes | None = None
        try:
            if packed and size < _IN_THREAD:
                body, size = _gunzip(url, raw, LARGE_PAGE)
            elif packed:
                body, size = await asyncio.to_thread(_gunzip, url, raw, LARGE_PAGE)
            elif size <= LARGE_PAGE:
                body = _read(raw)
        except BaseException:
            raw.close()
            raise
        if body is None:
            return Parcel(url, raw, self._turn, size, packed=packed)
        raw.close()
        return body

    async def _raw(self, url: str, chunks: AsyncIterator[bytes], wanted: Wanted) -> tuple[_Raw, int]:
        raw: _Raw = io.BytesIO()
        size = 0
        try:
            async for piece in pieces(url, chunks, wanted):
                if size <= KEPT < size + len(piece):
                    raw = self._filed(raw)
                size += raw.write(piece)
        except BaseException as error:
            raw.close()
            if isinstance(error, OSError):
                raise Later(f"{url} is large, and there is no room for it here: {error.strerror}.") from error
            raise
        return raw, size

    def _filed(self, raw: _Raw) -> _Raw:
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - it outlives this
        file.write(_read(raw))
        return file
