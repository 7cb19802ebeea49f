"""The rows of webhooks: what each node was told last, the message that waits for it, and what became of it.

Nothing is queued where a visit ends: the status as it stands is compared with what was told. So a message can neither
be lost with a killed process nor say anything else than the node's own page.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Select, case, delete, func, or_, select, update

from federation import publishers, told
from federation.database import Reading, WriteSession, table, upserting
from federation.verdicts import Trouble
from schema.entry import stamp
from schema.errors import ReaderFault
from schema.tables import Feed, Hook, Meta, Node, Problem

SEED, PUBLIC = "webhookSeed", "webhookKey"
RULE = told.WEBHOOK
AT_ONCE = 200
QUIET = timedelta(minutes=5)
"""How long a node that was told of something is left alone, so that a flood of changes is one message."""
LEASE = timedelta(seconds=120)
WAITS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds between the attempts for one message: ten of them, over three days (Standard Webhooks, example schedule)."""
_hook, _node, _feed, _problem = table(Hook), table(Node), table(Feed), table(Problem)


@dataclass(frozen=True, slots=True)
class Message:
    """A message in the hands of one worker."""

    node_id: int
    key: str
    url: str
    id: str
    body: bytes
    tries: int
    owner: str


def seed(session: Reading) -> bytes | None:
    """The seed of the key that signs, 32 bytes; None before a worker has made it."""
    known = publishers.recall(session, SEED)
    return None if known is None else bytes.fromhex(known)


def public_key(session: Reading) -> str | None:
    """The public key as the manifest gives it; None before a worker has made it."""
    return publishers.recall(session, PUBLIC)


def keep(session: WriteSession, made: bytes, public: str) -> None:
    """Keep the key, unless another worker has kept one meanwhile."""
    rows = [{"key": PUBLIC, "value": public}, {"key": SEED, "value": made.hex()}]
    session.connection().execute(upserting(session, table(Meta)).on_conflict_do_nothing(index_elements=["key"]), rows)


def _changed() -> Select[Any, Any, Any]:
    """The nodes that name a webhook and were visited or decided about since they were looked at, with their hook."""
    looked = or_(_hook.c.looked.is_(None), _hook.c.looked < _feed.c.last_visit)
    fresh = or_(_hook.c.node_id.is_(None), looked, _hook.c.url != _node.c.webhook)
    joined = _node.join(_feed, _feed.c.node_id == _node.c.id).outerjoin(_hook, _hook.c.node_id == _node.c.id)
    named = [column.label("hook_" + column.name) for column in _hook.columns]
    chosen = select(_node.c.id, _node.c.key, _node.c.webhook, _feed.c.last_visit, *named)
    return chosen.select_from(joined).where(_node.c.webhook.is_not(None), _feed.c.last_visit.is_not(None), fresh)


def again(session: WriteSession, node_id: int) -> None:
    """Let a node be looked at again though nobody visited it: an operator has decided, or somebody has checked it."""
    session.connection().execute(update(_hook).where(_hook.c.node_id == node_id).values(looked=None))


def _ended() -> Select[Any]:
    named = select(_node.c.id).where(_node.c.webhook.is_not(None))
    return select(_hook.c.node_id).where(_hook.c.node_id.not_in(named))


def wanted(session: Reading) -> bool:
    """Whether there is a node to look at."""
    return any(session.connection().execute(chosen.limit(1)).first() is not None for chosen in (_changed(), _ended()))


def look(session: WriteSession, *, public_url: str, now: datetime) -> int:
    """Make a message for each node whose status is not what it was told. Gives how many were made."""
    for node_id in session.connection().execute(_ended()).scalars().all():
        session.connection().execute(delete(_hook).where(_hook.c.node_id == node_id))
        told.visit_mended(session, node_id, rules=[RULE])  # the address at fault is named no more
    rows = session.connection().execute(_changed().limit(AT_ONCE)).all()
    return sum(_look(session, row, public_url, now) for row in rows)


def _look(session: WriteSession, row: Any, public_url: str, now: datetime) -> bool:
    state = _state(session, row.id)
    if state is None:
        return False
    digest = _digest(session, row.id, state)
    values: dict[str, Any] = {"node_id": row.id, "url": row.webhook, "looked": row.last_visit}
    moved = row.hook_url != row.webhook
    if moved:
        # Who still holds a message for the old address holds it no more: its answer says nothing of the new one.
        values |= {"disabled": None, "tries": 0, "answer": None, "told": None, "owner": None, "leased_until": None}
        told.visit_mended(session, row.id, rules=[RULE])
    changed = moved or digest != row.hook_told
    if changed and (moved or row.hook_disabled is None):
        due = now if row.hook_sent is None else max(now, row.hook_sent + QUIET)
        waits = row.hook_message is not None and not moved  # its back-off goes on: it is the same silence
        values |= {"told": digest, "message": f"msg_{secrets.token_urlsafe(18)}", "due": row.hook_due if waits else due}
        values["body"] = _body(session, row, state, public_url, now)
    first = upserting(session, _hook).values({"tries": 0, "delivered": 0, "failed": 0} | values)
    session.connection().execute(first.on_conflict_do_update(index_elements=["node_id"], set_=values))
    return "message" in values


