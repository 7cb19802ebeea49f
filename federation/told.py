"""What a node's publisher should mend: one row a rule and place, counted, gone when it is mended."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, func, select, true, update

from federation import rows as bulk
from federation.database import Reading, WriteSession, table, upserting
from federation.looks import LOOKS
from federation.rules import severity_of
from federation.verdicts import Trouble, clean
from schema.entry import stamp
from schema.tables import Erasure, Problem

_problem = table(Problem)
_CHUNK = 500
MAX_ROWS = 1_000
MANY = "*"  # stands for the records of a node that breaks one rule in too many places to list them all
REMOVAL_HELD = "removal-held"
IDENTITY_CHANGED = "identity-changed"
WEBHOOK = "webhook"
_APART = (REMOVAL_HELD, WEBHOOK)  # neither a visit nor an examination tells whether they are mended
_DECIDED = (IDENTITY_CHANGED, REMOVAL_HELD)  # what waits for the operator of this server
_FOUND = " Found: "
_KEY = ("node_id", "rule", "record_id", "pointer")
_KEY_BYTES, _POINTER, _STRANGE = 2_640, 500, 1_000
"""The most bytes of a key, a pointer, and an id that is no record's: a row of an index has 2,704 in PostgreSQL."""


def tell(
    session: WriteSession, node_id: int, troubles: Iterable[Trouble], now: datetime, *, severity: str | None = None
) -> None:
    """Note problems of a node; one that is known is counted again. How bad each is says its rule, or `severity`.

    Past 1,000 rows a node, further places are counted together in one row a rule. What a record held that was withdrawn
    as personal data is not quoted, whoever shows it still.
    """
    said = list(troubles)
    erased = _withdrawn(session, [trouble.record_id for trouble in said if _FOUND in trouble.message])
    places = Counter(_place(trouble, quoted=trouble.record_id not in erased) for trouble in said)
    if not places:
        return
    held: int = session.connection().execute(select(func.count()).where(_problem.c.node_id == node_id)).scalar_one()
    if held + len(places) > MAX_ROWS:
        places = _gathered(places)
    rows = [
        {
            "node_id": node_id,
            "rule": rule,
            "record_id": record_id,
            "pointer": pointer,
            "severity": severity or severity_of(rule),
            "message": message,
            "count": count,
            "first_seen": now,
            "last_seen": now,
        }
        for (rule, record_id, pointer), (message, count) in _by_key(places).items()
    ]
    statement = upserting(session, _problem)
    again = {
        "count": _problem.c.count + statement.excluded["count"],
        "last_seen": statement.excluded["last_seen"],
        "message": statement.excluded["message"],
        "severity": statement.excluded["severity"],
    }
    session.connection().execute(statement.on_conflict_do_update(index_elements=list(_KEY), set_=again), rows)


Place = tuple[str, str, str, str]  # rule, record id, pointer, message


def _place(trouble: Trouble, *, quoted: bool = True) -> Place:
    rule, record_id = trouble.rule[:60], trouble.record_id
    if not record_id.isascii():  # no record has such an id; those of records are never cut, for they are looked up
        record_id = _cut(record_id, _STRANGE)
    most = min(_POINTER, _KEY_BYTES - len(rule) - len(record_id.encode()))
    message = trouble.message if quoted else _unquoted(trouble.message)
    return rule, record_id, _cut(clean(trouble.pointer), most), message[:2_000]


def _unquoted(message: str) -> str:
    """What is wrong, without what was found there."""
    return message.partition(_FOUND)[0]


def _withdrawn(session: Reading, ids: Iterable[str]) -> set[str]:
    """Those of these records that were withdrawn as personal data."""
    asked = {record_id for record_id in ids if record_id}
    return {found for (found,) in bulk.find(session, Erasure, ("id",), list(asked))}


def unquote(session: WriteSession, ids: Sequence[str]) -> None:
    """Forget what was quoted of these records, of whatever node; what is wrong with them stays told."""
    for start in range(0, len(ids), _CHUNK):
        about = _problem.c.record_id.in_(ids[start : start + _CHUNK]) & _problem.c.message.contains(_FOUND)
        for row in session.connection().execute(select(_problem.c.id, _problem.c.message).where(about)).all():
            cut = update(_problem).where(_problem.c.id == row.id).values(message=_unquoted(row.message))
            session.connection().execute(cut)


def _cut(text: str, most: int) -> str:
    """A text of at most so many bytes of UTF-8; of two that begin alike each is still itself."""
    whole = text.encode()
    if len(whole) <= most:
        return text
    end = "~" + hashlib.sha256(whole).hexdigest()[:16]
    return whole[: max(0, most - len(end))].decode(errors="ignore") + end


def _gathered(places: Counter[Place]) -> Counter[Place]:
    found: Counter[Place] = Counter()
    for (rule, record_id, _pointer, message), count in places.items():
        # What was found in a record must go with the record, and this row stays.
        about = (MANY, "", _unquoted(message)) if record_id else ("", "", message)
        found[rule, *about] += count
    return found


