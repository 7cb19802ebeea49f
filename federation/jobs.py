"""Imports that a request asked for and a worker does. The queue is the table, so that nothing is lost by a restart.

A worker claims a job under a lease and renews it while it works. What it publishes and the end of the job are one
transaction that only the holder of the lease can commit: a job is done once, however often it was begun.

The file is read in a child process, which dies alone (exchange/reading_apart.py). What is no fault of the file leaves
the job waiting with it: a server that is stopped gives it back, and what an outage of the database broke off is its
worker's own still, who takes it again. Only a worker that vanishes amid a job counts against it.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from pydantic.alias_generators import to_camel
from sqlalchemy import ColumnElement, RowMapping, Select, Update, case, delete, func, select, update

from exchange.children import Stopped
from federation import outages, tokens
from federation.audit import Actor
from federation.database import Database, Reading, WriteSession, clock, dialect, insert, table
from federation.tokens import Grant
from federation.wishes import File, Wish
from schema.entry import stamp
from schema.errors import Busy, FolkmootError, Forbidden, LeaseLost, NotFound
from schema.tables import Job

if TYPE_CHECKING:
    from federation.register import Outcome

log = structlog.get_logger("folkmoot.imports")
IMPORT = "import"
KEPT = timedelta(days=30)
TRIES = 3
MOST_WAITING = 20
LEASE = timedelta(seconds=60)
RENEW = 15.0
FAULT_SECONDS = 5.0
_OVERTAKEN = (
    "A record was withdrawn as personal data before this file was imported, and the file may still hold it: "
    "take it out there and send the file again."
)
_VANISHED = (
    f"This import was begun {TRIES} times, and each time the server ended in the middle of it, without being stopped. "
    "The file may be the reason or not: send it again, and where it fails again ask the operator, whose log says more."
)
_job = table(Job)


@dataclass(frozen=True, slots=True)
class Claim:
    """A job in the hands of one worker. `tries` counts the starts before this one whose worker vanished."""

    id: str
    owner: str
    token_id: int | None
    tries: int
    file: File
    wish: Wish
    request: str = ""


def ask(session: WriteSession, grant: Grant, file: File, wish: Wish, now: datetime, *, request: str = "") -> str:
    """Queue an import. Gives the job's id, which nobody can guess. Raises `Busy` where too many wait already.

    `request` is the name of the request, for the audit log.
    """
    job = secrets.token_urlsafe(16)
    session.connection().execute(delete(_job).where(_job.c.finished < now - KEPT))
    mine = select(func.count()).where(_job.c.publisher == file.publisher, _job.c.finished.is_(None))
    if session.connection().execute(mine).scalar_one() >= MOST_WAITING:
        raise Busy(f"{MOST_WAITING} imports of {file.publisher} wait already; ask again when they are done.")
    options = {"kind": file.kind, "name": file.name, "format": file.format, "wish": asdict(wish), "request": request}
    row = {
        "id": job,
        "task": IMPORT,
        "state": "queued",
        "publisher": file.publisher,
        "token_id": grant.token_id,
        "options": orjson.dumps(options).decode(),
        "body": file.body,
        "tries": 0,
        "created": now,
    }
    insert(session, Job, [row])
    return job


def status(session: Reading, job: str, grant: Grant) -> dict[str, Any]:
    """What is known of a job. Raises `NotFound`, for another publisher's job too: an id tells nothing."""
    wanted = select(_job).where(_job.c.id == job, _job.c.publisher == grant.publisher)
    # A NUL is in no id, and PostgreSQL takes none in a question.
    row = None if "\x00" in job else session.connection().execute(wanted).mappings().one_or_none()
    options = orjson.loads(row["options"]) if row is not None else {}
    if row is None or (grant.kinds is not None and options["kind"] not in grant.kinds):
        raise NotFound(f"There is no import '{job[:80]}'.")
    told = {"id": row["id"], "state": row["state"], "kind": options["kind"], "publisher": row["publisher"]}
    wish = {to_camel(name): value for name, value in options["wish"].items()}
    times = {name: stamp(row[name]) for name in ("created", "started", "finished") if row[name] is not None}
    return {**told, **wish, **times, **(orjson.loads(row["result"]) if row["result"] else {})}


def waiting(session: Reading, owner: str = "") -> bool:
    """Whether there is a job to claim."""
    return session.connection().execute(_free(session, owner).limit(1)).first() is not None


def claim(session: WriteSession, owner: str = "") -> Claim | None:
    """Take a job that nobody holds, by the database's clock. None where there is none.

    Publishers take turns: the one whose last start is longest ago is first, with its oldest job. `owner` names a
    worker, who does one job at a time: what it holds already was broken off by an outage.
    """
    owner, now = owner or secrets.token_hex(16), clock(session)
    last = select(_job.c.publisher, func.max(_job.c.started).label("start")).group_by(_job.c.publisher).subquery()
    free = _free(session, owner).join(last, last.c.publisher == _job.c.publisher)
    free = free.order_by(last.c.start.asc().nulls_first(), _job.c.created, _job.c.id).limit(1)
    if dialect(session) != "sqlite":
        free = free.with_for_update(skip_locked=True, of=_job)
    vanished = case(((_job.c.state == "running") & (_job.c.owner != owner), 1), else_=0)
    taken = (
        update(_job)
        .where(_job.c.id == free.correlate(None).scalar_subquery())
        .values(state="running", owner=owner, leased_until=now + LEASE, started=now, tries=_job.c.tries + vanished)
        .returning(*_job.c)
    )
    row = session.connection().execute(taken).mappings().one_or_none()
    return None if row is None else _claimed(row)


