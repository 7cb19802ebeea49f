"""What proofs of the crawl share: waiting for it, and holding its records to the truth."""

from __future__ import annotations

from sqlalchemy import select

from benchmarks.crowd import Crowd
from federation.database import Database, table
from schema.tables import Feed, Record


def check(base: Database, crowd: Crowd) -> int:
    """Hold every record to what its node publishes, by its bytes. Gives how many there are."""
    truth = {name: (number, data) for node in crowd.all() for name, number, data in node.truth()}
    record = table(Record)
    with base.read() as session:
        chosen = select(record.c.id, record.c.seq, record.c.data, record.c.deleted).where(record.c.node_id.is_not(None))
        held = {row.id: (row.seq, None if row.deleted else row.data) for row in session.connection().execute(chosen)}
        feeds = session.connection().execute(select(table(Feed))).all()
    assert held == truth
    assert sum(row.refused + row.dropped for row in feeds) == 0
    assert sum(row.accepted for row in feeds) == len(truth)
    return len(truth)
