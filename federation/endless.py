"""Feeds that say the same records again and again, faster than they are read, and so never come to an end.

A visit that ends for its budget is no fault, and the next goes on at once: so does each of the first pass over a large
feed. But an honest feed holds each record once, so that a pass reads about as many items as there are records. One that
has read far more in many visits is told of, and visited no more often than a feed that was read to its end.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from federation.database import Reading, table
from federation.verdicts import Trouble
from schema.tables import Record, Shadow

RULE = "feed-ends"
VISITS = 12
"""So many visits in a row may end for their budget before it is looked what they brought."""
TIMES = 2
"""An item for each record, and as many again for what changes meanwhile."""
_CARRYING = (table(Record), table(Shadow))


@dataclass(slots=True)
class Pass:
    """What the visits to a feed came to since it was last read to its end, as far as this process made them."""

    visits: int = 0
    read: int = 0


def trouble(session: Reading, node_id: int, since: Pass) -> Trouble | None:
    """What the node is told where its feed has no end. None where it may yet be a large one."""
    if since.visits < VISITS:
        return None
    known = _carried(session, node_id, since.read // TIMES)
    if known >= since.read // TIMES:
        return None
    read = f"{since.visits} visits in a row read {since.read} items and came to no end"
    return Trouble(RULE, "/next", f"{read}; the feed holds {known} records. It is read more rarely until it ends.")


def _carried(session: Reading, node_id: int, most: int) -> int:
    """How many records a node carries, tombstones too; counted up to `most` of each sort."""
    total = 0
    for carrying in _CARRYING:
        some = select(carrying.c.id).where(carrying.c.node_id == node_id).limit(most).subquery()
        total += session.connection().execute(select(func.count()).select_from(some)).scalar_one()
    return total
