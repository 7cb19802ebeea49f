"""How the nodes are: the items of `/v1/nodes` and the figures of each crawl (protocol section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import orjson
from sqlalchemy import Row, func, select

from federation import holdings, pinning, quality, removals, sign, told
from federation.database import Reading, clock, table
from federation.holdings import Held
from federation.hooks import shown as hook_shown
from federation.leases import CRAWLED
from federation.sign import Jwk
from schema.change import PAGE_BYTES
from schema.entry import stamp
from schema.errors import NotFound
from schema.tables import Feed, Node, Record

_node, _feed, _record = table(Node), table(Feed), table(Record)
_WORST_FIRST = (sign.INVALID, sign.UNKNOWN_KEY, sign.ABSENT, sign.VALID)
_JOINED = _node.join(_feed, _feed.c.node_id == _node.c.id)
WITHDRAWN = 100


@dataclass(frozen=True, slots=True)
class Figures:
    """What the crawl of one node has come to so far.

    `behind` is how many changes are not yet taken, `latency` seconds to a page, `signatures` the live records by what
    their signatures are worth, `newest` when a record last changed, `parts` what the quality is made of; None where it
    is not known.
    """

    key: str
    state: str
    visits: int
    good_visits: int
    pages: int
    accepted: int
    refused: int
    dropped: int
    behind: int | None
    fails: int
    held: int
    withdrawn: int
    latency: float | None
    last_visit: datetime | None
    last_good: datetime | None
    next_visit: datetime | None
    stale_since: datetime | None
    newest: datetime | None
    quality: float | None
    parts: Mapping[str, float | None]
    kept_promise: bool | None
    signatures: Mapping[str, int]
    webhook: str | None
    reconciling: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """All nodes together: how many in each state, how many places break each rule."""

    states: Mapping[str, int]
    problems: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Lag:
    """How far somebody is behind the log: in changes, and in seconds since the first of them was written."""

    changes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class NodesPage:
    """A page of `/v1/nodes`: each node as JSON, the key of the last, and whether others follow."""

    items: Sequence[bytes]
    last: str
    more: bool


def lag(session: Reading, reached: int, latest: int, now: datetime) -> Lag:
    """How far who has come to `reached` is behind a log whose highest number is `latest`."""
    if reached >= latest:
        return Lag(0, 0.0)
    waiting = select(_record.c.changed).where(_record.c.number > reached).order_by(_record.c.number).limit(1)
    since = session.connection().execute(waiting).scalar_one_or_none()
    return Lag(latest - reached, 0.0 if since is None else max(0.0, (now - since).total_seconds()))


def figures(session: Reading, now: datetime) -> list[Figures]:
    """The figures of every node, by key."""
    chosen = select(
        _node.c.id, _node.c.key, _node.c.state, _node.c.stale_since, _node.c.manifest, *_feed_columns()
    ).select_from(_JOINED)
    rows = session.connection().execute(chosen.order_by(_node.c.key)).all()
    ids = [row.id for row in rows]
    kept, held = holdings.of_nodes(session, ids), removals.counts(session, ids)
    hooks = hook_shown(session, ids)
    return [
        _figures(row, kept.get(row.id, Held()), held.get(row.id, 0), hooks.get(row.id, {}).get("state"), now)
        for row in rows
    ]


def _figures(row: Any, kept: Held, held: int, webhook: str | None, now: datetime) -> Figures:
    promised = _promise.decode(row.manifest).update_frequency
    shares = quality.parts(_facts(row, kept, held, promised), now)
    return Figures(
        row.key,
        row.state,
        visits=row.feed_visits,
        good_visits=row.feed_good_visits,
        pages=row.feed_pages,
        accepted=row.feed_accepted,
        refused=row.feed_refused,
        dropped=row.feed_dropped,
        behind=_behind(row),
        fails=row.feed_fails,
        held=held,
        withdrawn=kept.gone,
        latency=None if row.feed_latency_ms is None else row.feed_latency_ms / 1_000,
        last_visit=row.feed_last_visit,
        last_good=row.feed_last_good,
        next_visit=_next(row),
        stale_since=row.stale_since,
        newest=kept.last,
        quality=quality.whole(shares),
        parts=shares,
        kept_promise=_kept_promise(shares),
        signatures=_signatures(kept),
        webhook=webhook,
        reconciling=bool(row.feed_reconciling),
    )


class _Promise(msgspec.Struct, rename="camel"):
    """The one member of a manifest that the figures need. All else is passed over: there may be megabytes of it."""

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


def page(session: Reading, *, after: str, limit: int, now: datetime) -> NodesPage:
    """The next nodes after a key: as many as `limit`, or fewer where they would be more bytes than a page has."""
    sized = select(func.length(_node.c.manifest)).where(_node.c.key > after).order_by(_node.c.key).limit(limit + 1)
    sizes = session.connection().execute(sized).scalars().all()
    # By their manifests first: those that have no room on the page are not read.
    found = listing(session, after=after, limit=_room(sizes[:limit]), now=now)
    items = [orjson.dumps(item) for item in found]
    items = items[: _room(map(len, items))]
    return NodesPage(items, found[len(items) - 1]["key"] if items else after, more=len(sizes) > len(items) > 0)


def _room(sizes: Iterable[int]) -> int:
    """How many of the next go on a page of `PAGE_BYTES`: one at least, for a manifest may be larger than that."""
    total = place = 0
    for place, size in enumerate(sizes, 1):
        total += size
        if total > PAGE_BYTES:
            return max(1, place - 1)
    return place


def listing(
    session: Reading, *, after: str = "", limit: int = 100, now: datetime | None = None
) -> list[dict[str, Any]]:
    """The nodes after a key, by key: the items of `/v1/nodes`. `now` is what freshness is held to."""
    rows = _rows_after(session, after, limit)
    return [item | _papers(row) for row, item in zip(rows, _items(session, rows, now or clock(session)), strict=True)]


def brief(session: Reading, *, limit: int, now: datetime) -> list[dict[str, Any]]:
    """The first nodes by key, as `listing` gives them but for what their manifests say: publishers, manifest, keys."""
    return _items(session, _rows_after(session, "", limit), now)


def one(session: Reading, key: str, *, now: datetime | None = None) -> dict[str, Any]:
    """One node by its key, with up to a thousand of its problems and what it took away last. Raises `NotFound`."""
    row = _row(session, key)
    return _whole(session, row, now or clock(session)) | _papers(row)


def told_one(session: Reading, key: str, *, now: datetime) -> dict[str, Any]:
    """One node by its key, as `one` gives it but for what its manifest says. Raises `NotFound`."""
    return _whole(session, _row(session, key), now)


def _whole(session: Reading, row: Any, now: datetime) -> dict[str, Any]:
    (item,) = _items(session, [row], now, problems=told.MAX_ROWS)
    item["problems"] = item["problems"][: _room(len(orjson.dumps(one)) for one in item["problems"])]
    return item | {"withdrawn": _withdrawn(session, row.id, row.url)}


def brief_one(session: Reading, key: str, *, now: datetime) -> dict[str, Any]:
    """One node by its key, as `brief` gives it. Raises `NotFound`."""
    (item,) = _items(session, [_row(session, key)], now)
    return item


def _row(session: Reading, key: str) -> Row[Any]:
    chosen = select(_node, *_feed_columns()).select_from(_JOINED).where(_node.c.key == key)
    row = session.connection().execute(chosen).one_or_none() if key.isprintable() else None
    if row is None:
        raise NotFound(f"No node here has the key {key[:300]}.")
    return row


def _rows_after(session: Reading, key: str, limit: int) -> Sequence[Row[Any]]:
    chosen = select(_node, *_feed_columns()).select_from(_JOINED).where(_node.c.key > key)
    return session.connection().execute(chosen.order_by(_node.c.key).limit(limit)).all()


def _withdrawn(session: Reading, node_id: int, url: str) -> list[dict[str, Any]]:
    """The latest records that a node took away, and those that its feed no longer carried when it was read anew.

    Two questions, for each has an index and their OR has none: tombstones by node, in order. The number of the second
    is summed, lest a planner walk the whole log backwards for a hundred of what may be none.
    """
    columns = (_record.c.id, _record.c.kind, _record.c.reason, _record.c.moved_to, _record.c.changed, _record.c.number)
    taken = select(*columns).where(_record.c.node_id == node_id, _record.c.deleted).order_by(_record.c.number.desc())
    dropped = select(*columns).where(holdings.without_route(url)).order_by((_record.c.number + 0).desc())
    connection = session.connection()
    gone = [row for chosen in (taken, dropped) for row in connection.execute(chosen.limit(WITHDRAWN))]
    gone.sort(key=lambda row: row.number, reverse=True)
    return [
        {
            "id": row.id,
            "kind": row.kind,
            "reason": row.reason,
            "at": stamp(row.changed),
            **({"movedTo": row.moved_to} if row.moved_to else {}),
        }
        for row in gone[:WITHDRAWN]
    ]


def _feed_columns() -> list[Any]:
    return [column.label("feed_" + column.name) for column in _feed.columns]


def _items(session: Reading, rows: Sequence[Row[Any]], now: datetime, *, problems: int = 100) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    broken = told.of_nodes(session, ids, limit=problems)
    totals = told.totals(session, ids)
    kept, held = holdings.of_nodes(session, ids), removals.counts(session, ids)
    hooks = hook_shown(session, ids)
    return [
        _item(row, kept.get(row.id, Held()), held.get(row.id, 0), broken[row.id], now)
        | {"problemCounts": totals[row.id], "webhook": hooks.get(row.id)}
        for row in rows
    ]


def _next(row: Any) -> datetime | None:
    due: datetime | None = row.feed_due if row.state in CRAWLED else None
    return due


def _signatures(kept: Held) -> dict[str, int]:
    return {state: kept.signatures.get(state, 0) for state in reversed(_WORST_FIRST)}


def _worst(signatures: Mapping[str, int]) -> str:
    """What a person should know of the signatures of a node's records: the worst of them."""
    return next((state for state in _WORST_FIRST if state in signatures), sign.ABSENT)


