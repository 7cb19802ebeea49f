"""Between nodes: a body's own node goes before those that publish for it (protocol section 5).

While a node that an operator took in as a publisher's own is there, that publisher's records from other nodes are
hidden from lists, search and files, not deleted; they resolve by id and are passed on, for each reader judges itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import orjson
from sqlalchemy import bindparam, false, func, select, update

from federation import log
from federation.database import Reading, WriteSession, table
from federation.merge import DIRECT, Statement
from schema.manifest import Manifest
from schema.tables import Meta, Node, Publisher, Record

WELL_KNOWN = "/.well-known/folkmoot"
_node, _publisher, _record, _meta = table(Node), table(Publisher), table(Record), table(Meta)
THERE = ("active", "stale", "held")
"""States in which a node goes before others; one that is paused, retired or on trial does not."""
_AT_ONCE = 5_000
_FLIP = (
    update(_record).where(_record.c.row == bindparam("this")).values(hidden=~_record.c.hidden, number=bindparam("to"))
)
Owners = dict[str, set[str]]


def claimed(manifest: Manifest) -> list[str]:
    """The publishers that a manifest says are the node's own."""
    return sorted({one.publisher_id for one in manifest.publishers if one.relation == "own"})


def kept(own: Iterable[str], manifest: Manifest) -> tuple[str, ...]:
    """The confirmed claims that a manifest still makes. One that is given up, and made again, comes later."""
    still = claimed(manifest)
    return tuple(publisher for publisher in own if publisher in still)


def owners(session: Reading) -> Owners:
    """The publishers with a node of their own, each with the ids of those nodes; this server may be one."""
    found: Owners = {}
    chosen = select(_node.c.url, _node.c.own).where(_node.c.own != "[]", _node.c.state.in_(THERE))
    for url, own in session.connection().execute(chosen):
        for publisher in orjson.loads(own):
            found.setdefault(publisher, set()).add(url)
    here = session.connection().execute(select(_meta.c.value).where(_meta.c.key == "publicUrl")).scalar_one_or_none()
    for publisher in (
        session.connection().execute(select(_publisher.c.id).where(_publisher.c.relation == "own")).scalars()
    ):
        found.setdefault(publisher, set()).add(f"{here}{WELL_KNOWN}")
    return found


def _routes(session: Reading) -> dict[str, set[int]]:
    """The publishers with a node of their own that is read here, each with the row numbers of those nodes.

    What came straight from one of them is its own, also what it said at an address that it has left since.
    """
    found: dict[str, set[int]] = {}
    chosen = select(_node.c.id, _node.c.own).where(_node.c.own != "[]", _node.c.state.in_(THERE))
    for node, own in session.connection().execute(chosen):
        for publisher in orjson.loads(own):
            found.setdefault(publisher, set()).add(node)
    return found


def cover(session: WriteSession, statements: Iterable[Statement]) -> None:
    """Hide those records, just written, that come from another node than their publisher's own."""
    known = owners(session)
    if not known:
        return
    others = [s for s in statements if s.origin_node not in known.get(s.publisher, {s.origin_node})]
    routes = _routes(session) if others else {}
    hidden = [s.id for s in others if s.rank != DIRECT or s.node_id not in routes.get(s.publisher, ())]
    for start in range(0, len(hidden), _AT_ONCE):
        chosen = update(_record).where(_record.c.id.in_(hidden[start : start + _AT_ONCE]))
        session.connection().execute(chosen.values(hidden=True))


def settle(session: WriteSession, publishers: Collection[str], *, now: datetime) -> int:
    """Hide and show the records of these publishers as their nodes stand now. Gives how many changed.

    Each gets a new change number, by which the index learns of it; what it says is unaltered, so a reader takes it for
    no change.
    """
    log.lock(session)
    known, routes, changed = owners(session), _routes(session), 0
    for publisher in publishers:
        own = known.get(publisher)
        straight = (_record.c.rank == DIRECT) & func.coalesce(_record.c.node_id, 0).in_(routes.get(publisher, ()))
        covered = _record.c.origin_node.not_in(own) & ~straight if own else false()
        wrong = select(_record.c.row).where(_record.c.publisher == publisher, _record.c.hidden != covered)
        rows = session.connection().execute(wrong.order_by(_record.c.number)).scalars().all()
        if rows:
            first = log.numbers(session, len(rows))
            moved = [{"this": row, "to": number} for number, row in enumerate(rows, first)]
            session.connection().execute(_FLIP.values(changed=now), moved)
        changed += len(rows)
    return changed
