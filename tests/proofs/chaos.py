"""What the proofs of faults share.

A crowd in a thread, commands in processes that are quick to start and to kill, and the comparison of what is held with
what the nodes publish.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, select, text, update
from sqlalchemy.engine import make_url

from benchmarks import joined
from benchmarks.crowd import Crowd, Served, Talk
from federation.database import Database, ReadSession, table
from schema.tables import Feed, History, Record

_record, _history, _feed = table(Record), table(History), table(Feed)
_loops: dict[int, asyncio.AbstractEventLoop] = {}
"""By crowd, the loop in which it answers."""
_ROOT = Path(__file__).parents[2]
_PDEATHSIG = 1
_WRITERS = text(
    "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
    " WHERE datname = current_database() AND mode IN ('RowShareLock', 'RowExclusiveLock')"
)
"""Whether a transaction writes, or means to: PostgreSQL, 13.3.1, table-level lock modes."""
_forking = get_context("forkserver")
_forking.set_forkserver_preload(["tests.proofs.hatched"])


@contextmanager
def listening(crowd: Crowd) -> Iterator[Served]:
    """A crowd in a thread of this process, whose nodes the test may change (`change_some`)."""
    served, loop, ready, stop = Served(crowd), asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    _loops[id(served)] = loop

    async def listen() -> None:
        talks: list[Talk] = []

        def talk() -> Talk:
            talks.append(Talk(served))
            return talks[-1]

        for node in crowd.all():
            made = socket.create_server((crowd.address(node.n), crowd.port), backlog=64)
            servers.append(await loop.create_server(talk, sock=made))
        ready.set()
        await stop.wait()
        for server in servers:
            server.close()
        for one in talks:
            if one._transport is not None:
                one._transport.abort()
        await asyncio.sleep(0.05)

    servers: list[asyncio.Server] = []
    thread = threading.Thread(target=loop.run_until_complete, args=(listen(),), name="crowd", daemon=True)
    thread.start()
    try:
        assert ready.wait(30), "the crowd does not listen"
        yield served
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
        del _loops[id(served)]


def forked(work: Callable[..., None], *told: object) -> ForkServerProcess:
    """Run a function of `tests.proofs.hatched` in a process forked from one that has imported everything."""
    made = _forking.Process(target=work, args=told, daemon=True)
    here = Path.cwd()
    os.chdir(_ROOT)
    try:
        made.start()
    finally:
        os.chdir(here)
    return made


def killed(process: ForkServerProcess) -> None:
    """End a process at once, if it runs, and wait for that."""
    process.kill()
    process.join(20)
    assert not process.is_alive()
    process.close()


@dataclass
class Process:
    """A `folkmoot` command in a process of its own, forked from one that has imported everything."""

    arguments: Sequence[str]
    settings: Mapping[str, str]
    log: Path
    patches: Mapping[str, Any]

    def start(self) -> Process:
        """Start it now."""
        from tests.proofs import hatched

        told = (list(self.arguments), dict(self.settings), str(self.log), dict(self.patches))
        self._process = forked(hatched.command, *told)
        return self

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return not self._process.is_alive()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, if it runs, and wait for that."""
        killed(self._process)

    def said(self) -> str:
        """All that it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def results(self) -> list[dict[str, Any]]:
        """The visits that `crawl --json` has told of so far."""
        return [orjson.loads(line) for line in self.said().splitlines() if line.startswith('{"key"')]


def die_with_parent() -> None:
    """Let this process be killed when the one that forked it is gone."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)


class Site:
    """An aggregator's settings on a database, and the commands that run with them."""

    def __init__(self, url: str, folder: Path, **more: str) -> None:
        self.folder, self.count = folder, 0
        self.settings = {
            "FOLKMOOT_ROLE": "aggregator",
            "FOLKMOOT_PUBLIC_URL": joined.PUBLIC,
            "FOLKMOOT_DATABASE_URL": url,
            "FOLKMOOT_DATA_DIR": str(folder / "data"),
            "FOLKMOOT_ALLOW_PRIVATE": "1",
            **more,
        }

    def run(self, *arguments: str, lease: float = 2.0, **patches: Any) -> Process:
        """Start a command. The lease is shorter than an operator may set it, so that a proof need not wait for it."""
        self.count += 1
        told = self.folder / f"{arguments[0]}-{self.count}.log"
        return Process(arguments, self.settings, told, {"lease_seconds": lease} | patches).start()


@contextmanager
def ending(process: Process) -> Iterator[Process]:
    """A process that is killed at the end of the block."""
    try:
        yield process
    finally:
        process.kill()


def stop(base: Database, pid: int) -> bool:
    """Stop a process. False where it then holds a lock: its transaction would stop the others until it is ended."""
    os.kill(pid, signal.SIGSTOP)
    while not all(map(_stands, list(Path(f"/proc/{pid}/task").iterdir()))):
        time.sleep(0.001)
    time.sleep(0.02)  # the server takes up what was sent before
    return not (_sqlite_locked(base) if base.dialect == "sqlite" else _postgresql_locked(base))


