"""Who wrote what: a row for each change, appended in the transaction that makes it.

Every change of an own record passes `federation/log.py`, which calls `changed`; what else an operator does is noted by
`note`. Whoever opens a writing session says once for whom (`acting`); where nobody says, it is the operator at the
command line. The rows hold digests of a record's data, never the data, and never a token.
"""

from __future__ import annotations

import hashlib
import os
import pwd
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, select

from federation import rows
from federation.database import Reading, WriteSession, table
from schema.entry import stamp
from schema.tables import Audit

ACTIONS = (
    *("create", "update", "delete"),
    *("publisher.add", "publisher.set"),
    *("token.create", "token.rotate", "token.revoke", "token.barred"),
    *(
        "node.add",
        "node.pause",
        "node.resume",
        "node.remove",
        "node.release",
        "node.reject",
        "node.moved",
        "node.grant",
    ),
    *("keys.new", "keys.rotate", "keys.revoke", "move", "restore"),
)
MEMBERS = (
    *("id", "time", "actor", "tokenId", "name", "action", "publisher"),
    *("kind", "record", "changeNumber", "before", "after", "requestId"),
)
"""What a row is told by, in this order."""
_audit = table(Audit)
_ACTOR = "actor"
_COLUMNS = (
    *("time", "actor", "token_id", "name", "action", "publisher"),
    *("kind", "record", "number", "before", "after", "request"),
)
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a token by its number and name, or the operator by account; `request` is the request's name."""

    kind: str
    name: str
    token_id: int | None = None
    request: str = ""


class Change(NamedTuple):
    """A change of a record: its bytes before (None: it was not there) and after (None: a tombstone)."""

    publisher: str
    kind: str
    record: str
    number: int
    before: bytes | None
    after: bytes | None


@cache
def operator() -> Actor:
    """The operator: the name of the system's account that runs this, or its number where it has none."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return Actor("operator", name)


def acting(session: WriteSession, actor: Actor) -> None:
    """Say for whom this session writes."""
    session.info[_ACTOR] = actor


def changed(session: WriteSession, changes: Sequence[Change], now: datetime) -> None:
    """Append a row for each change."""
    who, when = _who(session), rows.ready(session, _audit.c.time, now)
    head = (when, who.kind, who.token_id, who.name)
    rows.add(session, Audit, _COLUMNS, [(*head, *_told(change), who.request) for change in changes])


def note(session: WriteSession, action: str, subject: str, now: datetime, *, publisher: str = "") -> None:
    """Append a row for what is no change of a record: `action` of `ACTIONS`, `subject` what it was done to."""
    who, when = _who(session), rows.ready(session, _audit.c.time, now)
    row = (when, who.kind, who.token_id, who.name, action, publisher, "", subject, None, None, None, who.request)
    rows.add(session, Audit, _COLUMNS, [row])


def _who(session: WriteSession) -> Actor:
    found: Actor = session.info.get(_ACTOR) or operator()
    return found


def _told(change: Change) -> tuple[Any, ...]:
    action = "delete" if change.after is None else "create" if change.before is None else "update"
    digests = (digest(change.before), digest(change.after))
    return (action, change.publisher, change.kind, change.record, change.number, *digests)


def digest(data: bytes | None) -> str | None:
    """The SHA-256 of a record's data, in hexadecimal; None where there is none."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def page(
    session: Reading,
    *,
    after: int = 0,
    limit: int,
    publisher: str | None = None,
    kinds: frozenset[str] | None = None,
    record: str | None = None,
) -> list[Audit]:
    """The next rows after one, oldest first: of a publisher, of some kinds of record, of one record."""
    chosen = _chosen(publisher, record).where(_audit.c.id > after).order_by(_audit.c.id).limit(limit)
    if kinds is not None:
        chosen = chosen.where(_audit.c.kind.in_(sorted(kinds)))
    return _rows(session, chosen)


def last(session: Reading, *, limit: int, publisher: str | None = None, record: str | None = None) -> list[Audit]:
    """The newest rows, oldest of them first."""
    return _rows(session, _chosen(publisher, record).order_by(_audit.c.id.desc()).limit(limit))[::-1]


def every(session: Reading, *, publisher: str | None = None) -> Iterator[Audit]:
    """All rows, oldest first."""
    after = 0
    while found := page(session, after=after, limit=_AT_ONCE, publisher=publisher):
        yield from found
        after = found[-1].id or 0


def _chosen(publisher: str | None, record: str | None) -> Select[Any]:
    chosen = select(_audit)
    if publisher is not None:
        chosen = chosen.where(_audit.c.publisher == publisher)
    return chosen if record is None else chosen.where(_audit.c.record == record)


def _rows(session: Reading, chosen: Select[Any]) -> list[Audit]:
    return [Audit(**row._mapping) for row in session.connection().execute(chosen)]  # noqa: SLF001


def shown(row: Audit) -> dict[str, Any]:
    """A row as it is told, by the names of `MEMBERS`: what it has no value for is left out."""
    who = (row.id, stamp(row.time), row.actor, row.token_id, row.name)
    values = (*who, row.action, row.publisher, row.kind, row.record, row.number, row.before, row.after, row.request)
    return {name: value for name, value in zip(MEMBERS, values, strict=True) if value not in (None, "")}
