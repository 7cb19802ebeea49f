"""One walk along the log: its changes become documents, in the order of their numbers, and are staged and committed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Executable, select

from federation import log, publishers
from federation.database import Database, Reading, table
from federation.documents import Document, Place, Source, document, place_of
from federation.index import Reached, Sink
from schema.tables import Record

READ, COMMIT = 1_000, 80_000
"""Rows a statement, and changes a commit at most."""
PATIENCE = 3.0
"""Seconds of work after which what was staged is committed, where the end of the log is not reached before.

Each commit costs a new segment, and its share of merging: commits of 5,000 changes cost a first crawl a third of the
engine's time. Who waits for the end of what is behind sees it sooner so."""
_record = table(Record)
_COLUMNS = (
    _record.c.row,
    _record.c.id,
    _record.c.kind,
    _record.c.publisher,
    _record.c.number,
    _record.c.data,
    _record.c.changed,
    _record.c.signature,
)
Rows = Sequence[Source]


class Walk:
    """One walk along the log, from where a sink stands to the log's end.

    What an organisation record says of its publisher (name, region, nation) stands in the documents of all of that
    publisher's records: when it changes, those that the sink already holds are staged again in the same commit.
    `used` is what they were staged with, as far as this walk knows.

    A walk from zero fills an empty sink. A record stands at one number, so whatever is read at or below the number
    that was the log's latest when the walk began is read for the first time: nothing needs to be taken out for it. And
    a record whose row is above all that the sink ever held (`top`) is new to it in any walk: to look for what it would
    replace costs the engine as much again.
    Nobody sees an `unseen` sink before the end, so it is committed once.
    """

    def __init__(self, database: Database, sink: Sink, reached: Reached | None, *, unseen: bool = False) -> None:
        self.database = database
        self.sink = sink
        self.unseen = unseen
        self.number = reached.number if reached else 0
        self.committed = reached is not None
        self.from_zero = reached is None
        self.top = reached.row if reached else 0
        self.first_sight = -1
        self.used: dict[str, Place | None] = {}
        self.places: dict[str, Place] = {}
        self.asked: set[str] = set()

    def to_the_end(self) -> int:
        """Stage and commit all that there is. Gives the change number reached."""
        if self.from_zero:
            with self.database.read() as session:
                self.first_sight = log.latest(session)
        while self._step():
            pass
        return self.number

    def _step(self) -> bool:
        """Stage the next changes and commit them; whether there may be more."""
        start, begun = self.number, time.monotonic()
        rows: Rows = ()
        with self.database.read() as session:
            of = epoch(session)
            until = begun + PATIENCE
            self.places, self.asked = {}, set()
            for _ in range(max(1, COMMIT // READ)):
                rows = _after(session, self.number, READ)
                if rows:
                    self._stage(session, rows)
                    self.number = rows[-1].number
                if len(rows) < READ or time.monotonic() > until:
                    break
        more = len(rows) == READ
        if (self.number > start or not self.committed) and not (self.unseen and more):
            self.sink.commit(Reached(of, self.number, self.top))
            self.committed = True
        return more

    def _stage(self, session: Reading, rows: Rows) -> None:
        told = {row.publisher for row in rows if _is_own(row)}
        places = self._places(session, {row.publisher for row in rows}, told)
        for publisher in told:
            place = places.get(publisher)
            if self.number and self.used.get(publisher, self) != place:
                for earlier in _of_publisher(session, publisher, self.number):
                    self.sink.stage(_documents(earlier, places), ())
            self.used[publisher] = place
        if self.from_zero:
            for row in rows:
                self.used.setdefault(row.publisher, places.get(row.publisher))
        self._hand_over(rows, places)

    def _hand_over(self, rows: Rows, places: Mapping[str, Place]) -> None:
        new, known = rows, rows[:0]
        if rows[-1].number > self.first_sight:
            top = sys.maxsize if self.top is None else self.top
            new = [row for row in rows if row.row > top]
            known = [row for row in rows if row.row <= top]
        if self.top is not None:
            self.top = max(self.top, *(row.row for row in rows))
        if known:
            self.sink.stage(_documents(known, places), [row.id for row in known if row.data is None])
        if new:
            self.sink.stage(_documents(new, places), (), new=True)

    def _places(self, session: Reading, names: set[str], told: set[str]) -> Mapping[str, Place]:
        """What these publishers say of themselves: read once a commit, and again where it stands among the rows."""
        asked = {name for name in names if name not in self.asked or name in told}
        if asked:
            self.asked |= asked
            for name in asked:
                self.places.pop(name, None)
            self.places |= _places(session, asked)
        return self.places


def _documents(rows: Rows, places: Mapping[str, Place]) -> Iterator[Document]:
    for row in rows:
        made = document(row, places.get(row.publisher))
        if made is not None:
            yield made


def _places(session: Reading, names: Iterable[str]) -> dict[str, Place]:
    """What each publisher's own organisation record says; the first to come, where several nodes have one."""
    chosen = (
        select(*_COLUMNS)
        .where(_record.c.publisher.in_(list(names)), _record.c.kind == "organisation", ~_record.c.deleted)
        .order_by(_record.c.row.desc())
    )
    return {row.publisher: place_of(row.data) for row in _sources(session, chosen) if row.data and _is_own(row)}


def _is_own(row: Source) -> bool:
    return row.kind == "organisation" and row.id.endswith(f"/organisation/{row.publisher}")


def epoch(session: Reading) -> str:
    """Which database this is: the epoch that its manifest names."""
    return publishers.recall(session, "epoch") or ""


def _after(session: Reading, number: int, limit: int) -> Rows:
    chosen = select(*_COLUMNS).where(_record.c.number > number).order_by(_record.c.number).limit(limit)
    return _sources(session, chosen)


def _sources(session: Reading, chosen: Executable) -> Rows:
    return [Source._make(row) for row in session.connection().execute(chosen)]


def _of_publisher(session: Reading, publisher: str, most: int) -> Iterator[Rows]:
    """The live records of a publisher up to a change number, in batches."""
    row = 0
    while True:
        chosen = (
            select(*_COLUMNS)
            .where(_record.c.publisher == publisher, _record.c.number <= most, ~_record.c.deleted, _record.c.row > row)
            .order_by(_record.c.row)
            .limit(READ)
        )
        rows = _sources(session, chosen)
        if not rows:
            return
        yield rows
        row = rows[-1].row
