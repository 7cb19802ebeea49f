"""One record with all that a list knows of it, and whom to write to about it."""

from __future__ import annotations

import orjson
from sqlalchemy import select

from federation import lists
from federation.database import Reading, table
from schema.tables import Node, Record

_record, _node = table(Record), table(Node)


def held(session: Reading, record_id: str) -> lists.Held | None:
    """A live record with its marks, its signature and when it changed here; None where there is none."""
    chosen = select(_record.c.row).where(_record.c.id == record_id)
    rows = session.connection().execute(chosen).scalars().all()
    return next(lists.held(session, rows), None)


def node_mailbox(session: Reading, node: str) -> str | None:
    """The role mailbox in the pinned manifest of a node that is crawled from here, by the node's id."""
    body = session.connection().execute(select(_node.c.manifest).where(_node.c.url == node)).scalar_one_or_none()
    contact = orjson.loads(body).get("contact") if body else None
    found = contact.get("email") if isinstance(contact, dict) else None
    return found if isinstance(found, str) else None
