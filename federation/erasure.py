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

import structlog
from sqlalchemy import ColumnElement, and_, bindparam, case, delete, exists, func, select, update

from federation import examining, forgetting, idempotency, jobs, log, moved, outages
from federation.database import Database, Reading, WriteSession, clock, table, upserting
from schema.change import read_origin
from schema.tables import Erasure, History, Problem, Publisher, Record, Removal, Shadow, Unproven

AFTER = timedelta(hours=72)
_CHUNK = 500
_erasure, _history, _shadow, _unproven = table(Erasure), table(History), table(Shadow), table(Unproven)
_removal, _problem, _record, _publisher = table(Removal), table(Problem), table(Record), table(Publisher)
logger = structlog.get_logger("folkmoot.erasure")

Withdrawn = tuple[str, int, int | None]
"""A record's id, the change number of its tombstone, and the node that it came by."""


def note(session: WriteSession, withdrawn: Sequence[Withdrawn], *, now: datetime) -> None:
    """Remember what must be erased within 72 hours. What was to be erased before stays due as it was."""
    if not withdrawn:
        return
    rows = [
        {"id": record, "number": number, "node_id": node, "since": now, "due": now + AFTER, "erased": None}
        for record, number, node in withdrawn
    ]
    statement = upserting(session, _erasure)
    new = statement.excluded
    again = {name: new[name] for name in ("number", "node_id", "erased")}
    again |= {name: case((_erasure.c.erased.is_(None), _erasure.c[name]), else_=new[name]) for name in ("since", "due")}
    session.connection().execute(statement.on_conflict_do_update(index_elements=["id"], set_=again), rows)
    for record, number, _node in withdrawn:
        logger.info("withdrawn as personal data", record=record, change=number)


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


def here(session: WriteSession, record: str, number: int, *, now: datetime) -> None:
    """Erase an own record that was withdrawn with the change of this number."""
    note(session, [(record, number, None)], now=now)
    _erase_where(session, _erasure.c.id == record, now=now)


def newest(session: Reading) -> int:
    """The change number of the newest withdrawal: a file that is complete up to a lower one may hold what is gone."""
    found: int | None = session.connection().execute(select(func.max(_erasure.c.number))).scalar_one()
    return found or 0


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


def _waiting(session: Reading, which: ColumnElement[bool], *, limit: int) -> list[tuple[str, int]]:
    chosen = select(_erasure.c.id, _erasure.c.number).where(_erasure.c.erased.is_(None), which)
    rows = session.connection().execute(chosen.order_by(_erasure.c.due, _erasure.c.id).limit(limit))
    return [(record, number) for record, number in rows]


def _erase_where(session: WriteSession, which: ColumnElement[bool], *, now: datetime) -> int:
    log.lock(session)
    found = _waiting(session, which, limit=_CHUNK)
    if found:
        _erase(session, found, now=now)
        done = update(_erasure).where(_erasure.c.id.in_([record for record, _number in found]))
        session.connection().execute(done.values(erased=now))
    for record, number in found:
        logger.info("erased", record=record, change=number)
    return len(found)


def _erase(session: WriteSession, found: Sequence[tuple[str, int]], *, now: datetime) -> None:
    """Purge what is kept of records up to the change that withdrew each; what was published after it stays."""
    connection = session.connection()
    names = moved.earlier(session, [record for record, _number in found])
    numbers = {name: number for record, number in found for name in names[record]}
    ids = list(numbers)
    seqs = _seqs(session, [number for _record, number in found])  # before the history goes, where a tombstone may be
    each = [{"record": name, "upto": number} for name, number in numbers.items()]
    before = and_(_history.c.id == bindparam("record"), _history.c.number <= bindparam("upto"))
    connection.execute(delete(_history).where(before), each)
    said = [{"record": name, "upto": seqs[number]} for name, number in numbers.items() if number in seqs]
    for words in (_shadow, _unproven) if said else ():
        older = and_(words.c.id == bindparam("record"), words.c.seq <= bindparam("upto"))
        connection.execute(delete(words).where(older, words.c.data.is_not(None)), said)
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


def _seqs(session: Reading, numbers: Sequence[int]) -> dict[int, int]:
    """The origin's own number of each tombstone, by its change number here.

    It is the state of its record, or in the history of one that was published again.
    """
    found: dict[int, int] = {}
    for states in (_record, _history):
        chosen = select(states.c.number, states.c.origin).where(states.c.number.in_(numbers), states.c.deleted)
        found.update((number, read_origin(origin).seq) for number, origin in session.connection().execute(chosen))
    return found


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
        told = ""
        while not stop.is_set():
            try:
                await asyncio.to_thread(self.turn)
                told = ""
            except Exception as error:
                if not outages.is_fault(error):
                    raise
                told = _tell(error, told)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._every)


def _tell(error: Exception, before: str) -> str:
    """Tell of an outage in one line, once as long as it is the same; of a fault of ours with its traceback."""
    told = outages.sentence(error)
    if not outages.is_outage(error):
        logger.error("what is due could not be erased; it is tried again", exc_info=error)
    elif told != before:
        logger.error("the database does not serve; what is due is erased later", error=told)
    return told
