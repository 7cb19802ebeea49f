"""What is withdrawn as personal data is erased: at once here, on release, or after 72 hours (protocol section 5).

The tombstone itself waits for nothing: it hides the record everywhere when it lands. What is kept beside the record
(its history, other routes' words, removals, problems that quote it, stored answers, files of imports) goes when it is
due, under the ids that it had before its node moved too, and bulk files with it (`federation/bulk.py`). What is logged
names the record and has no content.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, and_, bindparam, case, delete, exists, func, select, update

from federation import audit, examining, forgetting, idempotency, jobs, log, moved, outages, told
from federation import rows as rows_of
from federation.database import Database, Reading, WriteSession, clock, table, upserting
from federation.merge import DIRECT, Withdrawal
from schema.tables import Audit, Erasure, History, Problem, Publisher, Record, Removal, Shadow, Unproven

AFTER = timedelta(hours=72)
REST = timedelta(hours=24)
"""How long a withdrawn record rests before it is published again.

It stands in the feed once: published sooner, it would hide its withdrawal from every reader that has not called since,
and from their readers, and they would erase nothing. A reader that gets no answer calls again every six hours.
"""
_CHUNK = 500
_SAID = ("origin_node", "seq", "rank")
_erasure, _history, _shadow, _unproven = table(Erasure), table(History), table(Shadow), table(Unproven)
_removal, _problem, _record, _publisher = table(Removal), table(Problem), table(Record), table(Publisher)
_audit = table(Audit)
logger = structlog.get_logger("folkmoot.erasure")


class Rest(NamedTuple):
    """Until when a withdrawn record rests, and the SHA-256 of what it was, which is not published again at all."""

    until: datetime
    was: frozenset[str]

    def holds(self, data: bytes, *, now: datetime) -> bool:
        """Whether this is not to be published under the record's id now, where nothing is."""
        return now < self.until or self.knows(data)

    def knows(self, data: bytes) -> bool:
        """Whether this is what was withdrawn: not to be published under the record's id at all."""
        return audit.digest(data) in self.was


class Withdrawn(NamedTuple):
    """A record's id, the change number of its tombstone here, the node that it came by, and its origin's word."""

    id: str
    number: int
    node_id: int | None
    said: Withdrawal


def note(session: WriteSession, withdrawn: Sequence[Withdrawn], *, now: datetime) -> None:
    """Remember what must be erased within 72 hours. What was to be erased before stays due as it was.

    What problems quote, which anybody may read, goes at once.
    """
    if not withdrawn:
        return
    waits = {"since": now, "due": now + AFTER, "erased": None}
    rows = [
        {"id": one.id, "number": one.number, "node_id": one.node_id, **asdict(one.said), **waits} for one in withdrawn
    ]
    statement = upserting(session, _erasure)
    new = statement.excluded
    again = {name: new[name] for name in ("number", "node_id", "erased", *_SAID)}
    again |= {name: case((_erasure.c.erased.is_(None), _erasure.c[name]), else_=new[name]) for name in ("since", "due")}
    session.connection().execute(statement.on_conflict_do_update(index_elements=["id"], set_=again), rows)
    names = moved.earlier(session, [one.id for one in withdrawn])
    told.unquote(session, [name for some in names.values() for name in some])
    for one in withdrawn:
        logger.info("withdrawn as personal data", record=one.id, change=one.number)


def words(session: Reading, ids: Sequence[str]) -> dict[str, Withdrawal]:
    """With which word of its origin each of these records was last withdrawn for a person's sake, if it ever was."""
    if session.connection().execute(select(_erasure.c.id).limit(1)).first() is None:
        return {}
    found = rows_of.find(session, Erasure, ("id", *_SAID), ids)
    return {record: Withdrawal(*said) for record, *said in found if None not in said}


