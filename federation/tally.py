"""What a visit leaves on its feed's row besides the cursor: how often, how well, and what the last one came to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import orjson
from sqlalchemy import case, select

from federation.apply import Applied
from federation.database import Reading, table
from federation.quality import KEEPS, completeness
from schema.entry import stamp
from schema.tables import Feed, Record

SAMPLE = 200
Outcome = Literal["ended", "budget", "failed"]
_feed, _record = table(Feed), table(Record)


def columns(
    outcome: Outcome, *, at: datetime, pages: int, done: Applied, ms: int | None = None, error: str | None = None
) -> dict[str, Any]:
    """The values with which a visit is given back: counted up in the database, the last one as it was."""
    report: Mapping[str, Any] = {
        "at": stamp(at),
        "outcome": outcome,
        "pages": pages,
        **{name: getattr(done, name) for name in done.__slots__},
        "latencyMs": ms,
        "error": error,
    }
    now = 0.0 if outcome == "failed" else 1.0
    share = _feed.c.availability
    found: dict[str, Any] = {
        "visits": _feed.c.visits + 1,
        "pages": _feed.c.pages + pages,
        "availability": case((share.is_(None), now), else_=share * KEEPS + now * (1 - KEEPS)),
        "last_report": orjson.dumps({name: value for name, value in report.items() if value is not None}).decode(),
    }
    return found if outcome == "failed" else found | {"good_visits": _feed.c.good_visits + 1}


def sampled(session: Reading, node_id: int) -> float | None:
    """How complete a node's live records are, by a sample of them: some hundred, as the database finds them first."""
    live = select(_record.c.kind, _record.c.data).where(_record.c.node_id == node_id, _record.c.deleted.is_(False))
    return completeness((row.kind, row.data) for row in session.connection().execute(live.limit(SAMPLE)))