def _by_key(places: Counter[Place]) -> dict[tuple[str, str, str], tuple[str, int]]:
    found: dict[tuple[str, str, str], tuple[str, int]] = {}
    for (rule, record_id, pointer, message), count in places.items():
        before = found.get((rule, record_id, pointer), ("", 0))[1]
        found[rule, record_id, pointer] = (message, before + count)
    return found


def mended(session: WriteSession, node_id: int, ids: Sequence[str]) -> None:
    """Forget the problems of records that have now been accepted."""
    about_records = select(_problem.c.id).where(_problem.c.node_id == node_id, _problem.c.record_id != "").limit(1)
    if not ids or session.connection().execute(about_records).first() is None:
        return
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        session.connection().execute(
            delete(_problem).where(_problem.c.node_id == node_id, _problem.c.record_id.in_(chunk))
        )


def visit_mended(
    session: WriteSession,
    node_id: int,
    *,
    rules: Sequence[str] | None = None,
    found: Sequence[Trouble] | None = None,
    before: datetime | None = None,
) -> None:
    """Forget the problems of the feed as a whole after a good visit, but for removals that are held.

    `found` is what a look at the whole found wrong: that stays, all else of its rules goes. Without it nobody looked,
    and what an earlier look found stays. With `rules`, forget just those. `before`: when the visit began; what it told
    of itself stays.
    """
    about_feed = delete(_problem).where(_problem.c.node_id == node_id, _problem.c.record_id == "")
    stays = LOOKS if found is None else [trouble.rule for trouble in found]
    chosen = _problem.c.rule.in_(rules) if rules is not None else _problem.c.rule.not_in([*_APART, *stays])
    earlier = true() if before is None else _problem.c.last_seen < before
    session.connection().execute(about_feed.where(chosen, earlier))


def examined(session: WriteSession, node_id: int, troubles: Sequence[Trouble], now: datetime) -> None:
    """Note what an examination of a node from its start found, in place of all that was known before."""
    kept = {_place(trouble)[:3] for trouble in troubles}
    known = select(_problem.c.id, _problem.c.rule, _problem.c.record_id, _problem.c.pointer)
    rows = session.connection().execute(known.where(_problem.c.node_id == node_id, _problem.c.rule.not_in(_APART)))
    gone = [row.id for row in rows if (row.rule, row.record_id, row.pointer) not in kept]
    for start in range(0, len(gone), _CHUNK):
        session.connection().execute(delete(_problem).where(_problem.c.id.in_(gone[start : start + _CHUNK])))
    tell(session, node_id, troubles, now)


def by_rule(session: Reading) -> dict[tuple[str, str], int]:
    """How many places of all nodes break each rule, by (rule, severity)."""
    chosen = select(_problem.c.rule, _problem.c.severity, func.count()).group_by(_problem.c.rule, _problem.c.severity)
    return {
        (rule, severity): count
        for rule, severity, count in session.connection().execute(chosen.order_by(_problem.c.rule))
    }


def totals(session: Reading, node_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """How many places of each node break a rule, by severity: all of them, however few `of_nodes` gives."""
    found = {node_id: {"error": 0, "warning": 0} for node_id in node_ids}
    chosen = select(_problem.c.node_id, _problem.c.severity, func.count()).where(_problem.c.node_id.in_(node_ids))
    grouped = chosen.group_by(_problem.c.node_id, _problem.c.severity)
    for node_id, severity, count in session.connection().execute(grouped):
        found[node_id][severity] = count
    return found


def of_nodes(session: Reading, node_ids: Sequence[int], *, limit: int) -> dict[int, list[dict[str, object]]]:
    """The problems of each node as protocol section 5 writes them; at most `limit` a node.

    What waits for the operator stands first, then the latest seen.
    """
    first = case((_problem.c.rule.in_(_DECIDED), 0), else_=1)
    place = func.row_number().over(
        partition_by=_problem.c.node_id, order_by=(first, _problem.c.last_seen.desc(), _problem.c.id.desc())
    )
    ranked = select(_problem, place.label("place")).where(_problem.c.node_id.in_(node_ids)).subquery()
    chosen = select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.node_id, ranked.c.place)
    found: dict[int, list[dict[str, object]]] = {node_id: [] for node_id in node_ids}
    for row in session.connection().execute(chosen):
        found[row.node_id].append(
            {
                "rule": row.rule,
                "severity": row.severity,
                "pointer": row.pointer,
                "recordId": row.record_id or None,
                "message": row.message,
                "count": row._mapping["count"],  # noqa: SLF001 - a row's own `count` is a method
                "firstSeen": stamp(row.first_seen),
                "lastSeen": stamp(row.last_seen),
            }
        )
    return found


def to_decide(problems: Iterable[Mapping[str, Any]]) -> list[str]:
    """What waits for the operator among the problems of a node, each with the commands that decide."""
    return [str(one["message"]) for one in problems if one["rule"] in _DECIDED]