def by_others(session: Reading, origin: str, *, since: datetime) -> bool:
    """Whether another route's word has withdrawn a record of this origin since then."""
    theirs = (_erasure.c.origin_node == origin) & (_erasure.c.rank > DIRECT) & (_erasure.c.since >= since)
    return session.connection().execute(select(_erasure.c.id).where(theirs).limit(1)).first() is not None


def sweep(database: Database, *, now: datetime) -> int:
    """Erase all that is due at `now`, some records a transaction. Gives how many records that were."""
    with database.present() as session:
        if not _waiting(session, _erasure.c.due <= now, limit=1):
            return 0
    total = 0
    while True:
        with database.write() as session:
            count = _erase_where(session, _erasure.c.due <= now, now=now)
        total += count
        if count < _CHUNK:
            return total


def of_node(session: WriteSession, node_id: int, *, now: datetime) -> int:
    """Erase what a node has withdrawn, due or not: its removals were released. Gives how many records that were."""
    total = 0
    while count := _erase_where(session, _erasure.c.node_id == node_id, now=now):
        total += count
    return total


def here(session: WriteSession, record: str, number: int, *, node: str, now: datetime) -> None:
    """Erase an own record, of this node (its id), that was withdrawn with the change of this number."""
    note(session, [Withdrawn(record, number, None, Withdrawal(node, number, DIRECT))], now=now)
    _erase_where(session, _erasure.c.id == record, now=now)


def resting(session: Reading, prefix: str) -> dict[str, Rest]:
    """The own records below a prefix of ids, or of this id, that were withdrawn: until when each rests, what it was."""
    below = func.substr(_erasure.c.id, 1, len(prefix)) == prefix
    known = {
        row.id: row.since for row in session.connection().execute(select(_erasure.c.id, _erasure.c.since).where(below))
    }
    if not known:
        return {}
    # What was deleted later was published after the withdrawal, without the personal data.
    gone = select(_audit.c.record, _audit.c.before).join(_erasure, _erasure.c.id == _audit.c.record)
    gone = gone.where(below, _audit.c.action == "delete", _audit.c.number <= _erasure.c.number)
    was: dict[str, set[str]] = {}
    for row in session.connection().execute(gone):
        was.setdefault(row.record, set()).add(row.before)
    return {record: Rest(since + REST, frozenset(was.get(record, ()))) for record, since in known.items()}


def newest(session: Reading) -> int:
    """The change number of the newest withdrawal: a file that is complete up to a lower one may hold what is gone."""
    found: int | None = session.connection().execute(select(func.max(_erasure.c.number))).scalar_one()
    return found or 0


def later(session: Reading, number: int) -> datetime | None:
    """Since when a record is withdrawn with a later change than this; None where none is.

    What was made from the log as it stood at that change may hold such a record.
    """
    since = select(func.min(_erasure.c.since)).where(_erasure.c.number > number)
    found: datetime | None = session.connection().execute(since).scalar_one()
    return found


def renumber(session: WriteSession) -> None:
    """Let what waits to be erased name its tombstone's number of now, after all records were appended again.

    A tombstone in the history, of a record that was published again, has kept its number.
    """
    standing = select(_record.c.number).where(_record.c.id == _erasure.c.id, _record.c.deleted)
    past = exists().where(_history.c.number == _erasure.c.number)
    chosen = update(_erasure).where(_erasure.c.erased.is_(None), standing.exists(), ~past)
    session.connection().execute(chosen.values(number=standing.scalar_subquery()))


def pending(session: Reading, due: datetime | None = None) -> int:
    """How many records wait to be erased; with `due` how many of them should have been by then."""
    chosen = select(func.count()).select_from(_erasure).where(_erasure.c.erased.is_(None))
    found: int = (
        session.connection().execute(chosen if due is None else chosen.where(_erasure.c.due <= due)).scalar_one()
    )
    return found


_Due = tuple[str, int, int | None]
"""A record's id, the change number of its tombstone, and its origin's own number of that."""


