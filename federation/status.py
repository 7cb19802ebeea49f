"""How the nodes are: the items of `/v1/nodes` and the figures of each crawl (protocol section 5)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import orjson
from sqlalchemy import Engine, Row, func, select

from federation import quality, removals, sign, told
from federation.database import Reading, clock, table
from federation.hooks import shown as hook_shown
from federation.sign import Jwk
from schema.entry import stamp
from schema.errors import NotFound
from schema.tables import Feed, Node, Record

_node, _feed, _record = table(Node), table(Feed), table(Record)
_WORST_FIRST = (sign.INVALID, sign.UNKNOWN_KEY, sign.ABSENT, sign.VALID)
_JOINED = _node.join(_feed, _feed.c.node_id == _node.c.id)
UNVISITED = ("paused", "held")
WITHDRAWN = 100


@dataclass(frozen=True, slots=True)
class Figures:
    """What the crawl of one node has come to so far.

    `behind` is how many changes are not yet taken, `latency` seconds to a page, `last_good` the end of the last good
    visit, `signatures` the live records by what their signatures are worth; None where it is not known.
    """

    key: str
    accepted: int
    refused: int
    dropped: int
    behind: int | None
    fails: int
    held: int
    withdrawn: int
    latency: float | None
    last_good: datetime | None
    quality: float | None
    kept_promise: bool | None
    signatures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """All nodes together: how many in each state, how many places break each rule, what became of webhooks."""

    states: Mapping[str, int]
    problems: Mapping[tuple[str, str], int]


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


def figures(session: Reading, now: datetime) -> list[Figures]:
    """The figures of every node, by key."""
    chosen = select(_node.c.id, _node.c.key, _node.c.manifest, *_feed_columns()).select_from(_JOINED)
    rows = session.connection().execute(chosen.order_by(_node.c.key)).all()
    ids = [row.id for row in rows]
    kept, held = _kept(session, ids), removals.counts(session, ids)
    return [_figures(row, kept.get(row.id, _Kept()), held.get(row.id, 0), now) for row in rows]


def _figures(row: Any, kept: _Kept, held: int, now: datetime) -> Figures:
    promised = _promise.decode(row.manifest).update_frequency
    shares = quality.parts(_facts(row, kept, held, promised), now)
    return Figures(
        row.key,
        row.feed_accepted,
        row.feed_refused,
        row.feed_dropped,
        _behind(row),
        row.feed_fails,
        held=held,
        withdrawn=kept.gone,
        latency=None if row.feed_latency_ms is None else row.feed_latency_ms / 1_000,
        last_good=row.feed_last_good,
        quality=quality.whole(shares),
        kept_promise=_kept_promise(shares),
        signatures=kept.signatures,
    )


class _Promise(msgspec.Struct, rename="camel"):
    """The one member of a manifest that the figures need."""

    update_frequency: Any = None


_promise = msgspec.json.Decoder(_Promise)


STATES = ("preview", "active", "held", "paused", "stale", "retired")


def standing(session: Reading) -> Standing:
    """How all nodes stand together."""
    counted = select(_node.c.state, func.count()).group_by(_node.c.state)
    found: dict[str, int] = {row[0]: row[1] for row in session.connection().execute(counted)}
    return Standing(dict.fromkeys(STATES, 0) | found, told.by_rule(session))


def count(session: Reading) -> int:
    """How many nodes there are."""
    found: int = session.connection().execute(select(func.count()).select_from(_node)).scalar_one()
    return found


def listing(
    session: Reading, *, after: str = "", limit: int = 100, now: datetime | None = None
) -> list[dict[str, Any]]:
    """The nodes after a key, by key: the items of `/v1/nodes`. `now` is what freshness is held to."""
    chosen = select(_node, *_feed_columns()).select_from(_JOINED)
    rows = session.connection().execute(chosen.where(_node.c.key > after).order_by(_node.c.key).limit(limit)).all()
    return _items(session, rows, now or clock(session))


def one(session: Reading, key: str, *, now: datetime | None = None) -> dict[str, Any]:
    """One node by its key, with the records that it took away last. Raises `NotFound`."""
    chosen = select(_node, *_feed_columns()).select_from(_JOINED).where(_node.c.key == key)
    rows = session.connection().execute(chosen).all() if key.isprintable() else []
    if not rows:
        raise NotFound(f"No node here has the key {key[:300]}.")
    (item,) = _items(session, rows, now or clock(session))
    return item | {"withdrawn": _withdrawn(session, rows[0].id)}


def _withdrawn(session: Reading, node_id: int) -> list[dict[str, Any]]:
    chosen = select(_record.c.id, _record.c.kind, _record.c.reason, _record.c.moved_to, _record.c.changed)
    gone = chosen.where(_record.c.node_id == node_id, _record.c.deleted).order_by(_record.c.number.desc())
    return [
        {
            "id": row.id,
            "kind": row.kind,
            "reason": row.reason,
            "at": stamp(row.changed),
            **({"movedTo": row.moved_to} if row.moved_to else {}),
        }
        for row in session.connection().execute(gone.limit(WITHDRAWN))
    ]


def _feed_columns() -> list[Any]:
    return [column.label("feed_" + column.name) for column in _feed.columns]


def _items(session: Reading, rows: Sequence[Row[Any]], now: datetime) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    problems = told.of_nodes(session, ids)
    totals = told.totals(session, ids)
    kept, held = _kept(session, ids), removals.counts(session, ids)
    hooks = hook_shown(session, ids)
    return [
        _item(row, kept.get(row.id, _Kept()), held.get(row.id, 0), problems[row.id], now)
        | {"problemCounts": totals[row.id], "webhook": hooks.get(row.id)}
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is held of a node: live records and what their signatures are worth, tombstones, when the last came."""

    live: int = 0
    gone: int = 0
    last: datetime | None = None
    signatures: Mapping[str, int] = field(default_factory=dict)

    def and_(self, signature: str, records: int, last: datetime, *, deleted: bool) -> _Kept:
        """These and some more of one signature state, live or not."""
        newest = last if self.last is None else max(self.last, last)
        if deleted:
            return replace(self, gone=self.gone + records, last=newest)
        signed = self.signatures.get(signature, 0) + records
        return _Kept(self.live + records, self.gone, newest, {**self.signatures, signature: signed})


