"""How long a client may take: to say what it wants, to send a body, to read the answer.

uvicorn waits for ever for a header, a body or a reader. The protocol here notes when each began, looks once a second,
and cuts off a client that is slower than anybody's network. So who reads or writes slowly holds a connection for a
bounded time, and never a thread: bodies are read before a thread is taken, and a file in blocks.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = structlog.get_logger("folkmoot.patience")
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds to wait in any case, and bytes a second that earn more: for a header, a body, the reading of an answer.

    `look` is the time between two looks.
    """

    header: float = 10.0
    body: float = 20.0
    body_rate: float = 2_000.0
    answer: float = 30.0
    answer_rate: float = 4_000.0
    look: float = 1.0


class Counting:
    """A transport that knows how much it was given to send."""

    __slots__ = ("_transport", "given", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.given = 0
        self.is_closing = transport.is_closing
        send = transport.write

        def write(data: bytes) -> None:
            self.given += len(data)
            send(data)

        self.write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Patient(HttpToolsProtocol):
    """uvicorn's protocol, with an end to its patience."""

    bounds: ClassVar[Bounds] = Bounds()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a header."""
        counting: Any = Counting(transport)
        super().connection_made(counting)
        self.since: float | None = time.monotonic()
        self.taken = 0
        self.unread_since: float | None = None
        self.read_before = 0
        self.looking = self.loop.call_later(self.bounds.look, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        self.looking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note when a request began."""
        self.taken += len(data)
        if self.since is None:
            self.since, self.taken = time.monotonic(), len(data)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Count from here on what the body brings."""
        self.since, self.taken = time.monotonic(), 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for nothing any more: the request is whole."""
        self.since = None
        super().on_message_complete()

    def _look(self) -> None:
        why = self._overdue(time.monotonic())
        if why:
            log.warning("client too slow", at=why, client=str(self.client and self.client[0]))
            # Reset and not ended: the kernel would go on holding what is not read, for minutes.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
        else:
            self.looking = self.loop.call_later(self.bounds.look, self._look)

    def _overdue(self, now: float) -> str:
        """What this client is too slow at; "" where it is not."""
        if self.since is not None and not self.flow.read_paused:
            waited = now - self.since
            if self._in_body():
                if waited > self.bounds.body + self.taken / self.bounds.body_rate:
                    return "body"
            elif waited > self.bounds.header:
                return "header"
        return "answer" if self._unread(now) else ""

    def _in_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete

    def _unread(self, now: float) -> bool:
        """Whether what was sent has waited too long for its reader, for how much of it was read meanwhile."""
        transport: Any = self.transport
        waiting = transport.get_write_buffer_size()
        read = transport.given - waiting
        if not waiting:
            self.unread_since = None
        elif self.unread_since is None:
            self.unread_since, self.read_before = now, read
        else:
            earned = (read - self.read_before) / self.bounds.answer_rate
            return bool(now - self.unread_since > self.bounds.answer + earned)
        return False
