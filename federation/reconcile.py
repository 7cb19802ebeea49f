"""The end of a full reconcile: what a node no longer carries, under the removal guard (protocol section 5).

A pass runs from 0 to the end marker over as many visits as it needs; `sighting` holds what it has met so far.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, delete, exists, func, select

from federation import told
from federation.apply import Applied, end_routes
from federation.database import WriteSession, table
from federation.guard import guard
from federation.judge import Trouble
from schema.tables import Record, Shadow, Sighting

_record, _shadow, _sighting = table(Record), table(Shadow), table(Sighting)


def begin(session: WriteSession, node_id: int) -> None:
    """Start a pass with nothing met."""
    session.connection().execute(delete(_sighting).where(_sighting.c.node_id == node_id))


def finish(session: WriteSession, node_id: int, *, now: datetime) -> Applied:
    """End the routes of what was not met, an origin node at a time, unless so many would go that it looks wrong.

    What is held back stays served as it is, and a problem says so.
    """
    told.visit_mended(session, node_id, rules=[told.REMOVALS_HELD])
    done = Applied()
    for origin, live, going in _shares(session, node_id):
        if guard(live, going):
            done.add(end_routes(session, node_id, _unmet(session, node_id, origin), now=now))
            continue
        message = f"{going} of {live} records of {origin} were no longer there; they are kept until a person looks."
        told.tell(session, node_id, [Trouble(told.REMOVALS_HELD, "", message)], now, severity="warning")
    unmet = ~_met(_shadow.c.id, node_id)
    session.connection().execute(delete(_shadow).where(_shadow.c.node_id == node_id, unmet))
    begin(session, node_id)
    return done


def _met(record_id: ColumnElement[str], node_id: int) -> ColumnElement[bool]:
    return exists().where(and_(_sighting.c.node_id == node_id, _sighting.c.id == record_id))


def _shares(session: WriteSession, node_id: int) -> list[tuple[str, int, int]]:
    """By origin node: how many live records this node carries, and how many of them were not met."""
    missing = func.sum(case((_met(_record.c.id, node_id), 0), else_=1))
    counted = (
        select(_record.c.origin_node, func.count(), missing)
        .where(_record.c.node_id == node_id, _record.c.deleted.is_(False))
        .group_by(_record.c.origin_node)
        .having(missing > 0)
        .order_by(_record.c.origin_node)
    )
    return [(origin, live, int(going)) for origin, live, going in session.connection().execute(counted)]


def _unmet(session: WriteSession, node_id: int, origin: str) -> list[str]:
    chosen = (
        select(_record.c.id)
        .where(
            _record.c.node_id == node_id,
            _record.c.origin_node == origin,
            _record.c.deleted.is_(False),
            ~_met(_record.c.id, node_id),
        )
        .order_by(_record.c.id)
    )
    return list(session.connection().execute(chosen).scalars())