DEAR, REST = 0.25, 20.0
"""A count of records that took more seconds than `DEAR` is believed for `REST` times as long: a badge that many look
at must not read a million rows each time."""
_counted: WeakKeyDictionary[Engine, dict[int, tuple[float, _Kept]]] = WeakKeyDictionary()


def _kept(session: Reading, ids: Sequence[int]) -> dict[int, _Kept]:
    known = _counted.setdefault(session.connection().engine, {})
    began = time.monotonic()
    found = {node: known[node][1] for node in ids if node in known and known[node][0] > began}
    anew = [node for node in ids if node not in found]
    if not anew:
        return found
    counted = _count(session, anew)
    ended = time.monotonic()
    if ended - began > DEAR:
        known |= {node: (ended + (ended - began) * REST, counted.get(node, _Kept())) for node in anew}
    return found | counted


def _count(session: Reading, ids: Sequence[int]) -> dict[int, _Kept]:
    columns = (_record.c.node_id, _record.c.signature, _record.c.deleted)
    chosen = select(*columns, func.count(), func.max(_record.c.changed)).where(_record.c.node_id.in_(ids))
    found: dict[int, _Kept] = {}
    for node_id, signature, deleted, records, last in session.connection().execute(chosen.group_by(*columns)):
        found[node_id] = found.get(node_id, _Kept()).and_(signature, records, last, deleted=deleted)
    return found


def _worst(signatures: Mapping[str, int]) -> str:
    """What a person should know of the signatures of a node's records: the worst of them."""
    return next((state for state in _WORST_FIRST if state in signatures), sign.ABSENT)


def _key(jwk: Jwk) -> dict[str, Any]:
    until = jwk.get("revoked") or jwk.get("exp")
    revoked = {"revoked": "revoked" in jwk, "reason": jwk.get("reason")}
    return {"kid": jwk["kid"], "thumbprint": sign.thumbprint(jwk), "since": jwk["since"], "until": until, **revoked}


def _item(row: Any, kept: _Kept, held: int, problems: list[dict[str, object]], now: datetime) -> dict[str, Any]:
    manifest = orjson.loads(row.manifest)
    promised = manifest.get("updateFrequency")
    shares = quality.parts(_facts(row, kept, held, promised), now)
    return {
        "key": row.key,
        "id": row.url,
        "name": row.name,
        "role": row.role,
        "state": row.state,
        "publishers": [_publisher(publisher) for publisher in manifest["publishers"]],
        "lastVisit": _time(row.feed_last_visit),
        "lastGoodVisit": _time(row.feed_last_good),
        "nextVisit": _time(row.feed_due) if row.state not in UNVISITED else None,
        "staleSince": _time(row.stale_since),
        "records": kept.live,
        "accepted": row.feed_accepted,
        "refused": row.feed_refused,
        "held": held,
        "behind": _behind(row),
        "latencyMs": row.feed_latency_ms,
        "signature": _worst(kept.signatures),
        "signatures": {state: kept.signatures.get(state, 0) for state in reversed(_WORST_FIRST)},
        "freshness": _time(kept.last),
        "quality": quality.whole(shares),
        "manifest": manifest,
        "keys": [_key(jwk) for jwk in orjson.loads(row.jwks)],
        "problems": problems,
        "deleted": kept.gone,
        "visits": {"all": row.feed_visits, "good": row.feed_good_visits, "pages": row.feed_pages},
        "failedInARow": row.feed_fails,
        "lastReport": orjson.loads(row.feed_last_report) if row.feed_last_report else None,
        "freshnessPromised": promised,
        "freshnessKept": _kept_promise(shares),
        "qualityParts": shares,
    }


def _kept_promise(shares: Mapping[str, float | None]) -> bool | None:
    return None if shares["freshness"] is None else shares["freshness"] == 1.0


def _facts(row: Any, kept: _Kept, held: int, promised: str | None) -> quality.Facts:
    return quality.Facts(
        accepted=row.feed_accepted,
        refused=row.feed_refused,
        availability=row.feed_availability,
        completeness=row.feed_completeness,
        records=kept.live,
        held=held,
        promised=promised,
        changed=kept.last,
    )


def _publisher(publisher: dict[str, Any]) -> dict[str, Any]:
    kept = ("name", "identifiers", "type", "region", "nation", "relation", "idPrefix")
    return {name: publisher[name] for name in kept if name in publisher}


def _behind(row: Any) -> int | None:
    return None if row.feed_latest is None else max(0, row.feed_latest - row.feed_position)


def _time(moment: Any) -> str | None:
    return None if moment is None else stamp(moment)