def _stands(thread: Path) -> bool:
    """Whether a thread is stopped, or has ended."""
    try:
        return (thread / "stat").read_text().rpartition(") ")[2].startswith(("T", "Z", "X"))
    except (FileNotFoundError, ProcessLookupError):
        return True


def _sqlite_locked(base: Database) -> bool:
    """Asked by a connection of its own: those of `Database` wait for half a minute before they give up."""
    try:
        with closing(sqlite3.connect(str(make_url(base.url).database), timeout=0.2, isolation_level=None)) as own:
            own.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    return False


def _postgresql_locked(base: Database) -> bool:
    """Looked up, not tried out: what waits for the lock that we try it with is given it after us."""
    with base.read() as session:
        return session.connection().execute(_WRITERS).first() is not None


def change_some(served: Served, chance: random.Random, count: int) -> None:
    """Publish some contracts anew, here and there.

    It is done between two answers, in the thread that gives them: a page that is made amid a change may lack it and yet
    carry its ETag, as no node's does.
    """

    async def change() -> None:
        for _ in range(count):
            node = chance.choice(served.listed)
            node.change(chance.randint(1, served.crowd.records))

    asyncio.run_coroutine_threadsafe(change(), _loops[id(served)]).result(60)


@dataclass(frozen=True, slots=True)
class Differences:
    """What is held against what is published: all 0, or something went wrong."""

    lost: int
    doubled: int
    stale: int
    strange: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.lost + self.doubled + self.stale + self.strange


def differences(base: Database, served: Served) -> Differences:
    """Hold every record, by its bytes and its origin's number, to the truth; and the log to itself.

    `doubled` counts words of an origin that were logged twice and change numbers that were given twice or not at all;
    `strange` counts records that nobody publishes.
    """
    truth = {name: (number, data) for node in served.listed for name, number, data in node.truth()}
    with base.read() as session:
        chosen = select(_record.c.id, _record.c.seq, _record.c.data, _record.c.deleted)
        rows = session.connection().execute(chosen.where(_record.c.node_id.is_not(None))).all()
        before = session.connection().execute(select(_history.c.id, _history.c.origin)).all()
        numbers = _numbers(session)
    held = {row.id: (row.seq, None if row.deleted else row.data) for row in rows}
    words = Counter((row.id, row.seq) for row in rows)
    words.update((name, orjson.loads(origin)["seq"]) for name, origin in before)
    return Differences(
        lost=len(truth.keys() - held.keys()),
        doubled=sum(words.values()) - len(words) + numbers,
        stale=sum(held[name] != truth[name] for name in truth.keys() & held.keys()),
        strange=len(held.keys() - truth.keys()),
    )


def _numbers(session: ReadSession) -> int:
    """How far the change numbers are from being given once each, from 1 to the latest."""
    from federation import log

    count = 0
    for one in (_record, _history):
        count += session.connection().execute(select(func.count()).select_from(one)).scalar_one()
    return abs(log.latest(session) - count)


def partial_pages(base: Database, served: Served) -> int:
    """Count the nodes of which a page landed without its cursor, or a cursor without its page.

    All that a node published last, up to where its feed was read, is held as it said it; nothing beyond.
    """
    with base.read() as session:
        one_look = {} if base.dialect == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        connection = session.connection(execution_options=one_look)
        feeds = connection.execute(select(_feed.c.node_id, _feed.c.position, _feed.c.url)).all()
        chosen = select(_record.c.node_id, _record.c.id, _record.c.seq).where(_record.c.node_id.is_not(None))
        held: dict[int, dict[str, int]] = {}
        for node_id, name, seq in connection.execute(chosen):
            held.setdefault(node_id, {})[name] = seq
    wrong = 0
    for node_id, position, url in feeds:
        known = {name: number for name, number, _data in served.nodes[url.split("/")[2]].truth() if number <= position}
        its = held.get(node_id, {})
        wrong += any(its.get(name) != number for name, number in known.items()) or any(
            seq > position for seq in its.values()
        )
    return wrong


def read_since(base: Database, moment: Any) -> int:
    """Count the feeds that were read to their end after a moment of the database's clock."""
    with base.read() as session:
        found: int = session.connection().execute(select(func.count()).where(_feed.c.last_good > moment)).scalar_one()
        return found


def make_due(base: Database) -> Any:
    """Let every feed be due now; gives that moment by the database's clock."""
    from federation.database import clock

    with base.write() as session:
        now = clock(session)
        session.connection().execute(update(_feed).values(due=now))
        return now


def finish(base: Database, start: Callable[[], Process], *, seconds: float = 120) -> None:
    """Let one more worker read every feed to its end, twice.

    A visit that ends after the first moment may have read before it; one that ends after the second has not.
    """
    from tests.waiting import until

    with base.read() as session:
        count = session.connection().execute(select(func.count()).select_from(_feed)).scalar_one()
    with ending(start()) as last:
        for _ in range(2):
            moment = make_due(base)
            until(lambda moment=moment: last.ended or read_since(base, moment) == count, seconds, "every feed read")  # type: ignore[misc]
            assert not last.ended, last.said()[-2000:]
