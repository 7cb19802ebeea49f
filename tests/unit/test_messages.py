"""What is part of a request and what is not, over real sockets."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson
import pytest
import uvicorn

from folkmoot.patience import Bounds, Patient

CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Hasty(Patient):
    """The same protocol with less patience, so that the tests end."""

    bounds = Bounds(header=1.0, body=1.0, longest=3.0, answer=5.0, look=0.05)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the header fields and the length of the body: /early before it is read, /late after a while."""
    read, more = 0, scope["path"] != "/early"
    if scope["path"] == "/late":
        await asyncio.sleep(0.5)
    while more:
        message = await receive()
        read += len(message.get("body", b""))
        more = message.get("more_body", False)
    told = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    body = orjson.dumps({"path": scope["path"], "fields": told, "read": read})
    length = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port() -> Iterator[int]:
    """Yield the port of a running server."""
    config = uvicorn.Config(app, http=Hasty, ws="none", log_config=None, access_log=False, lifespan="off")
    config.timeout_keep_alive = 1
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _said(port: int, *parts: bytes) -> list[tuple[int, Any]]:
    """Say all of it; the status and the body of each answer, until the server closes."""
    whole = b""
    with _connect(port) as one:
        with suppress(ConnectionError):
            for part in parts:
                one.sendall(part)
                time.sleep(0.1)  # each comes by itself, and nothing is on its way when the server closes
        with suppress(ConnectionError):
            while part := one.recv(65_536):
                whole += part
    return [_answer(one) for one in re.split(rb"HTTP/1\.1 (?=\d)", whole)[1:]]


def _answer(said: bytes) -> tuple[int, Any]:
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head[:3]), orjson.loads(body)


def test_fields_behind_a_body_are_no_fields_of_the_request(port: int) -> None:
    """A trailer names neither an address nor a token, of this request or of the next."""
    trailer = b"0\r\nX-Forwarded-For: 198.51.100.1\r\nAuthorization: Bearer fmt_x\r\nExpect: 100-continue\r\n\r\n"
    next_one = b"GET /next HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n"
    (status, told), (status_next, told_next) = _said(port, CHUNKED + b"2\r\nab\r\n" + trailer + next_one)
    assert (status, status_next) == (200, 200)
    assert told["read"] == 2
    assert told["fields"] == [["host", "x"], ["transfer-encoding", "chunked"]]
    assert told_next["fields"] == [["host", "y"], ["connection", "close"]]


@pytest.mark.parametrize("trailer", [b"X-A: y\r\n" * 200, b"X-A: " + b"y" * 70_000 + b"\r\n"])
def test_fields_behind_a_body_are_counted(port: int, trailer: bytes) -> None:
    """Too many or too long fields are refused behind a body as before it."""
    assert [status for status, _ in _said(port, CHUNKED + b"2\r\nab\r\n0\r\n" + trailer + b"\r\n")] == [431]


def _until_ended(one: socket.socket, part: bytes) -> float:
    """Say a part again and again; the seconds until the server ends the connection."""
    began = time.monotonic()
    with suppress(OSError):
        while time.monotonic() < began + 15:
            one.sendall(part)
            time.sleep(0.05)
    return time.monotonic() - began


def test_what_a_chunk_says_of_itself_is_no_body(port: int) -> None:
    """An extension of a chunk that never ends earns no time, however much of it comes."""
    with _connect(port) as one:
        one.sendall(CHUNKED + b"1;")
        assert _until_ended(one, b"a" * 500) < 2.5


def test_what_a_chunk_says_of_itself_is_bounded(port: int) -> None:
    """An extension as long as no head may be is refused."""
    assert [status for status, _ in _said(port, CHUNKED + b"1;", b"a" * 65_536, b"a")] == [431]


def test_many_small_chunks_are_a_body(port: int) -> None:
    """What stands between two chunks is not summed up."""
    ((status, told),) = _said(port, CHUNKED, b"1;a=b\r\nx\r\n" * 20_000, b"0\r\n\r\n")
    assert (status, told["read"]) == (200, 20_000)


def test_no_body_lasts_for_ever(port: int) -> None:
    """A body that keeps above the least rate ends after the longest time."""
    with _connect(port) as one:
        one.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n")
        assert 2.5 < _until_ended(one, b"a" * 500) < 6


EARLY = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"


def test_who_was_answered_early_sends_on_and_is_heard_again(port: int) -> None:
    """A body whose answer is out has the time of a body; the answer is there at its end, the next one too."""
    began = time.monotonic()
    with _connect(port) as one:
        one.sendall(EARLY + b"a" * 12_000)  # what came early earns time, also for a machine that pauses
        for _ in range(48):
            one.sendall(b"a" * 1_000)
            time.sleep(0.033)
        assert time.monotonic() - began > 1.5 * Hasty.bounds.header
        assert one.recv(65_536).startswith(b"HTTP/1.1 200")
        one.sendall(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"/next" in one.recv(65_536)


def test_who_was_answered_early_is_kept_no_longer_than_others(port: int) -> None:
    """When the rest of a body has come after its answer, the connection waits for a next request as ever."""
    with _connect(port) as one:
        one.sendall(EARLY)
        assert one.recv(65_536).startswith(b"HTTP/1.1 200")
        one.sendall(b"a" * 60_000)
        began = time.monotonic()
        assert one.recv(1) == b""
        assert time.monotonic() - began < 3


def test_who_was_answered_early_sends_no_slower_than_others(port: int) -> None:
    """A body that drips on after its answer ends as any other."""
    with _connect(port) as one:
        one.sendall(EARLY)
        assert _until_ended(one, b"a") < 3


GET, LATE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n"
BROKEN = CHUNKED + b"2\r\nab\r\nno number\r\n"


@pytest.mark.parametrize(
    ("parts", "statuses"),
    [
        ((GET + b"GARBAGE\r\n\r\n",), [200, 400]),
        ((LATE + GET + b"GARBAGE\r\n\r\n", b"more of it\r\n\r\n" * 9, b"and more"), [200, 200, 400]),
        ((LATE + b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", b"GET "), [200, 400]),
        ((LATE + BROKEN, b"more"), [200, 400]),
        ((LATE + GET + BROKEN, b"more"), [200, 200, 400]),
        ((LATE + b"GET / HTTP/1.1\r\nX-Long: ", b"y" * 70_000, b"more"), [200, 431]),
        ((LATE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"GARBAGE\r\n\r\n",), [200]),
        ((BROKEN,), [400]),
        ((b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n",), [400]),
        ((b"POST /early" + CHUNKED[6:] + b"2\r\nab\r\n", b"no number\r\n"), [200]),
    ],
)
def test_what_is_no_request_costs_nobody_an_answer(port: int, parts: tuple[bytes, ...], statuses: list[int]) -> None:
    """Who comes before garbage has its own answer first, the garbage its refusal then, and no request two answers."""
    assert [status for status, _ in _said(port, *parts)] == statuses


@pytest.mark.parametrize(
    ("said", "statuses"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", [400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", [400]),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", [400]),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", [200]),
        (b"GET / HTTP/1.0\r\n\r\n", [200]),
        (GET + b"GET / HTTP/1.1\r\n\r\n" + GET, [200, 400]),
    ],
)
def test_a_request_names_one_host(port: int, said: bytes, statuses: list[int]) -> None:
    """Without a host, or with two, it is no request; before HTTP/1.1 there need be none."""
    answers = _said(port, said)
    assert [status for status, _ in answers] == statuses
    assert all("wants one Host" in told["detail"] for status, told in answers if status == 400)
