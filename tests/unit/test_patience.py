"""How long a client may take, over real sockets and with little patience."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import uvicorn

from folkmoot.patience import Bounds, Patient

ANSWER = b"x" * 1_000_000
Address = tuple[str, int]


class Hasty(Patient):
    """The same protocol with less patience, so that the tests end."""

    bounds = Bounds(header=0.5, body=0.5, body_rate=1_000.0, answer=0.5, answer_rate=100_000.0, look=0.05)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read the whole body, then give a long answer."""
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
    length = [(b"content-length", str(len(ANSWER)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": ANSWER})


@pytest.fixture
def address() -> Iterator[Address]:
    """Yield the address of a running server."""
    config = uvicorn.Config(app, http=Hasty, ws="none", log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # else the kernel takes all of it itself
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield listening.getsockname()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def _connect(address: Address) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    made.settimeout(10)
    made.connect(address)
    return made


def _ended(one: socket.socket, seconds: float) -> bool:
    """Whether the server ends the connection within the time, without anybody reading from it."""
    poll = select.poll()
    poll.register(one, select.POLLERR | select.POLLHUP | select.POLLRDHUP)
    return bool(poll.poll(seconds * 1_000))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n384\r\n",
    ],
)
def test_who_drips_is_cut_off(address: Address, said: bytes) -> None:
    """A header or a body that comes a byte at a time ends after its bound."""
    with ExitStack() as held:
        crowd = [held.enter_context(_connect(address)) for _ in range(20)]
        for one in crowd:
            one.sendall(said)
        began, left = time.monotonic(), set(crowd)
        while left and time.monotonic() < began + 20:
            for one in list(left):
                try:
                    one.sendall(b"a")
                except OSError:
                    left.discard(one)
            time.sleep(0.05)
        assert not left


def test_who_says_nothing_and_does_not_drip_either_is_cut_off(address: Address) -> None:
    """A connection that brings no request ends."""
    with _connect(address) as one:
        assert _ended(one, 10)


def test_a_later_request_has_its_bound_too(address: Address) -> None:
    """Half a header after a whole request is waited for as long as the first."""
    with _connect(address) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        read = 0
        while read < len(ANSWER):
            read += len(one.recv(65_536))
        one.sendall(b"GET / HT")
        assert _ended(one, 10)


def test_who_does_not_read_is_cut_off(address: Address) -> None:
    """An answer that nobody reads is not kept."""
    with _connect(address) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert _ended(one, 10)


def test_who_is_slow_but_goes_on_reads_all_of_it(address: Address) -> None:
    """An answer takes as long as it takes where the reader keeps above the least rate."""
    began, read = time.monotonic(), 0
    with _connect(address) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while part := one.recv(10_000):
            read += len(part)
            time.sleep(len(part) / 500_000)
    assert read > len(ANSWER)
    assert time.monotonic() - began > 2 * Hasty.bounds.answer


def test_who_sends_slowly_but_enough_is_heard(address: Address) -> None:
    """A body may take longer than the bound where it keeps above the least rate."""
    began = time.monotonic()
    with _connect(address) as one:
        one.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6000\r\n\r\n")
        for _ in range(60):
            one.sendall(b" " * 100)
            time.sleep(0.02)
        assert one.recv(100).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - began > 2 * Hasty.bounds.body


def test_a_connection_that_is_kept_open_between_requests_is_not_cut_off(address: Address) -> None:
    """Between two requests the server's own keep-alive counts, not the bound of a header."""
    with _connect(address) as one:
        for _ in range(2):
            one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            read = 0
            while read < len(ANSWER):
                read += len(one.recv(65_536))
            time.sleep(2 * Hasty.bounds.header)
