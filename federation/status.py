"""How the nodes are: the items of `/v1/nodes` and the figures of each crawl (protocol section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, func, select

from federation import removals, sign, told
from federation.database import Reading, table
from federation.sign import Jwk
from schema.entry import stamp
from schema.errors import NotFound
from schema.tables import Feed, Node, Record

_node, _feed, _record = table(Node), table(Feed), table(Record)
_WORST_FIRST = (sign.INVALID, sign.UNKNOWN_KEY, sign.ABSENT, sign.VALID)
_JOINED = _node.join(_feed, _feed.c.node_id == _node.c.id)


@dataclass(frozen=True, slots=True)
class Figures:
    """What the crawl of one node has come to so far; `behind` is how many changes are not yet taken, where known."""

    key: str
    accepted: int
    refused: int
    dropped: int
    behind: int | None
    fails: int


@dataclass(frozen=True, slots=True)
class Lag:
    """How far somebody is behind the log: in changes, and in seconds since the first of them was written."""

    changes: int
    seconds: float


def lag(session: Reading, reached: int, latest: int, now: datetime) -> Lag:
    """How far who has come to `reached` is behind a log whose highest number is `latest`."""
    if reached >= latest:
        return Lag(0, 0.0)
    waiting = select(_record.c.changed).where(_record.c.number > reached).order_by(_record.c.number).limit(1)
    since = session.connection().execute(waiting).scalar_one_or_none()
    return Lag(latest - reached, 0.0 if since is None else max(0.0, (now - since).total_seconds()))


def figures(session: Reading) -> list[Figures]:
    """The figures of every node, by key."""
    chosen = select(
        _node.c.key,
        _feed.c.accepted,
        _feed.c.refused,
        _feed.c.dropped,
        _feed.c.latest,
        _feed.c.position,
        _feed.c.fails,
    )
    rows = session.connection().execute(chosen.select_from(_JOINED).order_by(_node.c.key))
    return [Figures(r.key, r.accepted, r.refused, r.dropped, _behind(r), r.fails) for r in rows]


def count(session: Reading) -> int:
    """How many nodes there are."""
    found: int = session.connection().execute(select(func.count()).select_from(_node)).scalar_one()
    return found


def listing(session: Reading, *, after: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """The nodes after a key, by key: the items of `/v1/nodes`."""
    chosen = select(_node, *_feed_columns()).select_from(_JOINED)
    rows = session.connection().execute(chosen.where(_node.c.key > after).order_by(_node.c.key).limit(limit)).all()
    return _items(session, rows)


def one(session: Reading, key: str) -> dict[str, Any]:
    """One node by its key. Raises `NotFound`."""
    chosen = select(_node, *_feed_columns()).select_from(_JOINED).where(_node.c.key == key)
    rows = session.connection().execute(chosen).all() if key.isprintable() else []
    if not rows:
        raise NotFound(f"No node here has the key {key[:300]}.")
    return _items(session, rows)[0]


def _feed_columns() -> list[Any]:
    return [column.label("feed_" + column.name) for column in _feed.columns]


def _items(session: Reading, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    problems = told.of_nodes(session, ids)
    carried, held = _carried(session, ids), removals.counts(session, ids)
    return [_item(row, carried.get(row.id, _Live()), held.get(row.id, 0), problems[row.id]) for row in rows]


@dataclass(frozen=True, slots=True)
class _Live:
    """The live records of a node, when the last of them came, and what their signatures are worth."""

    records: int = 0
    last: Any = None
    signatures: frozenset[str] = frozenset()

    def and_(self, signature: str, records: int, last: Any) -> _Live:
        """These and those of one signature state more."""
        newest = last if self.last is None else max(self.last, last)
        return _Live(self.records + records, newest, self.signatures | {signature})


def _carried(session: Reading, ids: Sequence[int]) -> dict[int, _Live]:
    chosen = (
        select(_record.c.node_id, _record.c.signature, func.count(), func.max(_record.c.changed))
        .where(_record.c.node_id.in_(ids), _record.c.deleted.is_(False))
        .group_by(_record.c.node_id, _record.c.signature)
    )
    found: dict[int, _Live] = {}
    for node_id, signature, records, last in session.connection().execute(chosen):
        found[node_id] = found.get(node_id, _Live()).and_(signature, records, last)
    return found


def _worst(signatures: frozenset[str]) -> str:
    """What a person should know of the signatures of a node's records: the worst of them."""
    return next((state for state in _WORST_FIRST if state in signatures), sign.ABSENT)


def _key(jwk: Jwk) -> dict[str, Any]:
    until = jwk.get("revoked") or jwk.get("exp")
    return {"kid": jwk["kid"], "thumbprint": sign.thumbprint(jwk), "since": jwk["since"], "until": until}


def _item(row: Any, carried: _Live, held: int, problems: list[dict[str, Any]]) -> dict[str, Any]:
    manifest = orjson.loads(row.manifest)
    judged = row.feed_accepted + row.feed_refused
    return {
        "key": row.key,
        "id": row.url,
        "name": row.name,
        "role": row.role,
        "state": row.state,
        "publishers": [_publisher(publisher) for publisher in manifest["publishers"]],
        "lastVisit": _time(row.feed_last_visit),
        "lastGoodVisit": _time(row.feed_last_good),
        "nextVisit": _time(row.feed_due) if row.state != "paused" else None,
        "staleSince": _time(row.stale_since),
        "records": carried.records,
        "accepted": row.feed_accepted,
        "refused": row.feed_refused,
        "held": held,
        "behind": _behind(row, "feed_"),
        "latencyMs": row.feed_latency_ms,
        "signature": _worst(carried.signatures),
        "freshness": _time(carried.last),
        "quality": round(row.feed_accepted / judged, 4) if judged else None,
        "manifest": manifest,
        "keys": [_key(jwk) for jwk in orjson.loads(row.jwks)],
        "problems": problems,
    }


def _publisher(publisher: dict[str, Any]) -> dict[str, Any]:
    kept = ("name", "identifiers", "type", "region", "nation", "relation", "idPrefix")
    return {name: publisher[name] for name in kept if name in publisher}


def _behind(row: Any, prefix: str = "") -> int | None:
    latest = getattr(row, prefix + "latest")
    return None if latest is None else max(0, latest - getattr(row, prefix + "position"))


def _time(moment: Any) -> str | None:
    return None if moment is None else stamp(moment)
