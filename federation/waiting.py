"""Removals as rows: a tombstone for a live record waits with its page until its pass ends (protocol section 5).

`federation/removals.py` decides then. What one load of pages says of them is gathered here, and written in its
transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, exists, select

from federation import rows as bulk
from federation import told
from federation.database import Reading, WriteSession, table, upsert
from federation.merge import DIRECT, DROPPED, PERSONAL, Held, Statement
from schema.tables import Meta, Node, Removal

WAITING, HELD, GONE = "waiting", "held", "gone"
_removal, _meta, _node = table(Removal), table(Meta), table(Node)
_VERSION, SOME = "removals", "+"
"""Which row of `meta` counts how often held removals have changed, and what begins it while there are any."""
_CHUNK = 500
SAID = (
    "id",
    "kind",
    "publisher",
    "node_id",
    "origin",
    "via",
    "reason",
    "moved_to",
    "origin_node",
    "seq",
    "rank",
    "signature",
)
"""What a row keeps of a statement; a tombstone has no data."""
COLUMNS = (*SAID, "state", "since", "ends", "afresh")


class Word(NamedTuple):
    """What a waiting row says, as far as a later word may answer it."""

    state: str
    ends: bool
    seq: int
    rank: int


def waits(before: Held, after: Held) -> bool:
    """Whether a word takes a live record away, and not for a person's sake."""
    if before.winner is None or before.winner.deleted or after.winner is None:
        return False
    return after.winner.deleted and after.winner.reason != PERSONAL


class Pending:
    """What one load of one route's pages does to the removals that wait. `ids` are all those that it speaks of."""

    def __init__(self, session: WriteSession, node_id: int, ids: Sequence[str], *, afresh: bool) -> None:
        self._session, self._node_id, self._afresh = session, node_id, afresh
        self._known = _known(session, node_id, ids) if stands(session, node_id) else {}
        self._new: dict[str, tuple[Word, Statement]] = {}
        self._answered: set[str] = set()

    @property
    def count(self) -> int:
        """How many of the load's tombstones wait."""
        return len(self._new)

    @property
    def joined(self) -> int:
        """How many of those are held already, beside which they were said again."""
        return sum(word.state == HELD for word, _statement in self._new.values())

    def wait(self, statement: Statement, *, ends: bool) -> None:
        """Let a removal wait; beside removals of the same record that are held it is held too."""
        known = self._known.get(statement.id)
        state = HELD if known is not None and known.state == HELD else WAITING
        self._answered.discard(statement.id)
        self._new[statement.id] = (Word(state, ends, statement.seq, statement.rank), statement)

    def hear(self, statement: Statement, after: Held, *, ends: bool) -> None:
        """Take note of a word that did not wait: it may answer a removal that does."""
        word = self._word(statement.id)
        if word is None:
            return
        if not (ends or statement.deleted):
            newer = word.state == GONE or word.ends or statement.seq > word.seq
            if newer or (self._afresh and statement.rank == DIRECT):
                self._answer(statement.id)
        elif word.state != GONE and after.winner is not None and after.winner.deleted:
            self._answer(statement.id)

    def stand(self, ids: Iterable[str]) -> None:
        """Take note of records that the route still carries just as they are held."""
        if not self._known and not self._new:
            return
        for record_id in ids:
            word = self._word(record_id)
            if word is not None and word.state != GONE and (word.ends or (self._afresh and word.rank == DIRECT)):
                self._answer(record_id)

    def _word(self, record_id: str) -> Word | None:
        if record_id in self._answered:
            return None
        new = self._new.get(record_id)
        return new[0] if new else self._known.get(record_id)

    def _answer(self, record_id: str) -> None:
        self._new.pop(record_id, None)
        if record_id in self._known:
            self._answered.add(record_id)

    def write(self, now: datetime) -> None:
        """Put it into the database."""
        if self._answered:
            forget(self._session, self._node_id, self._answered)
        since = bulk.ready(self._session, _removal.c.since, now)
        rows = [_row(word, statement, since, afresh=self._afresh) for word, statement in self._new.values()]
        bulk.put(self._session, Removal, COLUMNS, rows, ("id", "node_id"))


def _row(word: Word, said: Statement, since: object, *, afresh: bool) -> bulk.Row:
    reason = DROPPED if word.ends else said.reason
    kept = (said.id, said.kind, said.publisher, said.node_id, said.origin, said.via, reason, said.moved_to)
    return (*kept, said.origin_node, said.seq, said.rank, said.signature, word.state, since, word.ends, afresh)


def stands(session: Reading, node_id: int, *states: str) -> bool:
    """Whether a removal of this route is known, of any state or of these."""
    asked = select(_removal.c.id).where(_removal.c.node_id == node_id).limit(1)
    return (
        session.connection().execute(asked.where(_removal.c.state.in_(states)) if states else asked).first() is not None
    )


def _known(session: Reading, node_id: int, ids: Sequence[str]) -> dict[str, Word]:
    found = bulk.find(session, Removal, ("id", "node_id", *Word._fields), ids)
    return {row[0]: Word(row[2], bool(row[3]), *row[4:]) for row in found if row[1] == node_id}


def statement(row: Any) -> Statement:
    """The tombstone that a row keeps."""
    values = row._mapping  # noqa: SLF001 - its public name is taken by a column of some rows
    return msgspec.structs.replace(_NOTHING, **{name: values[name] for name in SAID})


_NOTHING = Statement("", "", "", None, None, b"", None, None, None, "", 0, 0)


def forget(session: WriteSession, node_id: int, ids: Iterable[str]) -> None:
    """Forget removals of one route, whatever their state; where one was held, the marks of records change."""
    gone, states = list(ids), set[str]()
    for start in range(0, len(gone), _CHUNK):
        these = (_removal.c.node_id == node_id) & _removal.c.id.in_(gone[start : start + _CHUNK])
        states.update(session.connection().execute(delete(_removal).where(these).returning(_removal.c.state)).scalars())
    if HELD in states:
        changed(session, node_id)


def changed(session: WriteSession, node_id: int) -> None:
    """Note that other records are marked `removal-held` than before; tell the publisher where none is any more."""
    if not stands(session, node_id, HELD):
        told.visit_mended(session, node_id, rules=[told.REMOVAL_HELD])
    before = session.connection().execute(select(_meta.c.value).where(_meta.c.key == _VERSION)).scalar_one_or_none()
    mine = exists().where(_removal.c.node_id == _node.c.id, _removal.c.state == HELD)
    any_held = session.connection().execute(select(_node.c.id).where(mine).limit(1)).first() is not None
    version = int((before or "0").removeprefix(SOME)) + 1
    upsert(session, Meta, [{"key": _VERSION, "value": f"{SOME if any_held else ''}{version}"}], ["key"])
