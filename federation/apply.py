"""A page into the database: records, their changes, what was refused, in bulk and in the caller's transaction.

Applying a page twice changes nothing. The caller moves the cursor in the same transaction, under its fence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, delete, select

from federation import erasure, log, moved, precedence, told, unproven, waiting
from federation import rows as bulk
from federation.database import Reading, WriteSession, table
from federation.merge import PERSONAL, Held, Statement, end, hear, is_withdrawn, says_same, withdrawal
from federation.verdicts import Judged
from federation.waiting import GONE, Pending, waits
from schema.tables import Record, Removal, Shadow, Sighting

_shadow, _removal = table(Shadow), table(Removal)
_CHUNK, _NEVER = 500, -1
_FIELDS = log.STATE[:-2]
_SHADOW = log.STATE[:-1]
_NOTHING = Held()
_SAID = ("id", "kind", "node_id", "data", "origin", "reason", "moved_to")


@dataclass(slots=True)
class Applied:
    """What became of a page's items; `dropped` are loops.

    accepted = created + updated + deleted + unchanged, once the pass has ended: until then the tombstones of live
    records wait and count as nothing; those that are held back then count as `held`.
    """

    accepted: int = 0
    refused: int = 0
    dropped: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    held: int = 0

    def add(self, other: Applied) -> None:
        """Count another page's items too."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def apply(session: WriteSession, node_id: int, judged: Judged, *, now: datetime, reconciling: bool = False) -> Applied:
    """Put what a page says into the database, with history, shadows and problems; what it removes waits.

    `reconciling`: what comes straight from the origin replaces what is held, and every record that is still carried is
    noted, so that the end of the pass knows which are not.
    """
    log.lock(session)
    heard = [*judged.heard, *_echoes(session, node_id, judged)]
    ids = list(dict.fromkeys([statement.id for statement, _ends in heard]))
    before = held(session, ids)
    after = {record_id: before.get(record_id, _NOTHING) for record_id in ids}
    pending = Pending(session, node_id, [*ids, *judged.standing], afresh=reconciling)
    erased = erasure.words(session, ids)
    left = moved.left(session, node_id, [said.id for said, ends in heard if not (ends or said.deleted)])
    for statement, ends in heard:
        # A relay that has not followed a move, or was judged before that was: its word brings no old id back.
        if statement.id in left and not (ends or statement.deleted):
            continue
        known = after[statement.id]
        gone = erased.get(statement.id)
        then = end(known, node_id) if ends else hear(known, statement, afresh=reconciling, erased=gone)
        if waits(known, then):
            pending.wait(statement, ends=ends)
            continue
        pending.hear(statement, then, ends=ends)
        after[statement.id] = then
    pending.stand(judged.standing)
    pending.write(now)
    applied = settle(session, before, after, now=now)
    _answer(session, node_id, [name for name in ids if _is_new(before.get(name, _NOTHING), after[name])], now)
    applied.accepted = len(heard) + len(judged.standing)
    applied.unchanged = applied.accepted - applied.created - applied.updated - applied.deleted - pending.count
    applied.held = pending.joined
    applied.refused, applied.dropped = len(judged.refused), judged.loops
    told.mended(session, node_id, [*ids, *judged.standing])
    told.tell(session, node_id, judged.refused, now)
    believed = dict.fromkeys(judged.standing, _NEVER) | {statement.id: statement.seq for statement, _ends in heard}
    unproven.keep(session, node_id, _not_withdrawn(session, judged.unproven), believed, now)
    told.tell(session, node_id, judged.warned, now, severity="warning")
    if reconciling:
        said_so = (s.id for s in (*(s for s, ends in judged.heard if not ends), *judged.unproven))
        carried = dict.fromkeys([*said_so, *judged.standing, *judged.named])
        met = [(node_id, record_id) for record_id in carried]
        bulk.put(session, Sighting, ("node_id", "id"), met, ("node_id", "id"))
    return applied


