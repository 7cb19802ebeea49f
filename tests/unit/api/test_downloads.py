"""One file for all who ask for it, a few written at a time, and nothing left of it afterwards."""

from __future__ import annotations

import asyncio
import errno
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from anyio.to_thread import current_default_thread_limiter
from starlette.types import Message
from structlog.testing import capture_logs

from api import downloads as module
from api.downloads import A_CLIENT, A_WHILE, AT_ONCE, GONE, MOST_WAITING, Download, Downloads, Written, write
from schema.errors import Busy, Hurried

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

    def go_away(self) -> None:
        """Hang up."""
        self._gone.set()

    @property
    def ended(self) -> bool:
        """Whether the answer has come to its end."""
        return bool(self.sent) and not self.sent[-1].get("more_body", True)

    async def ask(self, downloads: Downloads, maker: Maker, name: str, address: str = "192.0.2.1") -> None:
        """Ask, and read as far as it goes."""
        scope = SCOPE | {"client": (address, 4711)}
        await Download(downloads, name, maker.of(name), "text/csv")(scope, self.receive, self.send)


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that comes."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is waited for happens in threads too
            await asyncio.sleep(0.002)


def _under_way(downloads: Downloads) -> tuple[int, int]:
    """How many files are begun, and how many there are with those that wait."""
    return sum(one.begun for one in downloads._shared.values()), len(downloads._shared)


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


def test_only_so_many_files_wait(folder: Path) -> None:
    """Beyond the bound it is `Busy`, at once and for another file alone; when one is done there is room again."""
    maker = Maker(10)

    async def go() -> None:
        downloads = Downloads()
        readers = [Client() for _ in range(AT_ONCE + MOST_WAITING)]
        asked = []
        for number, one in enumerate(readers):
            one.reads.set()
            asked.append(asyncio.create_task(one.ask(downloads, maker, str(number))))
            await until(lambda: _under_way(downloads) == (min(AT_ONCE, len(asked)), len(asked)))
        with pytest.raises(Busy, match="20 files wait"):
            await Client().ask(downloads, maker, "one more")
        joins = Client()
        joins.reads.set()
        joined = asyncio.create_task(joins.ask(downloads, maker, "20"))
        maker.may_end.set()
        await asyncio.gather(*asked, joined)
        assert joins.body == readers[20].body == b"20" * LONG
        last = Client()
        last.reads.set()
        await last.ask(downloads, maker, "one more")

    asyncio.run(go())
    assert maker.begun == AT_ONCE + MOST_WAITING + 1
    assert maker.all_closed


def test_a_client_takes_only_some_of_the_places(folder: Path) -> None:
    """One address has a few files waiting at most, whatever others have; one that nobody can tell has no such bound."""
    maker = Maker(10)

    async def go() -> None:
        downloads = Downloads(lambda scope: scope["client"][0] if scope["client"][0] != "127.0.0.1" else None)
        asked = []
        for number in range(AT_ONCE + A_CLIENT):
            asked.append(asyncio.create_task(Client(leaves=True).ask(downloads, maker, f"a{number}", "192.0.2.1")))
            await until(lambda: _under_way(downloads) == (min(AT_ONCE, len(asked)), len(asked)))
        with pytest.raises(Hurried, match="4 files that you asked for") as told:
            await Client().ask(downloads, maker, "b", "192.0.2.1")
        assert (told.value.policy, told.value.retry_after) == ("address", A_WHILE)
        asked += [asyncio.create_task(Client(leaves=True).ask(downloads, maker, "b", "192.0.2.2"))]
        for number in range(A_CLIENT + 1):
            one = Client(leaves=True)
            asked.append(asyncio.create_task(one.ask(downloads, maker, f"c{number}", "127.0.0.1")))
        await until(lambda: _under_way(downloads) == (AT_ONCE, len(asked)))
        maker.may_end.set()
        await asyncio.gather(*asked)

    asyncio.run(go())
    assert maker.begun == AT_ONCE + A_CLIENT + 1 + A_CLIENT + 1
    assert maker.all_closed


