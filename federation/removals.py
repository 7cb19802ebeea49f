"""The end of a pass: what waits to be removed goes, or is held until a person releases or rejects it (section 5).

By origin node, over all routes: where more than 20 % of its live records (and at least 20) would go within 24 hours,
those that went among them, they are held: the records stay served and marked, and later tombstones of that route join
them. What another route carries does not go, so it does not count. One rule for a crawl and for the end of a full
reconcile (`federation/reconcile.py`); an import asks the same `guard` before it publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import structlog
from sqlalchemy import ColumnElement, delete, exists, func, select, update

from federation import hooks, log, told, waiting
from federation.apply import Applied, hear_waiting, held, settle, then
from federation.database import Reading, WriteSession, table
from federation.guard import DAY, LEAST, guard
from federation.merge import Held, Statement, weigh
from federation.sign import INVALID
from federation.verdicts import Trouble
from federation.waiting import GONE, HELD, WAITING, Pending
from schema.tables import Node, Record, Removal, Shadow

logger = structlog.get_logger("folkmoot.crawl")
_node, _record, _removal, _shadow = table(Node), table(Record), table(Removal), table(Shadow)
_CHUNK = 500
_NAMED = 5
"""How many origin nodes the warning of a relay names."""
_MOST_NAMED = 1_500
_DECIDE = (
    "The operator decides with folkmoot node release {key} --removals (they go) "
    "or folkmoot node reject {key} --removals (they stay)."
)


def close_pass(session: WriteSession, node_id: int, *, now: datetime) -> Applied:
    """Judge what waits for the end of this pass. One cheap question where nothing does."""
    if not waiting.stands(session, node_id, WAITING):
        return Applied()
    log.lock(session)
    yesterday = (_removal.c.state == GONE) & (_removal.c.since <= now - DAY)
    session.connection().execute(delete(_removal).where(_removal.c.node_id == node_id, yesterday))
    done = _hear_carried(session, node_id, now)
    for origin, held_back in _judged(session, node_id, now).items():
        if held_back:
            done.held += _hold(session, node_id, origin)
        else:
            done.add(_remove(session, node_id, WAITING, now=now, origin=origin))
    if done.held:
        _tell(session, node_id, now)
        waiting.changed(session, node_id)
    return done


def release(session: WriteSession, node_id: int, *, now: datetime) -> Applied:
    """Remove what is held of a node, as a person says. What goes so does not count among what went by itself."""
    log.lock(session)
    done = _remove(session, node_id, HELD, now=now)
    waiting.changed(session, node_id)
    hooks.again(session, node_id)
    return done


def reject(session: WriteSession, node_id: int) -> int:
    """Forget what is held of a node: its records stay. Gives how many removals that were."""
    log.lock(session)
    forgotten = delete(_removal).where(_removal.c.node_id == node_id, _removal.c.state == HELD)
    count = session.connection().execute(forgotten).rowcount
    waiting.changed(session, node_id)
    hooks.again(session, node_id)
    return count


def counts(session: Reading, node_ids: Sequence[int]) -> dict[int, int]:
    """How many removals of each node wait for a person."""
    chosen = select(_removal.c.node_id, func.count()).where(_removal.c.node_id.in_(node_ids), _removal.c.state == HELD)
    return dict(session.connection().execute(chosen.group_by(_removal.c.node_id)).all())


def _hear_carried(session: WriteSession, node_id: int, now: datetime) -> Applied:
    """Let a route end where another carries the record, before it is reckoned what would go: that does not."""
    others = exists().where(_shadow.c.id == _removal.c.id, _shadow.c.node_id != node_id)
    mine = select(_removal.c.id).where(_removal.c.node_id == node_id, _removal.c.state == WAITING, others)
    return hear_waiting(session, session.connection().execute(mine).scalars().all(), now)


def _judged(session: Reading, node_id: int, now: datetime) -> dict[str, bool]:
    """By origin node with waiting removals: whether they are held. What went by another route counts with them."""
    waits: dict[str, int] = {}
    holding: set[str] = set()
    told_apart = (_removal.c.origin_node, _removal.c.state, _record.c.deleted)
    chosen = select(*told_apart, func.count()).join(_record, _record.c.id == _removal.c.id)
    rows = session.connection().execute(chosen.where(_removal.c.node_id == node_id).group_by(*told_apart))
    for origin, state, deleted, count in rows:
        if state == HELD:
            holding.add(origin)
        elif state == WAITING:  # what went by another route meanwhile is among what is gone
            waits[origin] = waits.get(origin, 0) + (0 if deleted else count)
    if not waits:
        return {}
    gone = _gone(session, now)
    going = {origin: count + gone.get(origin, 0) for origin, count in waits.items() if origin not in holding}
    # Most are let go by what this route alone carries, which an index finds; the others by what all of them do.
    live = _live(session, _record.c.node_id == node_id) if any(count >= LEAST for count in going.values()) else {}
    large = [name for name, count in going.items() if not guard(live.get(name, 0) + gone.get(name, 0), count)]
    live = _live(session, _record.c.origin_node.in_(large)) if large else {}
    held_back = {name for name in large if not guard(live.get(name, 0) + gone.get(name, 0), going[name])}
    return {origin: origin not in going or origin in held_back for origin in sorted(waits)}


def _gone(session: Reading, now: datetime) -> dict[str, int]:
    """By origin node: how many records went by themselves within a day, by whatever route, and have not come back."""
    chosen = (
        select(_removal.c.origin_node, func.count(func.distinct(_removal.c.id)))
        .join(_record, _record.c.id == _removal.c.id)
        .where(_removal.c.state == GONE, _removal.c.since > now - DAY, _record.c.deleted)
    )
    return dict(session.connection().execute(chosen.group_by(_removal.c.origin_node)).all())


def _live(session: Reading, carried: ColumnElement[bool]) -> dict[str, int]:
    """By origin node: how many live records are carried so, those that wait among them."""
    chosen = select(_record.c.origin_node, func.count()).where(carried, _record.c.deleted.is_(False))
    return dict(session.connection().execute(chosen.group_by(_record.c.origin_node)).all())


def _hold(session: WriteSession, node_id: int, origin: str) -> int:
    mine = (_removal.c.node_id == node_id) & (_removal.c.origin_node == origin) & (_removal.c.state == WAITING)
    return session.connection().execute(update(_removal).where(mine).values(state=HELD)).rowcount


def _remove(session: WriteSession, node_id: int, state: str, *, now: datetime, origin: str | None = None) -> Applied:
    """Apply removals, some at a time. What goes by itself is kept for a day; of what was held, the caller tells."""
    mine = (_removal.c.node_id == node_id) & (_removal.c.state == state)
    if origin is not None:
        mine &= _removal.c.origin_node == origin
    next_ones = select(_removal).where(mine).order_by(_removal.c.id).limit(_CHUNK)
    done = Applied()
    while rows := session.connection().execute(next_ones).all():
        before = held(session, [row.id for row in rows])
        after = {row.id: then(before[row.id], row) for row in rows if row.id in before}
        done.add(settle(session, before, after, now=now))
        these = (_removal.c.node_id == node_id) & _removal.c.id.in_([row.id for row in rows])
        if state == WAITING:
            session.connection().execute(update(_removal).where(these).values(state=GONE, since=now))
        else:
            session.connection().execute(delete(_removal).where(these))
    return done


def reweigh(
    session: WriteSession, ids: Sequence[str], weighed: Callable[[Statement], Statement], *, now: datetime
) -> None:
    """Weigh the words on these records anew; one that takes a live record away by that waits as if it were said now.

    It goes under the guard at once, but where its route is in the middle of a pass: at the end of that. The log's lock
    is held.
    """
    in_a_pass: dict[int, bool] = {}
    for start in range(0, len(ids), _CHUNK):
        before = held(session, ids[start : start + _CHUNK])
        stay = {name: _staying(state, weighed) for name, state in before.items()}
        for route, words in _by_route(word for _state, going in stay.values() for word in going).items():
            if route not in in_a_pass:
                in_a_pass[route] = waiting.stands(session, route, WAITING)
            pending = Pending(session, route, [word.id for word in words], afresh=False)
            for word in words:
                pending.wait(word, ends=False)
            pending.write(now)
        settle(session, before, {name: state for name, (state, _going) in stay.items()}, now=now)
        hear_waiting(session, list(before), now)
    for route, goes_on in in_a_pass.items():
        if not goes_on:
            close_pass(session, route, now=now)


def proved_anew(session: WriteSession, origin: str, weighed: Callable[[Statement], Statement]) -> None:
    """Weigh what waits on records of an origin anew: a removal that no key of its has signed any more is forgotten."""
    mine = (_removal.c.origin_node == origin) & (_removal.c.state != GONE) & ~_removal.c.ends
    forged: dict[int, list[str]] = {}
    for row in session.connection().execute(select(_removal).where(mine)).all():
        said = waiting.statement(row)
        now_is = weighed(said)
        if now_is.signature == INVALID != said.signature:
            forged.setdefault(row.node_id, []).append(row.id)
        elif now_is != said:
            this = update(_removal).where(_removal.c.id == row.id, _removal.c.node_id == row.node_id)
            session.connection().execute(this.values(rank=now_is.rank, signature=now_is.signature))
    for route, ids in forged.items():
        waiting.forget(session, route, ids)


def _staying(state: Held, weighed: Callable[[Statement], Statement]) -> tuple[Held, list[Statement]]:
    """What is held once the words are weighed anew, but for those that would take a live record away; and these."""
    going: list[Statement] = []
    after = weigh(state, weighed)
    while after.winner is not None and waiting.waits(state, after):
        going.append(after.winner)
        others = {route: word for route, word in state.others.items() if route != after.winner.node_id}
        state = Held(state.winner, others)
        after = weigh(state, weighed)
    return after, going


def _by_route(words: Iterable[Statement]) -> dict[int, list[Statement]]:
    found: dict[int, list[Statement]] = {}
    for word in words:
        assert word.node_id is not None
        found.setdefault(word.node_id, []).append(word)
    return found


def _tell(session: WriteSession, node_id: int, now: datetime) -> None:
    chosen = select(_removal.c.origin_node, func.count()).where(_removal.c.node_id == node_id, _removal.c.state == HELD)
    rows = session.connection().execute(chosen.group_by(_removal.c.origin_node).order_by(_removal.c.origin_node)).all()
    live = _live(session, _record.c.origin_node.in_([origin for origin, _count in rows[:_NAMED]]))
    named = [f"{count} of {live.get(origin, count)} records of {origin}" for origin, count in rows[:_NAMED]]
    more = f" and of {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    key: str = session.connection().execute(select(_node.c.key).where(_node.c.id == node_id)).scalar_one()
    gone = ", ".join(named)[:_MOST_NAMED] + more
    message = f"{gone} would go; they are kept until a person looks. {_DECIDE.format(key=key)}"
    logger.warning("removals are held", node=key, what=message)
    told.tell(session, node_id, [Trouble(told.REMOVAL_HELD, "", message)], now, severity="warning")