def held(session: WriteSession, ids: Sequence[str]) -> dict[str, Held]:
    """What is known of these records, with every route's word."""
    winners = {row[0]: Statement(*row) for row in bulk.find(session, Record, _FIELDS, ids)}
    shadows: dict[str, dict[int, Statement]] = {}
    for row in bulk.find(session, Shadow, _FIELDS, ids) if _any_shadow(session) else ():
        shadow = Statement(*row)
        assert shadow.node_id is not None
        shadows.setdefault(shadow.id, {})[shadow.node_id] = shadow
    return {i: Held(winners.get(i), shadows.get(i)) for i in winners.keys() | shadows.keys()}


def _any_shadow(session: WriteSession) -> bool:
    return session.connection().execute(select(_shadow.c.id).limit(1)).first() is not None


Said = tuple[str, str, int | None, bytes | None, bytes, str | None, str | None]
"""What a route says of a record, in the order of `_SAID`."""


def said(s: Statement) -> Said:
    """What a statement says, to be compared with what is held."""
    return s.id, s.kind, s.node_id, s.data, s.origin, s.reason, s.moved_to


def standing(session: Reading, words: Sequence[Said], *, relayed: bool) -> set[str]:
    """The ids of those words that are held as they stand, byte for byte: to hear them again changes nothing.

    A signature was judged when its bytes came; only relayed words can be those of a route that did not win.
    """
    found = bulk.same(session, Record, _SAID, words)
    left = [word for word in words if word[0] not in found] if relayed else []
    return found | bulk.same(session, Shadow, _SAID, left)


def _echoes(session: WriteSession, node_id: int, judged: Judged) -> list[tuple[Statement, bool]]:
    """End what this route said before of records that it now has of us: or two would keep each other's echo (0026)."""
    known = held(session, [statement.id for statement in judged.looped]) if judged.looped else {}
    return [(statement, True) for statement in judged.looped if known.get(statement.id, _NOTHING).of(node_id)]


def _not_withdrawn(session: WriteSession, words: Sequence[Statement]) -> list[Statement]:
    """Those of a route's unproven words that their origin has not withdrawn since: the others are not kept."""
    ids = [word.id for word in words]
    known, erased = (held(session, ids), erasure.words(session, ids)) if words else ({}, {})
    return [word for word in words if not is_withdrawn(word, known.get(word.id, _NOTHING).winner, erased.get(word.id))]


def _is_new(before: Held, after: Held) -> bool:
    """Whether a route has said something new of a record that lives."""
    return after is not before and after.winner is not None and not after.winner.deleted


def _answer(session: WriteSession, node_id: int, ids: Sequence[str], now: datetime) -> None:
    """Cancel the removals by other routes that would take none of these records away, now that this one has spoken."""
    if not ids or session.connection().execute(select(_removal.c.id).limit(1)).first() is None:
        return
    found = bulk.find(session, Removal, ("id", "node_id", "state"), ids)
    hear_waiting(session, [name for name, route, state in found if route != node_id and state != GONE], now)


def hear_waiting(session: WriteSession, ids: Sequence[str], now: datetime) -> Applied:
    """Take what waits on these records, and would take nothing from whoever reads them any more, for an ordinary word.

    One that would leave a record to a worse rank waits on: else an accident at an origin, or a new epoch, would put
    what a relay says in the place of what the origin said, and nobody would be told.
    """
    done = Applied()
    for start in range(0, len(ids), _CHUNK):
        chosen = select(_removal).where(_removal.c.id.in_(ids[start : start + _CHUNK]), _removal.c.state != GONE)
        found = session.connection().execute(chosen.order_by(_removal.c.node_id)).all()
        for route, waiting_ones in groupby(found, lambda row: int(row.node_id)):
            rows = {row.id: row for row in waiting_ones}
            before = held(session, list(rows))
            after = {name: then(state, rows[name]) for name, state in before.items()}
            heard = {name: state for name, state in after.items() if _takes_nothing(before[name], state)}
            done.add(settle(session, before, heard, now=now))
            waiting.forget(session, route, heard)
    return done


def _takes_nothing(before: Held, after: Held) -> bool:
    if before.winner is not None and after.winner is not None and after.winner.rank > before.winner.rank:
        return False
    return not waits(before, after)


def then(known: Held, row: Any) -> Held:
    """What is held of a record once a removal is applied."""
    return end(known, row.node_id) if row.ends else hear(known, waiting.statement(row), afresh=row.afresh)