def test_what_nobody_waits_for_is_not_begun(folder: Path) -> None:
    """Who hangs up before his file's turn makes room at once, and costs nothing; the log has a status of its own."""
    maker = Maker(10)

    async def go() -> None:
        downloads = Downloads()
        staying = [Client() for _ in range(AT_ONCE)]
        asked = []
        for number, one in enumerate(staying):
            one.reads.set()
            asked.append(asyncio.create_task(one.ask(downloads, maker, f"a{number}")))
            await until(lambda: maker.now == len(asked))
        going = [Client() for _ in range(MOST_WAITING)]
        gone = [asyncio.create_task(one.ask(downloads, maker, f"b{number}")) for number, one in enumerate(going)]
        await until(lambda: len(downloads._shared) == AT_ONCE + MOST_WAITING)
        for one in going:
            one.go_away()
        await asyncio.gather(*gone)
        assert {one.sent[0]["status"] for one in going} == {GONE}
        assert len(downloads._shared) == AT_ONCE
        later = Client()
        later.reads.set()
        asked.append(asyncio.create_task(later.ask(downloads, maker, "c")))
        maker.may_end.set()
        await asyncio.gather(*asked)
        assert later.body == b"c" * LONG

    asyncio.run(go())
    assert maker.begun == AT_ONCE + 1
    assert maker.all_closed


def test_who_hangs_up_takes_nothing_from_who_waits_for_the_same(folder: Path) -> None:
    """A file for which one of two still waits is written."""
    maker = Maker(10)

    async def go() -> None:
        downloads = Downloads()
        going, staying = Client(), Client()
        staying.reads.set()
        gone = asyncio.create_task(going.ask(downloads, maker, "a"))
        stayed = asyncio.create_task(staying.ask(downloads, maker, "a"))
        await until(lambda: maker.now == 1)
        going.go_away()
        await gone
        maker.may_end.set()
        await stayed
        assert staying.body == b"a" * LONG

    asyncio.run(go())
    assert maker.all_closed


@pytest.mark.parametrize(("bound", "most"), [("MOST_FILES", 2), ("MOST_BYTES", 2 * LONG)])
def test_files_that_slow_clients_hold_are_bounded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    """Where too much is held, what was asked for longest ago is given up: its readers see no end, and the others do."""
    monkeypatch.setattr(module, bound, most)
    maker = Maker(0)

    async def go() -> None:
        downloads = Downloads()
        slow = [Client() for _ in "abac"]
        asked = []
        for name, one in zip("abac", slow, strict=True):
            asked.append(asyncio.create_task(one.ask(downloads, maker, name)))
            await until(lambda one=one: bool(one.body))  # type: ignore[misc]  # a client of this turn
        assert list(downloads._shared) == ["a", "c"]
        for one in slow:
            one.reads.set()
        await asyncio.gather(*asked)
        assert [one.ended for one in slow] == [True, False, True, True]
        assert (len(slow[1].body) < LONG, slow[2].body) == (True, b"a" * LONG)
        again = Client()
        again.reads.set()
        await again.ask(downloads, maker, "b")
        assert again.body == b"b" * LONG

    with capture_logs() as logs:
        asyncio.run(go())
    (told,) = logs
    assert (told["event"], told["bytes"]) == ("a download was broken off to make room", LONG)
    assert maker.all_closed


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        FileNotFoundError(errno.ENOENT, "No usable temporary directory"),
    ],
)
def test_a_full_disk_is_busy(folder: Path, error: OSError) -> None:
    """Where there is no room for a file it is `Busy`, told to the operator in a line; any other fault is raised."""

    def parts(error: OSError) -> Iterator[bytes]:
        yield b"half"
        raise error

    with capture_logs() as logs, pytest.raises(Busy, match="no room"):
        write(parts(error), {})
    assert [(line["event"], line["error"]) for line in logs] == [("there is no room for a download", str(error))]
    with pytest.raises(PermissionError):
        write(parts(PermissionError(errno.EACCES, "Permission denied")), {})
