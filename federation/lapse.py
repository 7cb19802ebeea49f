"""Routes that no longer hold their rank: a node that is retired, or stale or held for seven days (protocol section 5).

While it is so, the best other route of each record applies; where there is none the last good copy stays. What
that route says has gone is a removal like others, under the guard: no record goes by silence.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Select, select, union

from federation import log, removals
from federation.database import WriteSession, table
from federation.merge import LAPSED, Statement, earned
from schema.tables import Record, Shadow

AFTER = timedelta(days=7)
_record, _shadow = table(Record), table(Shadow)


def lapse(session: WriteSession, node_id: int, *, now: datetime) -> None:
    """Let a node's words stand behind all others, where there are others. Doing it again changes nothing."""
    others = select(_shadow.c.id)
    first = select(_record.c.id).where(_record.c.node_id == node_id, _record.c.rank != LAPSED, _record.c.id.in_(others))
    behind = select(_shadow.c.id).where(_shadow.c.node_id == node_id, _shadow.c.rank != LAPSED)
    _weigh(session, node_id, [first, behind], lapsed=True, now=now)


def revive(session: WriteSession, node_id: int, *, now: datetime) -> None:
    """Give a node's words their rank back."""
    chosen = [select(rows.c.id).where(rows.c.node_id == node_id, rows.c.rank == LAPSED) for rows in (_record, _shadow)]
    _weigh(session, node_id, chosen, lapsed=False, now=now)


def _weigh(session: WriteSession, node_id: int, chosen: list[Select[str]], *, lapsed: bool, now: datetime) -> None:
    log.lock(session)
    ids = list(session.connection().execute(union(*chosen)).scalars())
    removals.reweigh(session, ids, lambda word: _ranked(word, node_id, lapsed=lapsed), now=now)


def _ranked(statement: Statement, node_id: int, *, lapsed: bool) -> Statement:
    """A word of this node with the rank that it has now."""
    if statement.node_id != node_id:
        return statement
    rank = LAPSED if lapsed else earned(statement)
    return statement if rank == statement.rank else msgspec.structs.replace(statement, rank=rank)
