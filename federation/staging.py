"""One walk along the log: its changes become documents, in the order of their numbers, and are staged and committed."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator, Mapping

from federation import log, scan
from federation.database import Database, Reading
from federation.documents import Document, Place
from federation.index import Reached, Sink
from federation.making import document, place_of
from federation.scan import Rows
from schema.errors import Busy

COMMIT = 80_000
"""Changes a commit at most."""
PATIENCE = 3.0
"""Seconds of work after which what was staged is committed, where the end of the log is not reached before.

Each commit costs a new segment, and its share of merging: commits of 5,000 changes cost a first crawl a third of the
engine's time. Who waits for the end of what is behind sees it sooner so."""


class Renumbered(Busy):
    """The log is of another epoch than where a walk began: what was staged may stand under ids that are no more."""


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
        self.epoch = reached.epoch if reached else ""
        self.from_zero = reached is None
        self.top = reached.row if reached else 0
        self.first_sight = -1
        self.begun = reached.begun if reached else 0
        self.used: dict[str, Place | None] = {}
        self.places: dict[str, Place] = {}
        self.asked: set[str] = set()

    def to_the_end(self) -> int:
        """Stage and commit all that there is. Gives the change number reached."""
        if self.from_zero:
            with self.database.read() as session:
                self.begun = self.first_sight = log.latest(session)
        while self._step():
            pass
        return self.number

    def _step(self) -> bool:
        """Stage the next changes and commit them; whether there may be more."""
        start, begun = self.number, time.monotonic()
        rows: Rows = ()
        with self.database.read() as session:
            of = scan.epoch(session)
            if (self.epoch or of) != of:
                raise Renumbered("The log was numbered anew while the index was made. Try again.")
            self.epoch = of
            until = begun + PATIENCE
            self.places, self.asked = {}, set()
            for _ in range(max(1, COMMIT // scan.BATCH)):
                rows = scan.after(session, self.number, scan.BATCH)
                if rows:
                    self._stage(session, rows)
                    self.number = rows[-1].number
                if len(rows) < scan.BATCH or time.monotonic() > until:
                    break
        more = len(rows) == scan.BATCH
        if (self.number > start or not self.committed) and not (self.unseen and more):
            self.sink.commit(Reached(of, self.number, self.top, self.begun))
            self.committed = True
        return more

    def _stage(self, session: Reading, rows: Rows) -> None:
        told = {row.publisher for row in rows if scan.is_own(row)}
        places = self._places(session, {row.publisher for row in rows}, told)
        self._restage(session, [name for name in told if self.used.get(name, self) != places.get(name)], places)
        self.used |= {name: places.get(name) for name in told}
        if self.from_zero:
            for row in rows:
                self.used.setdefault(row.publisher, places.get(row.publisher))
        self._hand_over(rows, places)

    def _restage(self, session: Reading, names: Collection[str], places: Mapping[str, Place]) -> None:
        """Stage what the sink holds of publishers that now speak of themselves in other words."""
        for publisher in scan.having(session, names, self.number):
            for earlier in scan.of_publisher(session, publisher, self.number):
                self.sink.stage(_documents(earlier, places), ())

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
            self.places |= {row.publisher: place_of(row.data) for row in scan.telling(session, asked) if row.data}
        return self.places


def _documents(rows: Rows, places: Mapping[str, Place]) -> Iterator[Document]:
    for row in rows:
        made = document(row, places.get(row.publisher))
        if made is not None:
            yield made
