"""Compare the index with the database: every live record's id and change number, 0 differences wanted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from federation import log
from federation.database import Database, Reading, table
from federation.follow import Follower
from federation.index import Index
from schema.errors import Busy
from schema.kinds import KINDS
from schema.tables import Record

_record = table(Record)
_CHUNK = 10_000
_NAMED = 10
Known = tuple[str, str, int]


@dataclass(slots=True)
class Verified:
    """What was compared. `missing` stands in the database alone, `extra` in the index alone; by kind."""

    records: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    extra: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def differences(self) -> int:
        """How many records the two do not agree on."""
        return self.missing.total() + self.extra.total()

    def told(self) -> dict[str, Any]:
        """The result as a program reads it."""
        return {
            "records": dict(self.records),
            "differences": self.differences,
            "missing": dict(self.missing),
            "extra": dict(self.extra),
            "examples": self.examples,
        }

    def lines(self) -> Iterator[str]:
        """The result as a person reads it."""
        for kind in sorted({*self.records, *self.missing, *self.extra}):
            yield (
                f"{kind}: {self.records[kind]:,} in the database, "
                f"{self.missing[kind]:,} missing in the index, {self.extra[kind]:,} too many"
            )
        yield f"{self.differences} differences"
        yield from self.examples


def verify(database: Database, index: Index, *, patience: float = 30.0) -> Verified:
    """Compare what the index holds with the records that live, up to the log's present end.

    Waits up to `patience` seconds for the process that writes the index to reach it. Raises `Busy` where it does not.
    """
    with database.read() as session:
        latest = log.latest(session)
    _wait(database, index, latest, patience)
    done, least = Verified(), 0
    while least <= latest:
        with database.read() as session:
            rows = _live(session, least, latest)
        most = rows[-1][2] if len(rows) == _CHUNK else latest
        _compare(database, index, set(rows), (least, most), done)
        least = most + 1
    return done


def _wait(database: Database, index: Index, latest: int, patience: float) -> None:
    until = time.monotonic() + patience
    while Follower(database, index).catch_up() < latest:
        if time.monotonic() > until:
            raise Busy(f"The index has not reached change {latest} yet; the server that writes it is behind.")
        time.sleep(0.2)


def _live(session: Reading, least: int, most: int) -> list[Known]:
    chosen = (
        select(_record.c.id, _record.c.kind, _record.c.number)
        .where(
            _record.c.number.between(least, most),
            ~_record.c.deleted,
            ~_record.c.hidden,
            _record.c.kind.in_(list(KINDS)),
        )
        .order_by(_record.c.number)
        .limit(_CHUNK)
    )
    return [(row.id, row.kind, row.number) for row in session.connection().execute(chosen)]


def _compare(database: Database, index: Index, rows: set[Known], span: tuple[int, int], done: Verified) -> None:
    found = set(index.identities(*span))
    done.records.update(kind for _, kind, _ in rows)
    missing, extra = rows - found, found - rows
    if missing or extra:
        # A record that changed while we looked stands at a new number now: what is still so is a difference.
        with database.read() as session:
            now = set(_live(session, *span))
        missing, extra = missing & now, (extra - now) & set(index.identities(*span))
    for wrong, counter, word in ((missing, done.missing, "missing"), (extra, done.extra, "too many")):
        counter.update(kind for _, kind, _ in wrong)
        for name, _, number in sorted(wrong)[: _NAMED - len(done.examples)]:
            done.examples.append(f"{word}: {name} at change {number}")
