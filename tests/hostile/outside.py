"""An outside world for a closed door: one public host that answers, and a record of every connection that is made."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpcore2
import pytest

from federation.fetch import Door

PUBLIC, GOOD = "8.8.8.8", "exa.example"
Respond = Callable[[str], bytes]


class _Stream(httpcore2.AsyncMockStream):
    """A connection to the public host: answers by the path that is asked for."""

    def __init__(self, respond: Respond) -> None:
        super().__init__([])
        self._respond = respond

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        head = buffer.decode("latin-1")
        if " HTTP/1.1" in head:
            self._buffer.append(self._respond(head.split(" ")[1]))

    async def start_tls(self, *_args: object, **_options: object) -> httpcore2.AsyncNetworkStream:
        return self


@dataclass
class Outside(httpcore2.AsyncNetworkBackend):
    """What the door connects through. `inward` maps names to what they resolve to; every other name is loopback."""

    respond: Respond = lambda _path: b""
    inward: dict[str, list[str]] = field(default_factory=dict)
    connected: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)

    async def connect_tcp(self, host: str, *_args: object, **_options: object) -> httpcore2.AsyncNetworkStream:
        self.connected.append(host)
        if host != PUBLIC:
            raise httpcore2.ConnectError
        return _Stream(self.respond)

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)

    async def resolve(self, host: str, _port: int) -> list[str]:
        """What a resolver says: the good name is public, an address itself, and all else points inward."""
        self.looked_up.append(host)
        if host == GOOD:
            return [PUBLIC]
        try:
            return self.inward.get(host) or [str(ipaddress.ip_address(host))]
        except ValueError:
            return ["127.0.0.1"]

    def door(self, **options: Any) -> Door:
        """The real door, closed as it is for the open internet, with this world behind it."""
        made = Door(user_agent="folkmoot/test", gap=0.0, resolve=self.resolve, **options)
        made._transport._pool._network_backend._inner = self  # type: ignore[attr-defined]
        return made


@contextmanager
def no_sockets(patch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Note every connection that Python's own sockets make."""
    made: list[Any] = []

    def note(_self: socket.socket, address: Any) -> int:
        made.append(address)
        raise ConnectionRefusedError(address)

    with patch.context() as here:
        here.setattr(socket.socket, "connect", note)
        here.setattr(socket.socket, "connect_ex", note)
        yield made
