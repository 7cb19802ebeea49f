"""How long a client may take, over real sockets and with little patience."""

from __future__ import annotations

import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn

from folkmoot.crowds import networks
from folkmoot.patience import Bounds, Patient

ANSWER = b"x" * 1_000_000
Address = tuple[str, int]


class Hasty(Patient):
    """The same protocol with less patience, so that the tests end."""

    bounds = Bounds(header=0.5, body=0.5, body_rate=1_000.0, answer=0.5, answer_rate=100_000.0, stop=0.5, look=0.05)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read the whole body, then give a long answer; to /longer one that no kernel takes whole."""
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
    answer = ANSWER * 16 if scope["path"] == "/longer" else ANSWER
    length = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": answer})


@pytest.fixture
def address() -> Iterator[Address]:
    """Yield the address of a running server whose kernel holds next to nothing of an answer."""
    with _served(16_384) as address:
        yield address


@contextmanager
def _served(held: int | None) -> Iterator[Address]:
    """Run a server; its kernel holds so many bytes of each answer, or as many as it likes."""
    config = uvicorn.Config(app, http=Hasty, ws="none", log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        if held:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, held)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield listening.getsockname()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def _connect(address: Address, source: str = "127.0.0.1") -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    made.settimeout(10)
    made.bind((source, 0))
    try:
        made.connect(address)
    except ConnectionError:
        made.close()
        raise
    return made


def _asked(address: Address, source: str) -> socket.socket:
    """A connection whose one request was answered, and which is kept."""
    made = _connect(address, source)
    made.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    _read_all(made)
    return made


def _read_all(one: socket.socket) -> None:
    read = 0
    while read < len(ANSWER):
        part = one.recv(65_536)
        assert part, "cut off"
        read += len(part)


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
        _read_all(one)
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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what it holds")
def test_what_is_read_counts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads above the least rate is not cut off while the kernel, which holds megabytes, makes no room for more."""
    monkeypatch.setattr(Hasty, "bounds", Bounds(answer=1.0, answer_rate=50_000.0, look=0.05))
    with _served(None) as address, _connect(address) as one, _connect(address) as other:
        for each in (one, other):
            each.sendall(b"GET /longer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        began, read = time.monotonic(), 0
        while time.monotonic() < began + 6:
            part = one.recv(10_000)
            assert part, "cut off"
            read += len(part)
            time.sleep(max(0, began + read / 250_000 - time.monotonic()))
        assert _ended(other, 0), "who does not read at all goes"


def test_who_sends_slowly_but_enough_is_heard(address: Address) -> None:
    """A body may take longer than the bound where it keeps above the least rate."""
    began = time.monotonic()
    with _connect(address) as one:
        one.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6000\r\n\r\n" + b" " * 1_600)
        for _ in range(44):
            one.sendall(b" " * 100)
            time.sleep(0.025)
        assert one.recv(100).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - began > 2 * Hasty.bounds.body


def test_a_connection_that_is_kept_open_between_requests_is_not_cut_off(address: Address) -> None:
    """Between two requests the server's own keep-alive counts, not the bound of a header."""
    with _connect(address) as one:
        for _ in range(2):
            one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            _read_all(one)
            time.sleep(2 * Hasty.bounds.header)


def _full(monkeypatch: pytest.MonkeyPatch, room: int, proxies: str = "") -> None:
    monkeypatch.setattr(Hasty, "room", staticmethod(lambda: room))
    monkeypatch.setattr(Hasty, "proxies", networks(proxies))


def _turned_away(held: ExitStack, address: Address, source: str) -> bool:
    """Whether a newcomer is cut off and not answered; the server may be quicker at that than he at asking."""
    try:
        one = held.enter_context(_connect(address, source))
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _read_all(one)
    except (ConnectionError, AssertionError):
        return True
    return False


def test_slow_readers_of_one_address_shut_nobody_out(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads above the least rate is not cut off for that; where such a crowd fills the room, it makes room."""
    _full(monkeypatch, 20)
    stop = threading.Event()
    with ExitStack() as held:
        crowd = [held.enter_context(_connect(address, "127.0.0.2")) for _ in range(20)]
        for one in crowd:
            one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        reading = threading.Thread(target=_read_slowly, args=(crowd, stop))
        reading.start()
        try:
            time.sleep(2 * Hasty.bounds.look)
            for _ in range(10):
                held.enter_context(_asked(address, "127.0.0.1"))
        finally:
            stop.set()
            reading.join()
        assert sum(_ended(one, 0) for one in crowd) >= 10


def _read_slowly(crowd: list[socket.socket], stop: threading.Event) -> None:
    """Read twice as much a second as each has to."""
    left = set(crowd)
    while left and not stop.wait(0.02):
        for one in list(left):
            try:
                one.recv(4_000)
            except OSError:
                left.discard(one)


def test_who_has_read_all_since_the_last_look_is_no_slow_reader(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a look saw unread counts against nobody who has read it since: in a full room the newcomer goes, not he."""
    _full(monkeypatch, 2, "127.0.0.0/30")
    monkeypatch.setattr(Hasty, "bounds", Bounds(header=9, body=9, answer=9, look=1))
    with _connect(address, "127.0.0.2") as once_slow, _asked(address, "127.0.0.3") as quick, ExitStack() as held:
        once_slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1.2)
        _read_all(once_slow)
        assert _turned_away(held, address, "127.0.0.1")
        assert not any(_ended(one, 0) for one in (once_slow, quick))


@pytest.mark.parametrize(
    ("proxies", "gives_way"), [("", "127.0.0.2"), ("10.0.0.5,127.0.0.2", "127.0.0.3"), ("127.0.0.0/30", "")]
)
def test_who_has_the_most_connections_gives_way(
    address: Address, monkeypatch: pytest.MonkeyPatch, proxies: str, gives_way: str
) -> None:
    """In a full room the address with the most gives its oldest; no proxy of ours counts; else the newcomer goes."""
    _full(monkeypatch, 20, proxies)
    with ExitStack() as held:
        kept = {f"127.0.0.{n}": [_asked(address, f"127.0.0.{n}") for _ in range(11 - n)] for n in (2, 3)}
        few = [_asked(address, "127.0.0.1") for _ in range(3)]
        for one in (*kept["127.0.0.2"], *kept["127.0.0.3"], *few):
            held.enter_context(one)
        turned_away = _turned_away(held, address, "127.0.0.1")
        first = [source for source, crowd in kept.items() if _ended(crowd[0], 0.3)]
        assert first == [gives_way] * bool(gives_way)
        assert turned_away == (not gives_way)
        assert not any(_ended(one, 0) for one in (*kept["127.0.0.2"][1:], *kept["127.0.0.3"][1:], *few))


def test_a_newcomer_of_the_largest_crowd_goes_itself(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose connections are all served at their time gets no more of them, and neither loses one nor costs one."""
    _full(monkeypatch, 10)
    with ExitStack() as held:
        crowd = [held.enter_context(_asked(address, "127.0.0.2")) for _ in range(8)]
        others = [held.enter_context(_asked(address, "127.0.0.3")) for _ in range(2)]
        assert _turned_away(held, address, "127.0.0.2")
        assert not any(_ended(one, 0) for one in (*crowd, *others))
