"""Costly work of one engine on few threads, with a time after which nobody waits for it.

A call of the engine cannot be broken off. So what may cost much runs here: its caller is told `Busy` when the budget is
spent, what was not begun is never begun, and what runs on holds one of these threads and no other. What is cheap does
not come here: it runs in its caller's own thread, whatever goes on in the lane.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as OutOfTime
from typing import Any

from federation.index import Slow, hurried
from schema.errors import Busy

BUDGET = 2.0
"""Seconds that a query may take (protocol: 503 beyond)."""
THREADS = 2 + (os.cpu_count() or 1)
CHEAP = 200_000
"""Postings that are visited in a few milliseconds: such a query need not leave its thread."""


class Lane:
    """Threads for what may be slow. They start when they are first needed and end with `close`."""

    def __init__(self, budget: float = BUDGET, threads: int = THREADS, cheap: int = CHEAP) -> None:
        self.budget = budget
        self.cheap = cheap
        self._lock = threading.Lock()
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None

    def run(self, calls: Sequence[Callable[[], Any]], cost: int) -> list[Any]:
        """Give what these calls return. The costly are made side by side. Raises `Busy` when the budget is spent.

        Raises `Slow` where they are costly and others wait for this thread.
        """
        if cost <= self.cheap:
            return [call() for call in calls]
        if hurried.get():
            raise Slow
        until = time.monotonic() + self.budget
        begun: list[Future[Any]] = [self._opened().submit(call) for call in calls]
        try:
            return [one.result(max(0.0, until - time.monotonic())) for one in begun]
        except OutOfTime:
            raise self._over(waited=not any(one.running() or one.done() for one in begun)) from None
        finally:
            for one in begun:
                one.cancel()

    def close(self) -> None:
        """Begin nothing more; what runs ends by itself."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _opened(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="search")
            return self._pool

    def _over(self, *, waited: bool) -> Busy:
        if waited:
            return Busy("Other costly queries are running, and this one would be costly too. Try again in a moment.")
        return Busy(
            f"The query costs more than {self.budget:g} seconds, which is what a query may take here. Ask for fewer "
            "words, rarer words, fewer phrases or fewer facets."
        )
