"""Where an old id leads since its node has moved (protocol section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import orjson
from sqlalchemy import delete, or_, select

from federation.database import Reading, WriteSession, table, upsert
from federation.identity import Taken
from schema.tables import Moved, Node, Publisher

_moved, _node, _publisher = table(Moved), table(Node), table(Publisher)
_OURS = -1


def leads_to(session: Reading, record_id: str) -> str | None:
    """The id under which a record stands since its node has moved, over at most eight moves; it leads on from there."""
    name = record_id
    for _hop in range(8):
        cuts = [place + 1 for place, sign in enumerate(name[:2600]) if sign == "/"]
        begins = [_moved.c.old == name[:cut] for cut in cuts[3:40]]
        if not begins:
            break
        row = session.connection().execute(select(_moved.c.old, _moved.c.new).where(or_(*begins))).first()
        if row is None:
            break
        name = row.new + name.removeprefix(row.old)
    return None if name == record_id else name


def earlier(session: Reading, ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids under which each record has stood, its own first: those that lead to it, over at most eight moves."""
    pairs = every(session)
    return {record: _led_to(record, pairs) for record in ids}


def _led_to(record_id: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    found = last = [record_id]
    for _hop in range(8):
        led = [old + name.removeprefix(new) for name in last for old, new in pairs if name.startswith(new)]
        last = [name for name in dict.fromkeys(led) if name not in found]
        found = found + last
    return found


def left(session: Reading, node_id: int, ids: Sequence[str]) -> set[str]:
    """Those of these ids that were left behind in moves, but for this node's own: it may still speak of them.

    They were while it is here who moved: a node that is pinned with both prefixes, or a publisher of our own.
    """
    pairs = every(session)
    olds = Taken(old for old, _new in pairs)
    found = [name for name in ids if olds.overlaps(name)] if pairs else []
    if not found:
        return set()
    holders: dict[str, set[int]] = {prefix: {_OURS} for prefix in ours(session)}
    for row in session.connection().execute(select(_node.c.id, _node.c.prefixes)):
        for prefix in orjson.loads(row.prefixes):
            holders.setdefault(prefix, set()).add(row.id)
    there = {old for old, new in pairs if holders.get(old, set()) & holders.get(new, set())}
    gone = Taken(old for old in there if node_id not in holders[old])
    return {name for name in found if gone.overlaps(name)}


def ours(session: Reading) -> set[str]:
    """The prefixes that our own publishers have and had: our moves each lead to the next."""
    found = set(session.connection().execute(select(_publisher.c.id_prefix)).scalars())
    pairs = every(session)  # after the publishers, so that a move of ours between the two shows
    for _hop in range(8):
        found |= {old for old, new in pairs if new in found}
    return found


def every(session: Reading) -> list[tuple[str, str]]:
    """Each prefix that was left, with the one that its ids lead to."""
    return [(row.old, row.new) for row in session.connection().execute(select(_moved.c.old, _moved.c.new))]


def forget(session: WriteSession, prefixes: Iterable[str]) -> None:
    """Let ids below these prefixes lead nowhere else: somebody publishes under them again."""
    session.connection().execute(delete(_moved).where(_moved.c.old.in_(list(prefixes))))


def remember(session: WriteSession, prefixes: Mapping[str, str], *, now: datetime) -> None:
    """Lead the ids below each old prefix to those below the new one."""
    upsert(session, Moved, [{"old": old, "new": new, "at": now} for old, new in prefixes.items()], ["old"])
    forget(session, prefixes.values())  # back at an address of old
