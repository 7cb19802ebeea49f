"""The guard of the suite: no test opens a connection to anything but this machine.

It watches Python's own sockets (asyncio's and httpx2's among them): addresses, and names to be looked up.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import pytest


class BeyondLoopback(RuntimeError):
    """A test tried to leave the machine. No OSError, so that no code takes it for a network that is down."""


def is_local(host: object) -> bool:
    """Tell whether a host of a socket address is this machine (loopback, or any address to listen on)."""
    if host is None:
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    if text in {"", "localhost", socket.gethostname()} or text.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _is_numeric(host: object) -> bool:
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def install(patch: pytest.MonkeyPatch) -> None:
    """Put the guard before `connect`, `connect_ex`, `sendto` and the look-up of names."""
    for name in ("connect", "connect_ex", "sendto"):
        patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    look_up = socket.getaddrinfo

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not (is_local(host) or _is_numeric(host)):
            raise BeyondLoopback(f"a test looked up the name {host!r}; tests stay on this machine")
        return look_up(host, *args, **kwargs)

    patch.setattr(socket, "getaddrinfo", guarded_look_up)


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1]
        if self.family in {socket.AF_INET, socket.AF_INET6} and not is_local(address[0]):
            raise BeyondLoopback(f"a test opened a connection to {address!r}; tests stay on this machine")
        return method(self, *args)

    return guarded
