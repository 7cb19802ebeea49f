"""What anybody may ask for and a worker does later: few note theirs down at a time, and each address has few that wait.

Whoever writes waits, in a thread of the server, until others have written; there are forty threads, and readers need
them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from schema.errors import Busy, Hurried

CHECKS, VISITS = 2, 8
"""How many may wait to note down a check, a visit."""


class Turns:
    """The few turns to wait for a write, of those who ask for `what`."""

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._few = threading.BoundedSemaphore(most)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Have a turn. Raises `Busy` where there is none left."""
        if not self._few.acquire(blocking=False):
            raise Busy(f"Others who ask for {self._what} wait to be noted down already. Try again in a moment.")
        try:
            yield
        finally:
            self._few.release()


class Askers:
    """Who asked for what waits here, by address: as few as may wait."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}
        self._noting: list[str] = []
        self._lock = threading.Lock()

    def known(self) -> set[str]:
        """What waited when last looked at. To be asked before the queue is read: what comes after that is not over."""
        with self._lock:
            return set(self._of)

    @contextmanager
    def one_more(self, who: str | None, most: int, seconds: int, *, over: Iterable[str]) -> Iterator[list[str]]:
        """Count one more of this address while it is noted down, and then under the name that is put into the list.

        `over` is done. Raises `Hurried`, for so many seconds, where `most` of theirs wait. Nobody (None) is uncounted.
        """
        named = list[str]()
        if who is None:
            yield named
            return
        with self._lock:
            for done in over:
                self._of.pop(done, None)
            if [*self._of.values(), *self._noting].count(who) >= most:
                told = f"{most} that were asked for from this address are not done yet. Ask again when one is."
                raise Hurried("address", seconds, told)
            self._noting.append(who)
        try:
            yield named
        finally:
            with self._lock:
                self._noting.remove(who)
                self._of |= dict.fromkeys(named, who)