def _waiting(session: Reading, which: ColumnElement[bool], *, limit: int) -> list[_Due]:
    chosen = select(_erasure.c.id, _erasure.c.number, _erasure.c.seq).where(_erasure.c.erased.is_(None), which)
    rows = session.connection().execute(chosen.order_by(_erasure.c.due, _erasure.c.id).limit(limit))
    return [(record, number, seq) for record, number, seq in rows]


def _erase_where(session: WriteSession, which: ColumnElement[bool], *, now: datetime) -> int:
    log.lock(session)
    found = _waiting(session, which, limit=_CHUNK)
    if found:
        _erase(session, found, now=now)
        done = update(_erasure).where(_erasure.c.id.in_([record for record, *_rest in found]))
        session.connection().execute(done.values(erased=now))
    for record, number, _seq in found:
        logger.info("erased", record=record, change=number)
    return len(found)


def _erase(session: WriteSession, found: Sequence[_Due], *, now: datetime) -> None:
    """Purge what is kept of records up to the change that withdrew each; what was published after it stays."""
    connection = session.connection()
    names = moved.earlier(session, [record for record, *_rest in found])
    ids = [name for some in names.values() for name in some]
    each = [{"record": name, "upto": number} for record, number, _seq in found for name in names[record]]
    before = and_(_history.c.id == bindparam("record"), _history.c.number <= bindparam("upto"))
    connection.execute(delete(_history).where(before), each)
    said = [
        {"record": name, "upto": seq} for record, _number, seq in found if seq is not None for name in names[record]
    ]
    for routes in (_shadow, _unproven) if said else ():
        older = and_(routes.c.id == bindparam("record"), routes.c.seq <= bindparam("upto"))
        connection.execute(delete(routes).where(older, routes.c.data.is_not(None)), said)
    gone = select(_record.c.id).where(_record.c.id.in_(ids), _record.c.deleted)
    connection.execute(delete(_problem).where(_problem.c.record_id.in_(gone)))
    connection.execute(delete(_removal).where(_removal.c.id.in_(gone), _removal.c.state != "gone"))
    own = select(_record.c.id, _record.c.kind, _record.c.publisher).join(
        _publisher, _publisher.c.id == _record.c.publisher
    )
    mine = connection.execute(own.where(_record.c.id.in_(ids), _record.c.node_id.is_(None))).all()
    for row in mine:
        idempotency.erase(session, row.id)
    for publisher, kind in {(row.publisher, row.kind) for row in mine}:
        jobs.erase(session, publisher, kind, now=now)


class Eraser:
    """The worker beside a server or a crawl: erases what is due, every minute."""

    def __init__(
        self, database: Database, *, every: float = 60.0, clock: Callable[[Reading], datetime] = clock
    ) -> None:
        self._database, self._every, self._clock = database, every, clock

    def turn(self) -> int:
        """Erase what is due by the database's clock, and checks that are over: their reports quote what was found.

        Beside it what other people's names have left behind goes, once a day.
        """
        with self._database.present() as session:
            now = self._clock(session)
            over = examining.over(session, now)
        if over:
            with self._database.write() as writing:
                examining.forget(writing, now)
        done = sweep(self._database, now=now)
        forgetting.sweep(self._database, now=now)  # last: what the law asks for does not wait for it
        return done

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. A database that does not answer is asked again the next time."""
        before = ""
        while not stop.is_set():
            try:
                await asyncio.to_thread(self.turn)
                before = ""
            except Exception as error:
                if not outages.is_fault(error):
                    raise
                before = _tell(error, before)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._every)


def _tell(error: Exception, before: str) -> str:
    """Tell of an outage in one line, once as long as it is the same; of a fault of ours with its traceback."""
    line = outages.sentence(error)
    if not outages.is_outage(error):
        logger.error("what is due could not be erased; it is tried again", exc_info=error)
    elif line != before:
        logger.error("the database does not serve; what is due is erased later", error=line)
    return line
