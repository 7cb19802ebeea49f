"""Imports that a request asked for and a worker does. The queue is the table, so that nothing is lost by a restart.

A worker (federation/importer.py) claims a job under a lease and renews it while it works. What it publishes and the end
of the job are one transaction that only the holder of the lease can commit: a job is done once, however often it was
begun.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic.alias_generators import to_camel
from sqlalchemy import ColumnElement, RowMapping, Select, Update, case, delete, func, select, update

from federation.database import Reading, WriteSession, clock, dialect, insert, table
from federation.tokens import Grant
from federation.wishes import File, Wish
from schema.entry import stamp
from schema.errors import Busy, LeaseLost, NotFound
from schema.tables import Job

IMPORT = "import"
KEPT = timedelta(days=30)
TRIES = 3
MOST_WAITING = 20
LEASE = timedelta(seconds=60)
_OVERTAKEN = (
    "A record was withdrawn as personal data before this file was imported, and the file may still hold it: "
    "take it out there and send the file again."
)
_UNTOLD = (
    "It failed. What was said of the file is erased: a record was withdrawn as personal data, and it may have held it."
)
_job = table(Job)
_QUOTED = re.compile("'.*'", re.DOTALL)
"""What a message may quote of a file."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job in the hands of one worker.

    `tries` counts the starts before this one whose worker vanished, or met a full disk.
    """

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
    forget(session, now)
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
    worker, who does one job at a time: what it holds already was broken off by an outage, and comes before all others,
    for nobody renews its lease meanwhile.
    """
    owner, now = owner or secrets.token_hex(16), clock(session)
    last = select(_job.c.publisher, func.max(_job.c.started).label("start")).group_by(_job.c.publisher).subquery()
    free = _free(session, owner).join(last, last.c.publisher == _job.c.publisher)
    mine_first = case((_job.c.owner == owner, 0), else_=1)
    free = free.order_by(mine_first, last.c.start.asc().nulls_first(), _job.c.created, _job.c.id).limit(1)
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


def renew(session: WriteSession, held: Claim) -> None:
    """Let the lease begin anew, unless it is lost."""
    session.connection().execute(_mine(held).values(leased_until=clock(session) + LEASE))


def holds(session: Reading, owner: str) -> bool:
    """Whether a worker holds a job."""
    return session.connection().execute(select(_job.c.id).where(_of(owner)).limit(1)).first() is not None


def give_back(session: WriteSession, owner: str, *, counted: bool = False) -> None:
    """Let the job that a worker holds wait as before, for whoever comes. `counted`: this start counts against it."""
    waits = {"state": "queued", "owner": None, "leased_until": None}
    session.connection().execute(update(_job).where(_of(owner)).values(**waits, tries=_job.c.tries + int(counted)))


def _mine(held: Claim) -> Update:
    return update(_job).where(_job.c.id == held.id, _of(held.owner))


def _of(owner: str) -> ColumnElement[bool]:
    return (_job.c.owner == owner) & (_job.c.state == "running")


def finish(session: WriteSession, held: Claim, state: str, result: Mapping[str, Any], now: datetime) -> None:
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
    if "report" not in told and told["error"] != _OVERTAKEN:  # what cannot be read at all is told by its first cells
        told["error"] = _UNTOLD
    for problem in told.get("report", {}).get("problems", []):
        problem |= {"value": "", "message": _QUOTED.sub("'...'", problem["message"])}
        if problem["code"] == "doubled-column":  # where what is expected is what the other cell says
            problem["expected"] = ""
    return orjson.dumps(told)


def forget(session: WriteSession, now: datetime) -> None:
    """Forget the reports of jobs that ended long ago."""
    session.connection().execute(delete(_job).where(_job.c.finished < now - KEPT))