def _state(session: WriteSession, node_id: int) -> str | None:
    """A node's state, which nobody changes until commit without having it looked at again. None where it is gone.

    Who decides about a node marks the row of its hook (`again`): of two at once the later sees what the earlier did.
    """
    there = select(_node.c.id).where(_node.c.id == node_id).with_for_update(read=True, key_share=True)
    if session.connection().execute(there).first() is None:
        return None
    session.connection().execute(select(_hook.c.node_id).where(_hook.c.node_id == node_id).with_for_update())
    found: str = session.connection().execute(select(_node.c.state).where(_node.c.id == node_id)).scalar_one()
    return found


def _digest(session: WriteSession, node_id: int, state: str) -> str:
    """The status in so far as its people must hear of it: the state, and which places break which rules of theirs."""
    chosen = select(_problem.c.rule, _problem.c.record_id, _problem.c.pointer)
    theirs = _problem.c.rule.not_in([RULE, ReaderFault.rule])
    rows = session.connection().execute(chosen.where(_problem.c.node_id == node_id, theirs))
    return hashlib.sha256(orjson.dumps([state, sorted(list(row) for row in rows)])).hexdigest()


def _body(session: WriteSession, row: Any, state: str, public_url: str, now: datetime) -> bytes:
    data = {
        "key": row.key,
        "state": state,
        "problems": told.totals(session, [row.id])[row.id],
        "url": f"{public_url}/v1/nodes/{row.key}",
        "page": f"{public_url}/nodes/{row.key}",
    }
    return orjson.dumps({"type": "node.status", "timestamp": stamp(now), "data": data})


def _due(now: datetime) -> Select[Any, Any, Any]:
    free = or_(_hook.c.leased_until.is_(None), _hook.c.leased_until < now)
    ready = select(_hook).where(_hook.c.due <= now, _hook.c.message.is_not(None), _hook.c.disabled.is_(None), free)
    return ready.order_by(_hook.c.due).limit(1)


def waiting(session: Reading, *, now: datetime) -> bool:
    """Whether a message is due that nobody holds."""
    return session.connection().execute(_due(now)).first() is not None


def claim(session: WriteSession, *, now: datetime) -> Message | None:
    """Take the message that has been due longest and that nobody holds. None where there is none."""
    row = session.connection().execute(_due(now).with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    owner = secrets.token_hex(16)
    mine = update(_hook).where(_hook.c.node_id == row.node_id)
    session.connection().execute(mine.values(owner=owner, leased_until=now + LEASE))
    key: str = session.connection().execute(select(_node.c.key).where(_node.c.id == row.node_id)).scalar_one()
    return Message(row.node_id, key, row.url, row.message, row.body, row.tries, owner)


def settle(
    session: WriteSession, message: Message, *, good: bool, gone: bool, answer: str, wait: float, now: datetime
) -> None:
    """Note what became of a message: delivered, to be tried again after `wait` seconds, given up, or `gone` (410).

    A newer message that has come meanwhile stays, and goes out in its own time.
    """
    mine = update(_hook).where(_hook.c.node_id == message.node_id, _hook.c.owner == message.owner)
    done = {"message": None, "body": None, "due": None}
    last = good or gone or message.tries + 1 > len(WAITS)
    same = _hook.c.message == message.id
    ended = {name: case((same, value), else_=_hook.c[name]) for name, value in done.items()} if last else {}
    values: dict[str, Any] = {"owner": None, "leased_until": None, "answer": answer, **ended}
    values |= {"tries": 0 if last else message.tries + 1}
    if not last:
        values["due"] = now + timedelta(seconds=wait)
    if good:
        values |= {"sent": now, "delivered": _hook.c.delivered + 1}
    elif last:
        values |= {"failed": _hook.c.failed + 1, "disabled": now if gone else None}
    if session.connection().execute(mine.values(values)).rowcount != 1:
        return
    if good:
        told.visit_mended(session, message.node_id, rules=[RULE])
    elif last:
        told.tell(session, message.node_id, [Trouble(RULE, "/webhook", answer)], now)


def shown(session: Reading, node_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """How the webhook of each node stands, where it has one."""
    named = ("node_id", "disabled", "tries", "message", "delivered", "failed", "sent", "answer")
    chosen = select(*(_hook.c[name] for name in named)).where(_hook.c.node_id.in_(node_ids))
    rows = session.connection().execute(chosen)
    return {
        row.node_id: {
            "state": "disabled" if row.disabled else "retrying" if row.tries else "waiting" if row.message else "quiet",
            "delivered": row.delivered,
            "failed": row.failed,
            "lastDelivery": None if row.sent is None else stamp(row.sent),
            "lastAnswer": row.answer,
        }
        for row in rows
    }


def counts(session: Reading) -> dict[str, int]:
    """Webhooks of all nodes: messages delivered and given up, that wait, of those the retried, disabled addresses."""
    row = (
        session.connection()
        .execute(
            select(
                func.coalesce(func.sum(_hook.c.delivered), 0),
                func.coalesce(func.sum(_hook.c.failed), 0),
                func.count(_hook.c.message),
                func.count(_hook.c.message).filter(_hook.c.tries > 0),
                func.count(_hook.c.disabled),
            )
        )
        .one()
    )
    return dict(zip(("delivered", "failed", "waiting", "retrying", "disabled"), map(int, row), strict=True))
