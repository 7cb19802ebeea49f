"""A node that moves to another address: its own side, and the reader's.

Ids begin with the public URL, so a move gives every record a new id. The old ones are remembered (moved.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import bindparam, delete, exists, func, literal, select, update

from federation import audit, judge, lapse, log, moved, pinning, precedence, publishers, reconcile, relations, signing
from federation import rows as bulk
from federation.again import again
from federation.apply import end_routes
from federation.crawl import walk
from federation.database import WriteSession, table
from federation.identity import Taken, feed_of, key_of, name_of, prefixes_of, without_overlap
from federation.nodes import Known, check_free, confirmed, lock
from federation.seam import Get
from federation.sign import VALID, Ring
from federation.verdicts import Source
from federation.waiting import forget
from schema.errors import Conflict, Crawling
from schema.identifiers import place_of
from schema.manifest import Manifest
from schema.tables import Feed, Idempotency, Meta, Node, Publisher, Record, Shadow

_record, _publisher, _meta = table(Record), table(Publisher), table(Meta)
_node, _feed, _answer, _shadow = table(Node), table(Feed), table(Idempotency), table(Shadow)
_there = _record.alias()
_AT_ONCE = 5_000


def here(session: WriteSession, url: str, *, now: datetime) -> int:
    """Move this server to another public URL: new ids, a new epoch, everything said again. Gives how many changes.

    Records that name records of ours follow them. Raises `Misconfigured` where nothing is published yet, `Conflict`
    where the server is there already.
    """
    log.lock(session)
    publishers.epoch(session)
    old = publishers.recall(session, "publicUrl")
    assert old is not None
    if old == url:
        raise Conflict(f"This server publishes as {url} already.")
    prefixes = _publishers_to(session, old, url)
    moved.remember(session, prefixes, now=now)
    _records_to(session, publishers.node_id(old), publishers.node_id(url), prefixes)
    for key, value in (("publicUrl", url), ("epoch", publishers.new_epoch())):
        session.connection().execute(update(_meta).where(_meta.c.key == key).values(value=value))
    session.connection().execute(delete(_answer))  # they show the old ids
    audit.note(session, "move", f"{old} to {url}", now)
    return again(session, node=publishers.node_id(url), now=now, signer=signing.active(session))


def _publishers_to(session: WriteSession, old: str, url: str) -> dict[str, str]:
    found = session.connection().execute(select(_publisher.c.id, _publisher.c.id_prefix)).all()
    prefixes = {row.id_prefix: url + row.id_prefix.removeprefix(old) for row in found}
    for row in found:
        chosen = update(_publisher).where(_publisher.c.id == row.id)
        session.connection().execute(chosen.values(id_prefix=prefixes[row.id_prefix]))
    return prefixes


def _records_to(session: WriteSession, old: str, new: str, prefixes: Mapping[str, str]) -> None:
    columns = (_record.c.row, _record.c.id, _record.c.data, _record.c.moved_to)
    mine, through = _record.c.origin_node == old, 0
    moved = update(_record).where(_record.c.row == bindparam("this"))
    moved = moved.values(
        id=bindparam("name"), data=bindparam("body"), moved_to=bindparam("onward"), origin_node=bindparam("node")
    )
    while True:
        chosen = select(*columns).where(mine, _record.c.row > through).order_by(_record.c.row).limit(_AT_ONCE)
        rows = session.connection().execute(chosen).all()
        if not rows:
            return
        given: list[dict[str, Any]] = [
            {
                "this": row.row,
                "name": _led(row.id, prefixes),
                "body": _renamed(row.data, prefixes),
                "onward": row.moved_to and _led(row.moved_to, prefixes),
                "node": new,
            }
            for row in rows
        ]
        session.connection().execute(moved, given)
        through = rows[-1].row


def _led(name: str, prefixes: Mapping[str, str]) -> str:
    return next((new + name.removeprefix(old) for old, new in prefixes.items() if name.startswith(old)), name)


def _renamed(data: bytes | None, prefixes: Mapping[str, str]) -> bytes | None:
    """The data with links to our own records brought along; the very bytes where there are none."""
    if data is None or not any(old.encode() in data for old in prefixes):
        return data
    return orjson.dumps(_links(orjson.loads(data), prefixes))


def _links(value: Any, prefixes: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _links(inner, prefixes) for name, inner in value.items()}
    if isinstance(value, list):
        return [_links(inner, prefixes) for inner in value]
    return _led(value, prefixes) if isinstance(value, str) else value


async def signed(get: Get, known: Known, manifest: Manifest, *, now: datetime) -> bool:
    """Whether who is at the new address holds a key that the pinned ones stand behind: then no person need confirm.

    Anybody can show the public keys. So a record that its feed begins with must be signed by one of them, as published
    at the new address: the origin is part of what is signed (protocol section 5). By one that has no end: who signs
    chooses the date, so an old key that leaked would do.
    """
    keys = pinning.take(known.keys, manifest, now=now)
    if not known.keys or keys.objections:
        return False
    source = Source(0, manifest.id, prefixes_of(manifest))
    readings: list[judge.Reading] = []
    try:
        async with aclosing(walk(get, feed_of(manifest).url, budget=1)) as steps:
            async for step in steps:
                readings += judge.read(step.page.items)
    except Crawling:
        return False
    rings = {manifest.id: Ring(key for key in keys.keys if "exp" not in key and "revoked" not in key)}
    said = judge.judge(readings, source, me="", origins={}, now=now, rings=rings)
    return any(statement.signature == VALID for statement, _ends in said.heard)


def there(session: WriteSession, known: Known, manifest: Manifest, body: bytes, *, me: str, now: datetime) -> str:
    """Follow a node to another address: it is read there from 0, and old ids lead to the new. Gives its key.

    What it published under the old address stays until the reading has ended, and goes then where the new is there;
    what others pass on of that ends at once, for no route is to take over under an old id. Raises `Conflict` where
    another is there already, or one that publishes for nobody that it did.
    """
    known = lock(session, known)
    if manifest.id == known.url:
        raise Conflict(f"{known.key} is at {known.url} already.")
    shown = prefixes_of(manifest)
    check_free(session, manifest.id, key_of(manifest.id), shown, me=me, but=known.url)
    back = {prefix: publisher for prefix, publisher in shown.items() if known.prefixes.get(prefix) == publisher}
    pairs = _pairs(known.prefixes, {**without_overlap(shown, known.prefixes), **back})
    if not pairs:
        raise Conflict(f"{manifest.id} publishes for none of the bodies of {known.key}.")
    keys = pinning.take(known.keys, manifest, now=now)
    taken = pinning.anew(manifest, now=now) if keys.objections else keys.keys
    moved.remember(session, pairs, now=now)
    moved.forget(session, shown.keys() - known.prefixes.keys())
    # Neither a key nor who is asked about the address says whose own node it is: other claims wait for `node release`.
    own = precedence.kept(known.own, manifest)
    pinned = {"prefixes": {**shown, **known.prefixes}, "jwks": taken, "own": own}
    _pin_there(session, known, manifest, body, **pinned)
    relations.note(session, known.id, manifest)
    _read_there(session, known, manifest, now=now)
    reconcile.begin(session, known.id)
    if known.stale_since is not None:
        lapse.revive(session, known.id, now=now)
    _end_others(session, known.id, pairs, now=now)
    audit.note(session, "node.moved", f"{known.url} to {manifest.id}", now)
    precedence.settle(session, known.own, now=now)
    return key_of(manifest.id)


def _pairs(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """The prefixes that a publisher had, each with the one that it has at the new address."""
    there = {publisher: prefix for prefix, publisher in new.items()}
    return {prefix: there[publisher] for prefix, publisher in old.items() if there.get(publisher, prefix) != prefix}


def _pin_there(session: WriteSession, known: Known, manifest: Manifest, body: bytes, **pinned: Any) -> None:
    values = {
        "key": key_of(manifest.id),
        "url": manifest.id,
        "name": name_of(manifest),
        "role": manifest.role,
        "relays": known.relays and manifest.role == "aggregator",
        "state": confirmed(known),
        "stale_since": None,
        "manifest": body,
        **{name: orjson.dumps(value).decode() for name, value in pinned.items()},
    }
    session.connection().execute(update(_node).where(_node.c.id == known.id).values(values))


def _read_there(session: WriteSession, known: Known, manifest: Manifest, *, now: datetime) -> None:
    url = feed_of(manifest).url
    values: dict[str, Any] = {"url": url, "cursor": url, "place": place_of(url), "position": 0, "epoch": manifest.epoch}
    values |= {"reconciling": True, "etag": None, "latest": None, "due": now, "fails": 0, "last_error": None}
    values |= {"owner": None, "leased_until": None, "manifest_at": None, "manifest_etag": None}
    chosen = update(_feed).where(_feed.c.node_id == known.id)
    session.connection().execute(chosen.values(values | {"fence": _feed.c.fence + 1}))


def _end_others(session: WriteSession, node_id: int, prefixes: Iterable[str], *, now: datetime) -> None:
    """End what other routes say under these prefixes beside the node itself."""
    left, routes = Taken(prefixes), dict[int, list[str]]()
    chosen = select(_shadow.c.node_id, _shadow.c.id).join(_record, _record.c.id == _shadow.c.id)
    for route, name in session.connection().execute(chosen.where(_record.c.node_id == node_id)):
        if left.overlaps(name):
            routes.setdefault(route, []).append(name)
    for route, ids in routes.items():
        end_routes(session, route, ids, now=now)
        forget(session, route, ids)


def _take_on(session: WriteSession, node_id: int, left: Mapping[str, str]) -> None:
    """Make the node's own what others alone carry under its old ids: it goes as the rest does, under one guard."""
    routes: dict[int, list[str]] = {}
    for old, publisher in left.items():
        # The publisher is asked for because an index knows it.
        below = (_record.c.publisher == publisher, func.substr(_record.c.id, 1, len(old)) == old)
        others = select(_record.c.node_id, _record.c.id).where(_record.c.node_id != node_id, ~_record.c.deleted)
        for route, name in session.connection().execute(others.where(*below)):
            routes.setdefault(route, []).append(name)
    for route, ids in routes.items():
        bulk.change(session, Record, ("id", "node_id"), [(name, node_id) for name in ids])
        session.connection().execute(delete(_shadow).where(_shadow.c.id == bindparam("old")), [{"old": i} for i in ids])
        forget(session, route, ids)


def arrived(session: WriteSession, node_id: int) -> list[str]:
    """The old ids of a node that have had their time: their records live under their new ids.

    What others alone carry under old ids is the node's own from then on, so that it does not outlive them.
    """
    log.lock(session)
    known = session.connection().execute(select(_node.c.prefixes).where(_node.c.id == node_id)).scalar_one()
    mine, over = orjson.loads(known), list[str]()
    own = {old: new for old, new in moved.every(session) if old in mine and new in mine}
    _take_on(session, node_id, {old: mine[old] for old in own})
    for old, new in own.items():
        onward = literal(new) + func.substr(_record.c.id, len(old) + 1)
        there = exists().where(_there.c.id == onward, ~_there.c.deleted)
        below = (_record.c.node_id == node_id, ~_record.c.deleted, func.substr(_record.c.id, 1, len(old)) == old)
        over += session.connection().execute(select(_record.c.id).where(*below, there)).scalars()
    return over
