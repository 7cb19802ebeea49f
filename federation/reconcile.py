"""The end of a full reconcile: what a node no longer carries, under the removal guard (protocol section 5).

A pass runs from 0 to the end marker over as many visits as it needs; `sighting` holds what it has met so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, literal, select

from federation import log, removals
from federation import rows as bulk
from federation.apply import Applied, end_routes
from federation.database import WriteSession, table
from federation.merge import DROPPED
from federation.waiting import GONE, SAID, WAITING
from schema.errors import Refused
from schema.tables import Record, Removal, Shadow, Sighting

_record, _shadow, _sighting, _removal = table(Record), table(Shadow), table(Sighting), table(Removal)
EMPTY_FEED = "empty-feed"


def begin(session: WriteSession, node_id: int) -> None:
    """Start a pass with nothing met."""
    session.connection().execute(delete(_sighting).where(_sighting.c.node_id == node_id))


def finish(session: WriteSession, node_id: int, *, now: datetime, over: Sequence[str] = ()) -> Applied:
    """End the routes of what was not met, as the removals of any pass are ended: under the guard.

    Raises `Refused` where nothing at all was met and there are live records: a feed is never empty, so this one says
    nothing about them.
    """
    log.lock(session)
    if not _any(session, _sighting.c.node_id == node_id) and _any(session, _live(node_id)):
        raise Refused(EMPTY_FEED, "The feed has become empty; its records are kept as they were.", "/items")
    bulk.put(session, Sighting, ("node_id", "id"), [(node_id, name) for name in over], ("node_id", "id"))
    _let_wait(session, node_id, now)
    unmet = ~_met(_shadow.c.id, node_id)
    session.connection().execute(delete(_shadow).where(_shadow.c.node_id == node_id, unmet))
    begin(session, node_id)
    done = removals.close_pass(session, node_id, now=now)  # `over` counts among what stood before
    done.add(end_routes(session, node_id, sorted(over), now=now))
    return done


def _live(node_id: int) -> ColumnElement[bool]:
    return and_(_record.c.node_id == node_id, _record.c.deleted.is_(False))


def _any(session: WriteSession, condition: ColumnElement[bool]) -> bool:
    return bool(session.connection().execute(select(exists().where(condition))).scalar_one())


def _met(record_id: ColumnElement[str], node_id: int) -> ColumnElement[bool]:
    return exists().where(and_(_sighting.c.node_id == node_id, _sighting.c.id == record_id))


def _let_wait(session: WriteSession, node_id: int, now: datetime) -> None:
    """Let what was not met wait as removals, but for what waits already: its own tombstone says why it goes."""
    told_already = exists().where(and_(_removal.c.node_id == node_id, _removal.c.id == _record.c.id))
    gone = delete(_removal).where(_removal.c.node_id == node_id, _removal.c.state == GONE)
    session.connection().execute(gone.where(_removal.c.id.in_(select(_record.c.id).where(_live(node_id)))))
    same = {name: _record.c[name] for name in SAID if name not in ("reason", "moved_to")}
    fixed = {"state": WAITING, "ends": True, "afresh": True, "reason": DROPPED, "since": now}
    values = same | {name: literal(value, _removal.c[name].type) for name, value in fixed.items()}
    unmet = select(*values.values()).where(_live(node_id), ~_met(_record.c.id, node_id), ~told_already)
    session.connection().execute(_removal.insert().from_select(list(values), unmet))
