"""How far an answer was read: what was given to send, less what waits here, less what the kernel still holds."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from typing import Any


def unsent(number: int) -> int:
    """Bytes that the kernel holds of a connection, until the other side has them; 0 where the system does not tell.

    It takes up to some megabytes, and gives room in jumps of a third: who reads is long not seen to by what it takes.
    """
    if sys.platform != "linux" or number < 0:
        return 0
    held = fcntl.ioctl(number, termios.TIOCOUTQ, b"\0\0\0\0")  # for a socket: SIOCOUTQ, by another name
    return int.from_bytes(held, sys.byteorder)


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


class Reader:
    """Who reads the answers of a connection: since when something waits for it, and how much it had read by then."""

    __slots__ = ("_before", "_transport", "since")

    def __init__(self, transport: Counting) -> None:
        self._transport = transport
        self.since: float | None = None
        self._before = 0

    def waiting(self) -> int:
        """Bytes that were sent and not yet read; a look may be a second old, and know of some that were read since."""
        return int(self._transport.get_write_buffer_size())

    def is_late(self, now: float, patience: float, rate: float) -> bool:
        """Look whether what was sent has waited for longer than `patience`, and than what was read meanwhile earns."""
        waiting = self.waiting()
        if not waiting:
            self.since = None
            return False
        read = self._transport.given - waiting - unsent(self._transport.get_extra_info("socket").fileno())
        if self.since is None:
            self.since, self._before = now, read
            return False
        return bool(now - self.since > patience + (read - self._before) / rate)
