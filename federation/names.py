"""Names of hosts into addresses, in threads of their own: one that hangs in the resolver holds up nobody else's work.

The system's resolver cannot be told to stop. Whoever waits for it goes on after his time; its thread is busy until it
has ended, with so many at most at a time, and never holds up the end of the process.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue

MOST_THREADS = 256
"""A look-up that hangs outlives the visit that asked: there is room for those of several rounds of visits."""
_Work = SimpleQueue[Callable[[], None] | None]


class Resolver:
    """Looks names up, each in a thread. Close it after, and its threads end when they have nothing more to do."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(MOST_THREADS)
        self._work: _Work = SimpleQueue()
        self._threads = self._idle = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        """All addresses of a name, in the resolver's order. Raises what that does; `OSError` where no thread is had."""
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def ended(done: Callable[[], None]) -> None:
            self._idle += 1
            self._room.release()
            if not found.done():  # somebody still waits
                done()

        def run() -> None:
            done: Callable[[], None]
            try:
                done = partial(found.set_result, look_up(host, port))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the asker's
                done = partial(found.set_exception, error)
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(ended, done)

        try:
            self._give(run)
        except RuntimeError as error:
            self._room.release()
            raise OSError("this server can start no thread to look it up in") from error
        return await found

    def _give(self, run: Callable[[], None]) -> None:
        if self._idle:
            self._idle -= 1
        else:  # before there is work for it: where none can be started, none is left behind
            threading.Thread(target=_serve, args=(self._work,), name="resolver", daemon=True).start()
            self._threads += 1
        self._work.put(run)

    def close(self) -> None:
        """Let the threads end."""
        for _ in range(self._threads):
            self._work.put(None)
        self._threads = self._idle = 0


def _serve(work: _Work) -> None:
    while (run := work.get()) is not None:
        run()


def look_up(host: str, port: int) -> list[str]:
    """All addresses of a name, once the resolver has answered."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))
