"""A lock that is given in the order of asking."""

from __future__ import annotations

import threading
from collections import deque


class Line:
    """Those who wait have their turn in the order in which they came. May be left by another thread than came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    def come(self, seconds: float) -> bool:
        """Wait for the turn, so many seconds at most; whether it has come."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(seconds):
            return True
        with self._lock:
            if turn.is_set():  # it came at the last moment
                return True
            self._waiting.remove(turn)
        return False

    def leave(self) -> None:
        """Let the next one in."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