def _free(session: Reading, owner: str) -> Select[tuple[str]]:
    left: ColumnElement[bool] = (_job.c.leased_until < clock(session)) | (_job.c.owner == owner)
    unheld = (_job.c.state == "queued") | ((_job.c.state == "running") & left)
    return select(_job.c.id).where(_job.c.task == IMPORT, unheld)


def _claimed(row: RowMapping) -> Claim:
    options = orjson.loads(row["options"])
    file = File(row["body"], options["name"], options["kind"], row["publisher"], options["format"])
    return Claim(
        row["id"],
        row["owner"],
        row["token_id"],
        row["tries"],
        file,
        Wish(**options["wish"]),
        options.get("request", ""),
    )


def turn(
    database: Database, *, node: str, now: datetime, owner: str = "", stopping: Callable[[], bool] = lambda: False
) -> bool:
    """Do one job, if there is one. Gives whether there was. Once `stopping` says so, a file is read no further."""
    with database.read() as session:
        if not waiting(session, owner):
            return False
    with database.write() as session:
        held = claim(session, owner)
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
        _finish(session, held, outcome.state, {"report": outcome.report.as_json(), **error}, now)

    parse = partial(parse_apart, stopping=stopping)
    try:
        with _renewed(database, held):
            actor = _actor(database, held, now)
            register.run(database, held.file, held.wish, node=node, now=now, also=ended, actor=actor, parse=parse)
    except LeaseLost:
        return
    except Stopped:
        _give_back(database, held.owner)
    except FolkmootError as error:
        _fail(database, held, error.detail, now)
    except Exception as error:
        if not passes(error):
            _fail(database, held, "The server could not do this import; its log says why.", now)
        raise


def passes(error: BaseException) -> bool:
    """Whether an import met what is no fault of its file and passes: a database that does not serve, a full disk."""
    return outages.is_outage(error) or isinstance(error, OSError)


def _give_back(database: Database, owner: str) -> None:
    """Let the job that a worker holds wait as before, for whoever comes."""
    held = update(_job).where(_job.c.owner == owner, _job.c.state == "running")
    with database.write() as session:
        session.connection().execute(held.values(state="queued", owner=None, leased_until=None))


def _fail(database: Database, held: Claim, sentence: str, now: datetime) -> None:
    try:
        with database.write() as session:
            _finish(session, held, "failed", {"error": sentence}, now)
    except LeaseLost:
        return


def _actor(database: Database, held: Claim, now: datetime) -> Actor:
    """Who asked for a job. Raises where it must not be done: they may no longer, or it has ended this server before."""
    if held.tries >= TRIES:
        raise Busy(_VANISHED)
    with database.read() as session:
        if held.token_id is None or not tokens.alive(session, held.token_id, now):
            raise Forbidden("The token that asked for this import has been revoked or has expired since.")
        return Actor("token", tokens.named(session, held.token_id), held.token_id, held.request)


def _finish(session: WriteSession, held: Claim, state: str, result: Mapping[str, Any], now: datetime) -> None:
    """End the job in this transaction, or raise `LeaseLost`. The file itself is not kept any longer."""
    done = _mine(held).values(
        state=state, body=None, result=orjson.dumps(result), finished=now, owner=None, leased_until=None
    )
    if session.connection().execute(done).rowcount != 1:
        raise LeaseLost("Another worker has taken this import.")


def erase(session: WriteSession, publisher: str, kind: str, *, now: datetime) -> None:
    """Forget what imports of a kind hold, when a record of it is withdrawn as personal data. Reports keep no cell.

    A file that is not imported yet never is, for it could publish the record again: under which ids its rows would
    land only an import can tell. A worker that has it in hand has lost it, and what it did is rolled back.
    """
    asked = select(_job.c.id, _job.c.options).where(_job.c.publisher == publisher)
    rows = session.connection().execute(asked)
    mine = _job.c.id.in_([job for job, options in rows if orjson.loads(options)["kind"] == kind])
    failed = {"state": "failed", "body": None, "result": orjson.dumps({"error": _OVERTAKEN}), "finished": now}
    unfinished = update(_job).where(mine, _job.c.finished.is_(None))
    session.connection().execute(unfinished.values(**failed, owner=None, leased_until=None))
    told = select(_job.c.id, _job.c.result).where(mine, _job.c.result.is_not(None))
    for job, result in session.connection().execute(told).all():
        session.connection().execute(update(_job).where(_job.c.id == job).values(result=_without_cells(result)))


def _without_cells(result: bytes) -> bytes:
    told = orjson.loads(result)
    for problem in told.get("report", {}).get("problems", []):
        problem["value"] = ""
    return orjson.dumps(told)


@contextmanager
def _renewed(database: Database, held: Claim) -> Iterator[None]:
    """Keep the lease while the work lasts."""
    over = threading.Event()

    def renew() -> None:
        # On SQLite the import's own transaction keeps this one waiting, and every other worker with it.
        while not over.wait(RENEW):
            try:
                with database.write() as session:
                    session.connection().execute(_mine(held).values(leased_until=clock(session) + LEASE))
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


def _mine(held: Claim) -> Update:
    return update(_job).where(_job.c.id == held.id, _job.c.owner == held.owner, _job.c.state == "running")


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
                pause = FAULT_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        if self._told:
            await asyncio.to_thread(self._leave)

    def _leave(self) -> None:
        """Give back what an outage broke off, where it is over: to be stopped amid one is no fault of the file."""
        try:
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
