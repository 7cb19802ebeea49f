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

MOST_THREADS = 64
_Work = SimpleQueue[Callable[[], None] | None]


class Resolver:
    """Looks names up, `at_once` at a time. Close it after, and its threads end when they have nothing more to do."""

    def __init__(self, at_once: int = MOST_THREADS) -> None:
        self._room = asyncio.Semaphore(min(at_once, MOST_THREADS))
        self._work: _Work = SimpleQueue()
        self._threads = self._idle = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        """All addresses of a name, in the resolver's order. Raises what the resolver does."""
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

        self._give(run)
        return await found

    def _give(self, run: Callable[[], None]) -> None:
        self._work.put(run)
        if self._idle:
            self._idle -= 1
        else:
            self._threads += 1
            threading.Thread(target=_serve, args=(self._work,), name="resolver", daemon=True).start()

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
