"""The suite's own guards, tested like the rest."""

from __future__ import annotations

import asyncio
import socket

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests import sockets

DOCUMENTATION_ADDRESS = "192.0.2.1"  # RFC 5737: never routed


def test_a_socket_beyond_loopback_is_refused() -> None:
    """No test reaches another machine, whichever of the socket's calls it uses."""
    with socket.socket() as tcp:
        with pytest.raises(sockets.BeyondLoopback):
            tcp.connect((DOCUMENTATION_ADDRESS, 80))
        with pytest.raises(sockets.BeyondLoopback):
            tcp.connect_ex((DOCUMENTATION_ADDRESS, 80))
    with socket.socket(type=socket.SOCK_DGRAM) as udp, pytest.raises(sockets.BeyondLoopback):
        udp.sendto(b"x", (DOCUMENTATION_ADDRESS, 53))


def test_a_name_is_not_looked_up() -> None:
    """No test asks a name server."""
    with pytest.raises(sockets.BeyondLoopback):
        socket.getaddrinfo("council.example", 443)


def test_asyncio_is_guarded_too() -> None:
    """The event loop's connections pass the same guard."""

    async def leave() -> None:
        await asyncio.open_connection(DOCUMENTATION_ADDRESS, 80)

    with pytest.raises(sockets.BeyondLoopback):
        asyncio.run(leave())


def test_loopback_is_open() -> None:
    """What runs on this machine can be reached by address and by name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("localhost", port)).close()
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("host", ["192.168.1.1", "10.0.0.1", "169.254.169.254", "::ffff:192.0.2.1", "fe80::1%eth0"])
def test_private_addresses_count_as_beyond(host: str) -> None:
    """A private network is not this machine."""
    assert not sockets.is_local(host)


def test_databases_are_fresh(empty_url: str) -> None:
    """Each test gets a database of its own with nothing in it."""
    if empty_url.startswith("sqlite"):
        from pathlib import Path

        assert not Path(str(make_url(empty_url).database)).exists()
        return
    plain = make_url(empty_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)
