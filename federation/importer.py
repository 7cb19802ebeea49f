"""The worker of imports: one at a time, in turn of their publishers, with the queue of federation/jobs.py.

The file is read in a child process, which dies alone (exchange/reading_apart.py). What is no fault of the file leaves
the job waiting with it: a server that is stopped gives it back, and one whose disk is full does, for another may have
room; what an outage of the database broke off is its worker's own still, who takes it again. What counts against a job
is a worker that vanishes amid it, a child that is told to end alone, and a full disk, the database's too: it may be the
file that takes what there is.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog

from exchange.children import Stopped
from federation import jobs, outages, tokens
from federation.audit import Actor
from federation.database import Database, WriteSession
from federation.jobs import TRIES, Claim
from schema.errors import Busy, FolkmootError, Forbidden, LeaseLost

if TYPE_CHECKING:
    from federation.register import Outcome

log = structlog.get_logger("folkmoot.imports")
RENEW = 15.0
FAULT_SECONDS = 5.0
SOON_SECONDS, _LOOK = 3.0, 0.1
FULL_SECONDS = 60.0
"""Until a full disk is tried again: to try fills what is left of it, and others write there too."""
_VANISHED = (
    f"This import was begun {TRIES} times, and each time the server or what read the file was ended in the middle of "
    "it, or there was no room. The file may be the reason or not: send it again, and where it fails again ask the "
    "operator, whose log says more."
)
_NO_ROOM = (
    f"There is no room on this server to import this file, which was begun {TRIES} times. Send it in parts, or again "
    "when the operator has made room."
)


def turn(
    database: Database, *, node: str, now: datetime, owner: str = "", stopping: Callable[[], bool] = lambda: False
) -> bool:
    """Do one job, if there is one. Gives whether there was. Once `stopping` says so, a file is read no further."""
    with database.read() as session:
        if not jobs.waiting(session, owner):
            return False
    with database.write() as session:
        held = jobs.claim(session, owner)
    if held is not None:
        _work(database, held, node, now, stopping)
    return held is not None


def _work(
    database: Database, held: Claim, node: str, now: datetime, stopping: Callable[[], bool] = lambda: False
) -> None:
    from exchange.reading_apart import parse_apart  # noqa: PLC0415 - all layouts of files: a server starts without them
    from federation import register  # noqa: PLC0415

    def ended(session: WriteSession, outcome: Outcome) -> None:
        error = {"error": outcome.error} if outcome.error else {}
        jobs.finish(session, held, outcome.state, {"report": outcome.report.as_json(), **error}, now)

    parse = partial(parse_apart, stopping=stopping)
    try:
        with _renewed(database, held):
            actor = _actor(database, held, now)
            register.run(database, held.file, held.wish, node=node, now=now, also=ended, actor=actor, parse=parse)
    except LeaseLost:
        return
    except Stopped:
        _give_back(database, held.owner, counted=not _stops_soon(stopping))
    except FolkmootError as error:
        _fail(database, held, error.detail, now)
    except Exception as error:
        if outages.is_full(error) and held.tries + 1 < TRIES:
            _give_back(database, held.owner, counted=True)
        elif outages.is_full(error):
            _fail(database, held, _NO_ROOM, now)
        elif not outages.is_outage(error):
            _fail(database, held, "The server could not do this import; its log says why.", now)
        raise


def _stops_soon(stopping: Callable[[], bool]) -> bool:
    """Whether the server stops too: who stops a service tells all its processes at once, and it answers a few first."""
    until = time.monotonic() + SOON_SECONDS
    while not stopping() and time.monotonic() < until:
        time.sleep(_LOOK)
    return stopping()


def passes(error: BaseException) -> bool:
    """Whether an import met what may pass: a database that does not serve, a full disk."""
    return outages.is_outage(error) or outages.is_full(error)


def _give_back(database: Database, owner: str, *, counted: bool = False) -> None:
    with database.write() as session:
        jobs.give_back(session, owner, counted=counted)


def _fail(database: Database, held: Claim, sentence: str, now: datetime) -> None:
    try:
        with database.write() as session:
            jobs.finish(session, held, "failed", {"error": sentence}, now)
    except LeaseLost:
        return


def _actor(database: Database, held: Claim, now: datetime) -> Actor:
    """Who asked for a job. Raises where it must not be done: they may no longer, or it was begun too often."""
    if held.tries >= TRIES:
        raise Busy(_VANISHED)
    with database.read() as session:
        if held.token_id is None or not tokens.alive(session, held.token_id, now):
            raise Forbidden("The token that asked for this import has been revoked or has expired since.")
        return Actor("token", tokens.named(session, held.token_id), held.token_id, held.request)


@contextmanager
def _renewed(database: Database, held: Claim) -> Iterator[None]:
    """Keep the lease while the work lasts."""
    over = threading.Event()

    def renew() -> None:
        # On SQLite the import's own transaction keeps this one waiting, and every other worker with it.
        while not over.wait(RENEW):
            try:
                with database.write() as session:
                    jobs.renew(session, held)
            except Exception as error:
                if not outages.is_fault(error):
                    raise

    keeper = threading.Thread(target=renew, name="import-lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


class Importer:
    """The worker beside a server: does queued imports, one at a time, until it is stopped."""

    def __init__(self, database: Database, *, node: str, now: Callable[[], datetime], every: float = 1.0) -> None:
        self._database = database
        self._node = node
        self._now = now
        self._every = every
        self._owner = secrets.token_hex(16)
        self._told = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; a job whose file is being read then is given back, any other is ended.

        A job that a killed server left is taken up when its lease has run out. An outage is waited for here, and not by
        whoever started this: so no other worker thinks that this one is gone.
        """
        while not stop.is_set():
            pause = self._every
            try:
                if await asyncio.to_thread(self._turn, stop.is_set):
                    pause = 0.0
            except Exception as error:
                if not passes(error):
                    raise
                self._tell(error)
                pause = FULL_SECONDS if outages.is_full(error) else FAULT_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        await asyncio.to_thread(self._leave)

    def _leave(self) -> None:
        """Give back what an outage broke off, where it is over: to be stopped amid one is no fault of the file."""
        try:
            with self._database.read() as session:
                left = jobs.holds(session, self._owner)
            if left:  # else a stop would wait until others have written
                _give_back(self._database, self._owner)
        except Exception as error:
            if not passes(error):
                raise

    def _turn(self, stopping: Callable[[], bool]) -> bool:
        done = turn(self._database, node=self._node, now=self._now(), owner=self._owner, stopping=stopping)
        self._told = ""
        return done

    def _tell(self, error: Exception) -> None:
        """Say once why imports wait."""
        told = outages.sentence(error)
        if told != self._told:
            self._told = told
            log.error("the database or the disk does not serve; imports wait until it does", error=told)
