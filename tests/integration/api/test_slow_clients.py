"""Clients that do not read, over real sockets: none keeps anybody waiting (bounds: tests/unit/test_patience.py)."""

from __future__ import annotations

import select
import socket
import statistics
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from api.app import create_app
from api.downloads import AT_ONCE, MOST_WAITING, Downloads, Written, write
from federation.database import Database
from folkmoot.patience import Bounds, Patient
from tests.contract.world import publish
from tests.services import make_services

CROWD = 100
WORDS = "planning housing highways waste libraries " * 30


class Hasty(Patient):
    """The same protocol with less patience, so that the tests end."""

    bounds = Bounds(header=1.0, body=1.0, body_rate=1_000.0, answer=1.5, answer_rate=100_000.0, look=0.1)


@dataclass(frozen=True, slots=True)
class Served:
    """A server on loopback, and the tables that it writes for others."""

    port: int
    downloads: Downloads

    def connect(self) -> socket.socket:
        """Give a connection whose own buffer holds next to nothing."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.settimeout(20)
        made.connect(("127.0.0.1", self.port))
        return made

    def get(self, path: str) -> tuple[int, bytes]:
        """Give status and body of a request of its own."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as made:
            made.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            whole = b"".join(iter(lambda: made.recv(65536), b""))
        head, _, body = whole.partition(b"\r\n\r\n")
        return int(head.split()[1]), body


@pytest.fixture
def served(database: Database, tmp_path: Path) -> Iterator[Served]:
    """Yield a running server with a feed page and a list of more bytes than a socket's buffers hold."""
    services = make_services(database, tmp_path)
    records = [{"reference": f"C{n}", "title": f"Contract {n}", "description": WORDS} for n in range(600)]
    publish(database, {"contract": records})
    app = create_app(services)
    server = uvicorn.Server(uvicorn.Config(app, http=Hasty, ws="none", log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # else the kernel takes a whole page itself
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        here = Served(listening.getsockname()[1], app.state.downloads)
        services.follower.catch_up()
        yield here
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def _all_cut(crowd: list[socket.socket], seconds: float) -> bool:
    """Whether the server ends every connection within the time, without anybody reading from it."""
    end = time.monotonic() + seconds
    poll = select.poll()
    open_now = {one.fileno() for one in crowd}
    for number in open_now:
        poll.register(number, select.POLLERR | select.POLLHUP | select.POLLRDHUP)
    while open_now and time.monotonic() < end:
        for number, _ in poll.poll(100):
            poll.unregister(number)
            open_now.discard(number)
    return not open_now


@pytest.mark.parametrize(
    "path",
    [
        "/v1/changes?afterChangeNumber=0",
        "/v1/contracts?format=ndjson",
        "/v1/contracts?format=csv",
        "/v1/bulk/contracts.ndjson",
    ],
)
def test_who_does_not_read_keeps_nobody_waiting_and_is_cut_off(served: Served, path: str) -> None:
    """A hundred who ask and read nothing: others are answered at once, of threads and database too, and they go."""
    served.get(path)
    with ExitStack() as held:
        crowd = [held.enter_context(served.connect()) for _ in range(CROWD)]
        for one in crowd:
            one.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        times = []
        for _ in range(10):
            began = time.monotonic()
            assert served.get("/v1/records?id=http%3A%2F%2Fnode.test%2Fid%2FGB-LAE-EXA%2Fcontract%2FC7")[0] == 200
            assert served.get(path)[0] == 200
            times.append(time.monotonic() - began)
        assert statistics.median(times) < 2
        assert _all_cut(crowd, 30)


def test_a_download_that_makes_room_is_seen_to_be_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads a table too slowly while others want theirs gets no end of it, and takes nothing of it for whole."""
    monkeypatch.setattr("api.downloads.MOST_FILES", 1)
    with served.connect() as slow:
        slow.sendall(b"GET /v1/contracts?format=csv HTTP/1.1\r\nHost: x\r\n\r\n")
        begun = slow.recv(1_000)
        status, whole = served.get("/v1/contracts?format=csv&sort=end")
        assert (status, whole[-5:]) == (200, b"0\r\n\r\n")
        rest = b"".join(iter(lambda: slow.recv(65_536), b""))
    assert begun.startswith(b"HTTP/1.1 200 ")
    assert not rest.endswith(b"0\r\n\r\n")
    assert len(begun + rest) < len(whole)


def test_who_hangs_up_before_his_table_is_written_costs_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a crowd that asked for different tables and went away, only those that were begun are written."""
    made: list[object] = []
    may_go_on = threading.Event()

    def slowly(parts: Iterable[bytes], headers: Mapping[str, str]) -> Written:
        made.append(headers)
        may_go_on.wait(20)
        return write(parts, headers)

    monkeypatch.setattr("api.downloads.write", slowly)
    with ExitStack() as held:
        for number in range(AT_ONCE + MOST_WAITING):
            one = held.enter_context(served.connect())
            one.sendall(f"GET /v1/contracts?format=csv&limit={number + 1} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            while number < AT_ONCE and len(made) <= number:
                time.sleep(0.01)
        _until_so_many_wait(served, MOST_WAITING)
    _until_so_many_wait(served, 0)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(served.get, "/v1/contracts?format=csv&limit=99")
        time.sleep(0.2)
        may_go_on.set()
        assert asked.result()[0] == 200
    assert len(made) == AT_ONCE + 1


def _until_so_many_wait(served: Served, number: int) -> None:
    until = time.monotonic() + 10
    while sum(not one.begun for one in list(served.downloads._shared.values())) != number:
        assert time.monotonic() < until
        time.sleep(0.01)
