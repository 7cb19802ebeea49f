"""Feeds that say the same records again and again, faster than they are read, and so never come to an end.

A visit that ends for its budget is no fault, and the next goes on at once: so does each of the first pass over a large
feed. But an honest feed holds each record once, so that a pass reads about as many items as there are records. One that
has read far more in many visits is told of, and visited no more often than a feed that was read to its end. What is
refused or came back to us is no record: a feed of nothing else comes no further, however much it says.

An honest page names an origin for each of its items at most. So a feed for which far more origins were asked than it
had items names new ones whenever the same page is fetched, and its pages are never read at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from federation.database import Reading, table
from federation.verdicts import Trouble
from schema.change import MAX_ITEMS
from schema.tables import Record, Shadow

RULE = "feed-ends"
VISITS = 12
"""So many visits in a row may end between two pages before it is looked what they brought."""
TIMES = 2
"""An item for each record, and as many again for what changes meanwhile."""
_CARRYING = (table(Record), table(Shadow))


@dataclass(slots=True)
class Pass:
    """What the visits to a feed came to since it was last read to its end, as far as this process made them.

    `read` are the items, `asked` the origins that were asked for them or for a page that is not read yet; `empty` how
    many pages without an item came last; `anew` is whether the feed began anew meanwhile.
    """

    visits: int = 0
    read: int = 0
    asked: int = 0
    empty: int = 0
    anew: bool = False

    @property
    def said(self) -> int:
        """How much the feed has said: an item for each origin that was asked, but for those of one more page."""
        return max(self.read, self.asked - MAX_ITEMS)

    def page(self, items: int) -> None:
        """Count a page with so many items."""
        self.read += items
        self.empty = 0 if items else self.empty + 1

    def visit(self, asked: int) -> None:
        """Count a visit that ended between two pages and asked so many origins."""
        self.visits += 1
        self.asked += asked

    def again(self) -> Pass:
        """The pass over a feed that begins anew: what was read before is forgotten, but once only before its end."""
        if self.anew:
            self.empty = 0
            return self
        return Pass(anew=True)


def trouble(session: Reading, node_id: int, since: Pass) -> Trouble | None:
    """What the node is told where its feed has no end. None where it may yet be a large one."""
    if since.visits < VISITS:
        return None
    least = since.said // TIMES
    known = _carried(session, node_id, least)
    if known >= least:
        return None
    read = f"{since.visits} visits in a row read {since.read} items and came to no end"
    if since.said > since.read:
        read += f", while the pages named {since.asked} nodes of origin, others whenever they were read"
    return Trouble(RULE, "/next", f"{read}; the feed holds {known} records. It is read more rarely until it ends.")


def _carried(session: Reading, node_id: int, most: int) -> int:
    """How many records a node carries, tombstones too; counted up to `most` of each sort."""
    total = 0
    for carrying in _CARRYING:
        some = select(carrying.c.id).where(carrying.c.node_id == node_id).limit(most).subquery()
        total += session.connection().execute(select(func.count()).select_from(some)).scalar_one()
    return total
