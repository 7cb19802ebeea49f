"""The log as the index reads it: records in the order of their changes, in the driver's own words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any

from federation import glance, publishers
from federation.database import Reading
from federation.documents import Source
from federation.glance import texts

BATCH = 1_000
"""Rows a statement."""
Rows = Sequence[Source]
_MOMENTS = 1_024
"""Times that are remembered as they were read: all records of one transaction have one."""


# What is hidden is to the index as if it were gone (federation/precedence.py).
_HEAD = """
SELECT r."row", r.id, r.kind, r.publisher, r.number, CASE WHEN r.hidden THEN NULL ELSE r.data END, r.changed,
    r.signature
FROM record AS r WHERE """
_AFTER = texts(_HEAD + "r.number > ? ORDER BY r.number LIMIT ?")
_TELLING = texts(_HEAD + "r.publisher = any(?) AND r.kind = 'organisation' AND NOT r.deleted ORDER BY r.\"row\" DESC")
_OF_ONE = texts(_HEAD + 'r.publisher = ? AND r.number <= ? AND NOT r.deleted AND r."row" > ? ORDER BY r."row" LIMIT ?')
_HAVING = texts("SELECT DISTINCT publisher FROM record WHERE publisher = any(?) AND number <= ? AND NOT deleted")


def after(session: Reading, number: int, limit: int) -> Rows:
    """The records whose last change comes after a number, in order."""
    return _sources(glance.of(session).ask(_AFTER, number, limit))


def telling(session: Reading, names: Collection[str]) -> Rows:
    """The organisation records by which these publishers speak of themselves; the first to come is the last here."""
    asking = glance.of(session)
    return [row for row in _sources(asking.ask(_TELLING, asking.listed(names))) if is_own(row)]


def is_own(row: Source) -> bool:
    """Whether this is the record by which a publisher speaks of itself."""
    return row.kind == "organisation" and row.id.endswith(f"/organisation/{row.publisher}")


def having(session: Reading, names: Collection[str], most: int) -> list[str]:
    """Those of these publishers that have a live record up to a change number."""
    asking = glance.of(session)
    return [str(row[0]) for row in asking.ask(_HAVING, asking.listed(names), most)] if names else []


def of_publisher(session: Reading, publisher: str, most: int) -> Iterator[Rows]:
    """The live records of a publisher up to a change number, in batches."""
    row, asking = 0, glance.of(session)
    while rows := _sources(asking.ask(_OF_ONE, publisher, most, row, BATCH)):
        yield rows
        row = rows[-1].row


def epoch(session: Reading) -> str:
    """Which database this is: the epoch that its manifest names."""
    return publishers.recall(session, "epoch") or ""


def _sources(rows: glance.Rows) -> Rows:
    return [
        Source(row, name, kind, publisher, number, data, _moment(changed), signature)
        for row, name, kind, publisher, number, data, changed, signature in rows
    ]


_moment: Any = lru_cache(_MOMENTS)(glance.moment)
