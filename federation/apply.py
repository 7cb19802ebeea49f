"""A page into the database: records, their changes, what was refused, in bulk and in the caller's transaction.

Applying a page twice changes nothing. The caller moves the cursor in the same transaction, under its fence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from federation import log, told
from federation.database import WriteSession, table, upsert
from federation.judge import Judged
from federation.merge import Held, Statement, end, hear, says_same
from schema.tables import Record, Shadow, Sighting

_record, _shadow, _sighting = table(Record), table(Shadow), table(Sighting)
_CHUNK = 500
_FIELDS = (
    "id",
    "kind",
    "publisher",
    "node_id",
    "data",
    "origin",
    "via",
    "reason",
    "moved_to",
    "origin_node",
    "seq",
    "rank",
    "signature",
)


@dataclass(slots=True)
class Applied:
    """What became of a page's items. accepted = created + updated + deleted + unchanged; `dropped` are loops."""

    accepted: int = 0
    refused: int = 0
    dropped: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0

    def add(self, other: Applied) -> None:
        """Count another page's items too."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def apply(session: WriteSession, node_id: int, judged: Judged, *, now: datetime, reconciling: bool = False) -> Applied:
    """Put what a page says into the database, with history, shadows and problems.

    `reconciling`: what comes straight from the origin replaces what is held, and every record that is still carried is
    noted, so that the end of the pass knows which are not.
    """
    log.lock(session)
    ids = list(dict.fromkeys(statement.id for statement, _ends in judged.heard))
    before = held(session, ids)
    after = dict(before)
    for statement, ends in judged.heard:
        known = after.get(statement.id, Held())
        after[statement.id] = end(known, node_id) if ends else hear(known, statement, afresh=reconciling)
    applied = settle(session, before, after, now=now)
    applied.accepted = len(judged.heard)
    applied.unchanged = applied.accepted - applied.created - applied.updated - applied.deleted
    applied.refused, applied.dropped = len(judged.refused), judged.loops
    told.mended(session, node_id, ids)
    told.tell(session, node_id, judged.refused, now)
    if reconciling:
        carried = [s.id for s, ends in judged.heard if not ends] + judged.named
        rows = [{"node_id": node_id, "id": record_id} for record_id in dict.fromkeys(carried)]
        upsert(session, Sighting, rows, ["node_id", "id"])
    return applied


def held(session: WriteSession, ids: Sequence[str]) -> dict[str, Held]:
    """What is known of these records, with every route's word."""
    winners: dict[str, Statement] = {}
    shadows: dict[str, dict[int, Statement]] = {}
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        chosen = select(*(_record.c[name] for name in _FIELDS)).where(_record.c.id.in_(chunk))
        winners.update((row.id, Statement(*row)) for row in session.connection().execute(chosen))
        others = select(*(_shadow.c[name] for name in _FIELDS)).where(_shadow.c.id.in_(chunk))
        for row in session.connection().execute(others):
            shadows.setdefault(row.id, {})[row.node_id] = Statement(*row)
    return {i: Held(winners.get(i), shadows.get(i)) for i in winners.keys() | shadows.keys()}


def settle(session: WriteSession, before: Mapping[str, Held], after: Mapping[str, Held], *, now: datetime) -> Applied:
    """Write what differs: changes into the log, routes in place, shadows. The caller holds the log's lock."""
    counts = Applied()
    changed: list[Statement] = []
    rerouted: list[Statement] = []
    for record_id, state in after.items():
        old, new = before.get(record_id, Held()).winner, state.winner
        if new is None or new is old:
            continue
        if old is not None and old.rank == new.rank and says_same(old, new) and new.node_id in (old.node_id, None):
            rerouted.append(new)
            continue
        changed.append(new)
        _count(counts, old, new)
    _log(session, changed, {i for i, state in before.items() if state.winner is not None}, now)
    _reroute(session, rerouted)
    _shadows(session, before, after)
    return counts


def _count(counts: Applied, old: Statement | None, new: Statement) -> None:
    if new.deleted:
        counts.deleted += 1
    elif old is None or old.deleted:
        counts.created += 1
    else:
        counts.updated += 1


def _log(session: WriteSession, changed: Sequence[Statement], standing: set[str], now: datetime) -> None:
    if not changed:
        return
    first = log.numbers(session, len(changed))
    rows = [_row(new) | {"number": first + step, "changed": now} for step, new in enumerate(changed)]
    log.write(session, rows, standing)


def _row(statement: Statement) -> dict[str, Any]:
    row = {name: getattr(statement, name) for name in _FIELDS}
    row["deleted"] = statement.deleted
    return row


def _reroute(session: WriteSession, statements: Sequence[Statement]) -> None:
    if not statements:
        return
    moved = update(_record).where(_record.c.id == bindparam("old")).values(node_id=bindparam("route"))
    session.connection().execute(moved, [{"old": s.id, "route": s.node_id} for s in statements])


def _shadows(session: WriteSession, before: Mapping[str, Held], after: Mapping[str, Held]) -> None:
    kept: list[Statement] = []
    gone: list[dict[str, Any]] = []
    for record_id, state in after.items():
        old, new = before.get(record_id, Held()).others, state.others
        kept += [shadow for node, shadow in new.items() if old.get(node) is not shadow]
        gone += [{"old": record_id, "route": node} for node in old if node not in new]
    if gone:
        parted = delete(_shadow).where(_shadow.c.id == bindparam("old"), _shadow.c.node_id == bindparam("route"))
        session.connection().execute(parted, gone)
    upsert(session, Shadow, [_row(shadow) for shadow in kept], ["id", "node_id"])


def end_routes(session: WriteSession, node_id: int, ids: Iterable[str], *, now: datetime) -> Applied:
    """End a node's route to these records: the best shadow of each takes over, else it becomes a tombstone."""
    log.lock(session)
    wanted = list(ids)
    done = Applied()
    for start in range(0, len(wanted), _CHUNK):
        before = held(session, wanted[start : start + _CHUNK])
        after = {record_id: end(state, node_id) for record_id, state in before.items()}
        done.add(settle(session, before, after, now=now))
    return done
