"""Who publishes here: the publishers' own organisation records, with how much of each kind is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import func, literal, select

from federation.database import Reading, table
from schema.tables import Record

_record = table(Record)


@dataclass(frozen=True, slots=True)
class Listed:
    """A publisher: its id, its organisation record, and the node that this comes from."""

    id: str
    record: str
    organisation: Mapping[str, Any]
    node: str
    records: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it calls itself."""
        return str(self.organisation.get("name", self.id))


def page(session: Reading, after: str, limit: int) -> list[Listed]:
    """Publishers in the order of their ids, after one of them."""
    found: dict[str, Listed] = {}
    while len(found) < limit:
        # One publisher's record may be held from several nodes: the first to come speaks, the others are passed over.
        chosen = _own().where(_record.c.publisher > after).limit(limit)
        rows = session.connection().execute(chosen.order_by(_record.c.publisher, _record.c.row)).all()
        for row in rows:
            found.setdefault(row.publisher, _listed(row))
        if len(rows) < limit:
            break
        after = rows[-1].publisher
    return _counted(session, list(found.values())[:limit])


def one(session: Reading, publisher: str) -> Listed | None:
    """One publisher by id."""
    chosen = _own().where(_record.c.publisher == publisher).order_by(_record.c.row).limit(1)
    row = session.connection().execute(chosen).one_or_none()
    return _counted(session, [_listed(row)])[0] if row else None


def named(session: Reading) -> dict[str, dict[str, str]]:
    """What each publisher calls itself and where its own record stands, by publisher id: `name` and `url`."""
    found: dict[str, dict[str, str]] = {}
    for row in session.connection().execute(_own().order_by(_record.c.publisher, _record.c.row)):
        if row.publisher not in found:
            one = _listed(row)
            found[row.publisher] = {"name": one.name, "url": one.record}
    return found


def count(session: Reading) -> int:
    """How many publishers there are."""
    distinct = select(func.count(func.distinct(_record.c.publisher))).select_from(_record).where(*_IS_OWN)
    return session.connection().execute(distinct).scalar_one()


# The id of a publisher's own record ends with its publisher id, which needs no escaping (protocol section 2).
_END = literal("/organisation/").concat(_record.c.publisher)
_IS_OWN = (
    _record.c.kind == "organisation",
    ~_record.c.deleted,
    ~_record.c.hidden,
    func.substr(_record.c.id, func.length(_record.c.id) - func.length(_END) + 1) == _END,
)


def _own() -> Any:
    columns = (_record.c.publisher, _record.c.id, _record.c.data, _record.c.origin_node)
    return select(*columns).where(*_IS_OWN)


def _listed(row: Any) -> Listed:
    return Listed(row.publisher, row.id, orjson.loads(row.data), row.origin_node)


def _counted(session: Reading, listed: Sequence[Listed]) -> list[Listed]:
    chosen = (
        select(_record.c.publisher, _record.c.kind, func.count())
        .where(_record.c.publisher.in_([one.id for one in listed]), ~_record.c.deleted, ~_record.c.hidden)
        .group_by(_record.c.publisher, _record.c.kind)
        .order_by(_record.c.publisher, _record.c.kind)
    )
    counts: dict[str, dict[str, int]] = {}
    for publisher, kind, number in session.connection().execute(chosen):
        counts.setdefault(publisher, {})[kind] = number
    return [Listed(one.id, one.record, one.organisation, one.node, counts.get(one.id, {})) for one in listed]