def _key(jwk: Jwk) -> dict[str, Any]:
    until = jwk.get("revoked") or jwk.get("exp")
    revoked = {"revoked": "revoked" in jwk, "reason": jwk.get("reason")}
    return {"kid": jwk["kid"], "thumbprint": sign.thumbprint(jwk), "since": jwk["since"], "until": until, **revoked}


def _item(row: Any, kept: Held, held: int, problems: list[dict[str, object]], now: datetime) -> dict[str, Any]:
    promised = _promise.decode(row.manifest).update_frequency
    shares = quality.parts(_facts(row, kept, held, promised), now)
    return {
        "key": row.key,
        "id": row.url,
        "name": row.name,
        "role": row.role,
        "state": row.state,
        "lastVisit": _time(row.feed_last_visit),
        "lastGoodVisit": _time(row.feed_last_good),
        "nextVisit": _time(_next(row)),
        "staleSince": _time(row.stale_since),
        "records": kept.live,
        "accepted": row.feed_accepted,
        "refused": row.feed_refused,
        "held": held,
        "behind": _behind(row),
        "latencyMs": row.feed_latency_ms,
        "signature": _worst(kept.signatures),
        "signatures": _signatures(kept),
        "freshness": _time(kept.last),
        "quality": quality.whole(shares),
        "problems": problems,
        "deleted": kept.gone,
        "visits": {"all": row.feed_visits, "good": row.feed_good_visits, "pages": row.feed_pages},
        "failedInARow": row.feed_fails,
        "lastReport": orjson.loads(row.feed_last_report) if row.feed_last_report else None,
        "freshnessPromised": promised,
        "freshnessKept": _kept_promise(shares),
        "qualityParts": shares,
    }


def _papers(row: Any) -> dict[str, Any]:
    """What an item says of a node by its manifest, which may be of megabytes."""
    manifest, jwks = orjson.loads(row.manifest), orjson.loads(row.jwks)
    return {
        "publishers": [_publisher(publisher) for publisher in manifest["publishers"]],
        "manifest": _with_ends(manifest, jwks),
        "keys": [_key(jwk) for jwk in jwks],
    }


def _with_ends(manifest: dict[str, Any], jwks: Sequence[Jwk]) -> dict[str, Any]:
    """The manifest as it is pinned, with what is known of its keys since: who reads it here must not believe them."""
    keys = manifest.get("keys")
    return manifest | {"keys": pinning.known_as_revoked(keys, jwks)} if keys else manifest


def _kept_promise(shares: Mapping[str, float | None]) -> bool | None:
    return None if shares["freshness"] is None else shares["freshness"] == 1.0


def _facts(row: Any, kept: Held, held: int, promised: str | None) -> quality.Facts:
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
