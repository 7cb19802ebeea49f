"""What other people's names leave behind: hosts that were asked, origins that were heard of. Forgotten once a day.

A relay may name a hundred of each in a visit, and whoever asks for a check names a host. A host's row is kept while a
feed is read there and for a day after it was asked last; what is known of an origin while anything here names it, and
for thirty days after it was asked last. Reports of imports are kept for thirty days too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from federation import jobs
from federation.database import Database, Reading, WriteSession, table, upsert
from schema.tables import Feed, Host, Meta, Origin, Record, Shadow, Unproven

EVERY = timedelta(days=1)
HOST_AFTER, ORIGIN_AFTER = timedelta(days=1), timedelta(days=30)
_CHUNK = 500
_LAST = "forgotten"
_host, _origin, _feed, _meta = table(Host), table(Origin), table(Feed), table(Meta)
_NAMING = (table(Record), table(Shadow), table(Unproven))


def sweep(database: Database, *, now: datetime) -> int:
    """Forget what nothing here needs any more, if that was not done within the last day. Gives how many rows went."""
    with database.present() as session:
        if not _due(session, now):
            return 0
        places, origins = _idle(session, now - HOST_AFTER), _unnamed(session, now - ORIGIN_AFTER)
    for start in range(0, max(len(places), len(origins)), _CHUNK):
        with database.write() as writing:
            _forget(writing, places[start : start + _CHUNK], origins[start : start + _CHUNK], now)
    with database.write() as writing:
        jobs.forget(writing, now)
        upsert(writing, Meta, [{"key": _LAST, "value": now.isoformat()}], ["key"])
    return len(places) + len(origins)


def _due(session: Reading, now: datetime) -> bool:
    last = session.connection().execute(select(_meta.c.value).where(_meta.c.key == _LAST)).scalar_one_or_none()
    return last is None or not now - EVERY < datetime.fromisoformat(last) <= now


def _idle(session: Reading, before: datetime) -> Sequence[str]:
    chosen = select(_host.c.place).where(_host.c.free_at < before, _host.c.place.not_in(select(_feed.c.place)))
    return session.connection().execute(chosen).scalars().all()


def _unnamed(session: Reading, before: datetime) -> Sequence[str]:
    """The origins that were not asked for long and that no row names: each table is read through, if there are any."""
    old = select(_origin.c.id).where(_origin.c.fetched < before)
    found = set(session.connection().execute(old).scalars())
    for naming in _NAMING if found else ():
        named = select(naming.c.origin_node).where(naming.c.origin_node.in_(old)).distinct()
        found.difference_update(session.connection().execute(named).scalars())
    return sorted(found)


def _forget(session: WriteSession, places: Sequence[str], origins: Sequence[str], now: datetime) -> None:
    """Let these rows go, but for those that were asked again meanwhile."""
    idle = delete(_host).where(_host.c.place.in_(places), _host.c.free_at < now - HOST_AFTER)
    unasked = delete(_origin).where(_origin.c.id.in_(origins), _origin.c.fetched < now - ORIGIN_AFTER)
    session.connection().execute(idle)
    session.connection().execute(unasked)