def settle(session: WriteSession, before: Mapping[str, Held], after: Mapping[str, Held], *, now: datetime) -> Applied:
    """Write what differs: changes into the log, routes in place, shadows. The caller holds the log's lock."""
    counts = Applied()
    changed: list[Statement] = []
    rerouted: list[Statement] = []
    for record_id, state in after.items():
        old, new = before.get(record_id, _NOTHING).winner, state.winner
        if new is None or new is old:
            continue
        if old is not None and _only_rerouted(old, new):
            rerouted.append(new)
            continue
        changed.append(new)
        _count(counts, old, new)
    _log(session, changed, {i for i, state in before.items() if state.winner is not None}, now)
    _reroute(session, rerouted)
    _shadows(session, before, after)
    _hide_earlier(session, [new.id for new in changed if new.reason == PERSONAL], now)
    return counts


def _hide_earlier(session: WriteSession, withdrawn: Sequence[str], now: datetime) -> None:
    """End what was withdrawn for a person's sake under the ids that it had before its node moved: it waits no more."""
    if not withdrawn:
        return
    routes: dict[int, list[str]] = {}
    for name, state in held(
        session, [name for led in moved.earlier(session, withdrawn).values() for name in led[1:]]
    ).items():
        for word in (state.winner, *state.others.values()):
            if word is not None and word.node_id is not None and not word.deleted:
                routes.setdefault(word.node_id, []).append(name)
    for route, ids in routes.items():
        end_routes(session, route, ids, now=now)
        waiting.forget(session, route, ids)


def _only_rerouted(old: Statement, new: Statement) -> bool:
    weight = old.rank == new.rank and old.signature == new.signature
    return weight and says_same(old, new) and new.node_id in (old.node_id, None)


def _count(counts: Applied, old: Statement | None, new: Statement) -> None:
    if new.deleted:
        counts.deleted += 1
    elif old is None or old.deleted:
        counts.created += 1
    else:
        counts.updated += 1


def _log(session: WriteSession, changed: Sequence[Statement], known: set[str], now: datetime) -> None:
    if not changed:
        return
    first = log.numbers(session, len(changed))
    log.write(session, [(*_row(new), first + step) for step, new in enumerate(changed)], known, now=now)
    precedence.cover(session, changed)
    withdrawn = [
        erasure.Withdrawn(new.id, first + step, new.node_id, withdrawal(new))
        for step, new in enumerate(changed)
        if new.reason == PERSONAL
    ]
    erasure.note(session, withdrawn, now=now)


def _row(s: Statement) -> bulk.Row:
    said = (s.id, s.kind, s.publisher, s.node_id, s.data, s.origin, s.via, s.reason, s.moved_to)
    return (*said, s.origin_node, s.seq, s.rank, s.signature, s.data is None)


def _reroute(session: WriteSession, statements: Sequence[Statement]) -> None:
    bulk.change(session, Record, ("id", "node_id"), [(s.id, s.node_id) for s in statements])


def _shadows(session: WriteSession, before: Mapping[str, Held], after: Mapping[str, Held]) -> None:
    kept: list[Statement] = []
    gone: list[dict[str, Any]] = []
    for record_id, state in after.items():
        was = before.get(record_id, _NOTHING)
        if not was.shadows and not state.shadows:
            continue
        old, new = was.others, state.others
        kept += [shadow for node, shadow in new.items() if old.get(node) is not shadow]
        gone += [{"old": record_id, "route": node} for node in old if node not in new]
    if gone:
        parted = delete(_shadow).where(_shadow.c.id == bindparam("old"), _shadow.c.node_id == bindparam("route"))
        session.connection().execute(parted, gone)
    bulk.put(session, Shadow, _SHADOW, [_row(shadow) for shadow in kept], ("id", "node_id"))


def end_routes(session: WriteSession, node_id: int, ids: Iterable[str], *, now: datetime) -> Applied:
    """End a node's route to these records: the best shadow of each takes over, else it becomes a tombstone."""
    log.lock(session)
    wanted = list(ids)
    done = Applied()
    for start in range(0, len(wanted), _CHUNK):
        before = held(session, wanted[start : start + _CHUNK])
        after = {record_id: end(state, node_id) for record_id, state in before.items()}
        done.add(settle(session, before, after, now=now))
    return done
