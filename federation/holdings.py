"""What is held of a node: live records by what their signatures are worth, tombstones, when the last one came."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Engine, and_, func, select

from federation.database import Reading, table
from schema.tables import Node, Record

DEAR, REST = 0.25, 20.0
"""A count that took more seconds than `DEAR` is believed for `REST` times as long: a badge that many look at must not
read a million rows each time."""
_record, _node = table(Record), table(Node)


@dataclass(frozen=True, slots=True)
class Held:
    """`live` records, `gone` ones, when the `last` came, and how many live ones have signatures of each worth."""

    live: int = 0
    gone: int = 0
    last: datetime | None = None
    signatures: Mapping[str, int] = field(default_factory=dict)

    def and_(self, signature: str, records: int, last: datetime, *, deleted: bool) -> Held:
        """These and some more of one signature state, live or not."""
        newest = last if self.last is None else max(self.last, last)
        if deleted:
            return replace(self, gone=self.gone + records, last=newest)
        signed = self.signatures.get(signature, 0) + records
        return Held(self.live + records, self.gone, newest, {**self.signatures, signature: signed})


@dataclass(slots=True)
class _Dear:
    """The counts of one database that were dear, each with the moment until which it is believed."""

    counts: dict[int, tuple[float, Held]] = field(default_factory=dict)
    counting: threading.Lock = field(default_factory=threading.Lock)

    def believed(self, node_ids: Sequence[int]) -> dict[int, Held]:
        now = time.monotonic()
        return {node: self.counts[node][1] for node in node_ids if node in self.counts and self.counts[node][0] > now}


_dear: WeakKeyDictionary[Engine, _Dear] = WeakKeyDictionary()


def of_nodes(session: Reading, node_ids: Sequence[int]) -> dict[int, Held]:
    """What is held of these nodes; one of which nothing is held is left out.

    Those who ask for what is dear to count wait for one count of it.
    """
    dear = _dear.setdefault(session.connection().engine, _Dear())
    found = dear.believed(node_ids)
    anew = [node for node in node_ids if node not in found]
    if not any(node in dear.counts for node in anew):
        return found | _counted(session, dear, anew)
    with dear.counting:
        found |= dear.believed(anew)
        return found | _counted(session, dear, [node for node in anew if node not in found])


def _counted(session: Reading, dear: _Dear, node_ids: Sequence[int]) -> dict[int, Held]:
    if not node_ids:
        return {}
    began = time.monotonic()
    counted = _count(session, node_ids)
    ended = time.monotonic()
    if ended - began > DEAR:
        until = ended + (ended - began) * REST
        dear.counts |= {node: (until, counted.get(node, Held())) for node in node_ids}
    return counted


def _count(session: Reading, node_ids: Sequence[int]) -> dict[int, Held]:
    columns = (_record.c.node_id, _record.c.signature, _record.c.deleted)
    chosen = select(*columns, func.count(), func.max(_record.c.changed)).where(_record.c.node_id.in_(node_ids))
    found: dict[int, Held] = {}
    for node_id, signature, deleted, records, last in session.connection().execute(chosen.group_by(*columns)):
        found[node_id] = found.get(node_id, Held()).and_(signature, records, last, deleted=deleted)
    for node_id, records in _dropped(session, node_ids).items():
        held = found.get(node_id, Held())
        found[node_id] = replace(held, gone=held.gone + records)
    return found


def without_route(*origins: str) -> ColumnElement[bool]:
    """The tombstones of what these nodes published and no route carries: a full reconcile took it away.

    Found by the index of routes: what it reads is what this server publishes itself and what was dropped.
    """
    return and_(_record.c.node_id.is_(None), _record.c.deleted, _record.c.origin_node.in_(origins))


def _dropped(session: Reading, node_ids: Sequence[int]) -> dict[int, int]:
    """How many records of each node went without a word of it. One pass for all of them, whichever their number."""
    connection = session.connection()
    urls = {
        url: node for node, url in connection.execute(select(_node.c.id, _node.c.url).where(_node.c.id.in_(node_ids)))
    }
    chosen = select(_record.c.origin_node, func.count()).where(without_route(*urls)).group_by(_record.c.origin_node)
    return {urls[origin]: records for origin, records in connection.execute(chosen)}
