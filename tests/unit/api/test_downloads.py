"""One file for all who ask for it, a few written at a time, and nothing left of it afterwards."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from anyio.to_thread import current_default_thread_limiter
from starlette.types import Message

from api.downloads import AT_ONCE, Download, Downloads, Written, write

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {"spec_version": "2.3"}}
LONG = 300_000


class Maker:
    """Writes files, and remembers each, how many were begun, and how many at the most were being written at a time."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.files: list[Written] = []
        self.begun = self.now = self.most = 0
        self.may_end = threading.Event()
        self._seconds = seconds
        self._lock = threading.Lock()

    def of(self, name: str) -> Callable[[], Written]:
        """Give what writes a long file of one letter."""
        return lambda: self._make(name)

    def _make(self, name: str) -> Written:
        with self._lock:
            self.begun += 1
            self.now += 1
            self.most = max(self.most, self.now)
        self.may_end.wait(self._seconds)
        written = write([name.encode()] * LONG, {"ETag": name})
        with self._lock:
            self.now -= 1
            self.files.append(written)
        return written

    @property
    def all_closed(self) -> bool:
        """Whether there were files, and none of them is open."""
        return bool(self.files) and all(one.file.closed for one in self.files)


class Client:
    """Asks for a download, and reads on when it is let; one that `leaves` goes away after the first bytes."""

    def __init__(self, *, leaves: bool = False) -> None:
        self.sent: list[Message] = []
        self.reads = asyncio.Event()
        self._gone = asyncio.Event()
        self._leaves = leaves

    async def receive(self) -> Message:
        """Tell the server when the client is gone."""
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take what the server sends."""
        self.sent.append(message)
        if message.get("body"):
            if self._leaves:
                self._gone.set()
            await self.reads.wait()

    @property
    def body(self) -> bytes:
        """What has come."""
        return b"".join(message.get("body", b"") for message in self.sent)

    async def ask(self, downloads: Downloads, maker: Maker, name: str) -> None:
        """Ask, and read as far as it goes."""
        await Download(downloads, name, maker.of(name), "text/csv")(SCOPE, self.receive, self.send)


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that comes."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is waited for happens in threads too
            await asyncio.sleep(0.002)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield the folder that temporary files are made in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def test_many_who_ask_for_the_same_cost_one_file(folder: Path) -> None:
    """All who ask while it is written, or while anybody is being sent it, get the one file whole; then it is gone."""
    maker = Maker()

    async def go() -> None:
        downloads = Downloads()
        clients = [Client() for _ in range(100)]
        asked = [asyncio.create_task(one.ask(downloads, maker, "a")) for one in clients]
        await until(lambda: all(one.body for one in clients))
        late = Client()
        late.reads.set()
        await late.ask(downloads, maker, "a")
        for one in clients:
            one.reads.set()
        await asyncio.gather(*asked)
        assert {one.body for one in (*clients, late)} == {b"a" * LONG}
        assert maker.begun == 1
        assert maker.all_closed
        await late.ask(downloads, maker, "a")
        assert maker.begun == 2

    asyncio.run(go())
    assert maker.all_closed


def test_who_asks_for_other_things_gets_other_files_a_few_at_a_time(folder: Path) -> None:
    """Each gets its own; no more are written at a time than are allowed, and those that wait have no thread."""
    maker = Maker(10)

    async def go() -> None:
        downloads = Downloads()
        clients = {name: Client() for name in "abcdefgh"}
        for one in clients.values():
            one.reads.set()
        asked = [asyncio.create_task(one.ask(downloads, maker, name)) for name, one in clients.items()]
        await until(lambda: maker.now == AT_ONCE)
        await asyncio.sleep(0.02)
        assert current_default_thread_limiter().borrowed_tokens == AT_ONCE
        maker.may_end.set()
        await asyncio.gather(*asked)
        assert {name: one.body for name, one in clients.items()} == {name: name.encode() * LONG for name in clients}

    asyncio.run(go())
    assert (maker.begun, maker.most) == (8, AT_ONCE)
    assert maker.all_closed


def test_who_does_not_read_has_no_thread(folder: Path) -> None:
    """A hundred who read nothing are sent no more than they take, and every thread is free."""
    maker = Maker(0)

    async def go() -> None:
        downloads = Downloads()
        clients = [Client() for _ in range(100)]
        asked = [asyncio.create_task(one.ask(downloads, maker, "a")) for one in clients]
        await until(lambda: all(one.body for one in clients))
        await until(lambda: current_default_thread_limiter().borrowed_tokens == 0)
        assert {len(one.body) for one in clients} == {65_536}
        for one in clients:
            one.reads.set()
        await asyncio.gather(*asked)

    asyncio.run(go())
    assert maker.all_closed


def test_a_client_that_goes_away_leaves_nothing_and_takes_nothing(folder: Path) -> None:
    """The file outlasts who was cut off for those who read on, and nobody else."""
    maker = Maker()

    async def go() -> None:
        downloads = Downloads()
        leaving, staying = Client(leaves=True), Client()
        other = asyncio.create_task(staying.ask(downloads, maker, "a"))
        await leaving.ask(downloads, maker, "a")
        assert len(leaving.body) < LONG
        assert not maker.files[0].file.closed
        staying.reads.set()
        await other
        assert staying.body == b"a" * LONG
        await Client(leaves=True).ask(downloads, maker, "b")

    asyncio.run(go())
    assert maker.begun == 2
    assert maker.all_closed


def test_what_nobody_waits_for_any_more_is_closed(folder: Path) -> None:
    """All who asked are cancelled while it is written: the file is closed when it is, and the next gets a new one."""
    maker = Maker()

    async def go() -> None:
        downloads = Downloads()
        asked = [asyncio.create_task(Client().ask(downloads, maker, "a")) for _ in range(3)]
        await until(lambda: maker.begun == 1)
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        again = Client()
        again.reads.set()
        await again.ask(downloads, maker, "a")
        assert again.body == b"a" * LONG
        await until(lambda: maker.all_closed)

    asyncio.run(go())
    assert maker.begun == 2


def test_what_nobody_takes_is_closed() -> None:
    """A file whose server has ended while it was written is closed with the last who knows of it."""
    written = write([b"a"], {})
    file = written.file
    assert not file.closed
    del written
    assert file.closed


def test_a_failure_is_told_to_all_and_leaves_nothing(folder: Path) -> None:
    """What the parts raise half-way is raised for all who wait, before a byte is sent; the next tries again."""
    tries: list[int] = []

    def parts() -> Iterator[bytes]:
        yield b"half"
        if len(tries) == 1:
            raise ValueError("the first time")

    def make() -> Written:
        tries.append(1)
        time.sleep(0.02)
        return write(parts(), {})

    async def go() -> None:
        downloads = Downloads()
        clients = [Client() for _ in range(5)]
        answers = [Download(downloads, "a", make, "text/csv")(SCOPE, one.receive, one.send) for one in clients]
        failed = await asyncio.gather(*answers, return_exceptions=True)
        assert [str(one) for one in failed] == ["the first time"] * 5
        assert [one.sent for one in clients] == [[]] * 5
        again = Client()
        again.reads.set()
        await Download(downloads, "a", make, "text/csv")(SCOPE, again.receive, again.send)
        assert again.body == b"half"

    asyncio.run(go())
    assert len(tries) == 2
