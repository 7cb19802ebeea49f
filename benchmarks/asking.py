"""One keep-alive connection that asks again and again, and how long each answer took."""

from __future__ import annotations

import http.client
import time
from types import TracebackType
from typing import Any, Self

import orjson

from benchmarks.processes import Failed

IDLE = 2.0
"""Seconds after which a server may have hung up on us: the line is opened anew, and that is not timed."""


class Line:
    """A connection to a server of this machine; the same for us and for a peer."""

    def __init__(self, port: int) -> None:
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._last = 0.0

    def ask(self, path: str) -> tuple[float, bytes]:
        """Give milliseconds and the body. Raises `Failed` for anything but 200."""
        if time.monotonic() - self._last > IDLE:
            self._line.close()
            self._line.connect()
        began = time.perf_counter()
        self._line.request("GET", path)
        answer = self._line.getresponse()
        body = answer.read()
        ms = (time.perf_counter() - began) * 1_000
        self._last = time.monotonic()
        if answer.status != 200:
            raise Failed(f"{path} answered {answer.status}: {body[:300]!r}")
        return ms, body

    def json(self, path: str) -> dict[str, Any]:
        """Give the answer, read."""
        found: dict[str, Any] = orjson.loads(self.ask(path)[1])
        return found

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.close()
