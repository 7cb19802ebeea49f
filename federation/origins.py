"""Origins that are heard of through relays: whose prefixes are whose (protocol section 5).

An origin's prefixes come from its own manifest, fetched through the door and kept; where it cannot be reached, from
the relay's list of members, and then the row says who vouched for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import orjson
from sqlalchemy import and_, delete, or_, select

from federation import pinning, rejudge
from federation.database import Reading, WriteSession, table, upsert
from federation.identity import prefixes_of, read_manifest, without_overlap
from federation.seam import Get
from federation.sign import Jwk, Ring
from federation.verdicts import Prefixes
from schema.bounded import first_of
from schema.errors import Crawling, Invalid, Refused, Vanished
from schema.identifiers import prefixes_overlap, same_origin
from schema.manifest import Manifest
from schema.tables import Node, Origin, Publisher

_origin, _node, _publisher = table(Origin), table(Node), table(Publisher)
MEMBER_PAGES = 50
MEMBERS_A_PAGE = 1_000
IN_VAIN = timedelta(hours=1)
AGAIN, AGAIN_VOUCHED = timedelta(days=1), timedelta(hours=1)
"""How long an origin's manifest is taken as it stands, and a relay's copy of it."""


class _Member(msgspec.Struct, frozen=True):
    """One node of a relay's list, with the copy of its manifest still bytes."""

    id: str = ""
    manifest: msgspec.Raw = msgspec.Raw(b"null")


class _List(msgspec.Struct, frozen=True):
    """A page of a relay's list of nodes."""

    items: msgspec.Raw
    next: str | None = None


_list = msgspec.json.Decoder(_List)
_member = msgspec.json.Decoder(_Member)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was learnt of an origin: its prefixes and keys, and the relay that vouched where it was not the origin."""

    id: str
    prefixes: Prefixes
    vouched_by: str | None = None
    manifest: Manifest | None = None


async def learn(get: Get, node: str, *, relay: Manifest | None) -> Heard | None:
    """Ask the origin itself, else the relay's list of members (where one is given). None where neither knows it.

    Raises `Later` where the relay's own list cannot be had just now: then nobody can say yet.
    """
    try:
        answer = await get(node)
        manifest = read_manifest(await answer.small(), node)
        return Heard(node, prefixes_of(manifest), None, manifest)
    except Crawling:
        if relay is None:
            return None
        try:
            return await _vouched(get, node, relay)
        except (Refused, Vanished):
            return None


async def _vouched(get: Get, node: str, relay: Manifest) -> Heard | None:
    url = relay.members
    if url is None or not same_origin(url, relay.id):
        return None
    for _page in range(MEMBER_PAGES):
        items, url = _members(await (await get(url)).small(), url)
        for item in items:
            if item.id == node:
                return _copy(bytes(item.manifest), node, relay.id)
        if url is None:
            break
    return None


def _members(body: bytes, url: str) -> tuple[list[_Member], str | None]:
    try:
        page = _list.decode(body)
        items = [_member.decode(raw) for raw in first_of(page.items, MEMBERS_A_PAGE)]
        further = page.next if page.next not in (None, url) and same_origin(str(page.next), url) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Invalid) as error:
        raise Refused("members", f"The list of members at {url} is not a list of nodes.") from error
    return items, further


def _copy(manifest: bytes, node: str, relay: str) -> Heard | None:
    try:
        read = read_manifest(manifest, node)
        return Heard(node, prefixes_of(read), relay, read)
    except Refused:
        return None


def every(session: Reading, *, now: datetime) -> dict[str, Prefixes]:
    """The prefixes of all origins that are pinned or were heard of.

    One that was asked in vain within the last hour has none; after that it is not known again.
    """
    rows = session.connection().execute(select(_origin)).all()
    found = {r.id: orjson.loads(r.prefixes) for r in rows if r.prefixes != "{}" or now - r.fetched < IN_VAIN}
    pinned = session.connection().execute(select(_node.c.url, _node.c.prefixes))
    return found | {row.url: orjson.loads(row.prefixes) for row in pinned}


def overdue(session: Reading, *, now: datetime) -> list[str]:
    """The origins that were heard of and are to be asked again, longest ago first: what they said may have changed."""
    old = or_(
        _origin.c.fetched <= now - AGAIN,
        and_(_origin.c.vouched_by.is_not(None), _origin.c.fetched <= now - AGAIN_VOUCHED),
    )
    chosen = select(_origin.c.id).where(old, _origin.c.id.not_in(select(_node.c.url)))  # those are visited themselves
    return list(session.connection().execute(chosen.order_by(_origin.c.fetched, _origin.c.id)).scalars())


def rings(session: Reading) -> dict[str, Ring]:
    """The keys of all origins that are pinned or were heard of, of those that publish any."""
    found: dict[str, Ring] = {}
    for name, keys in ((_origin.c.id, _origin.c.jwks), (_node.c.url, _node.c.jwks)):
        rows = session.connection().execute(select(name, keys).where(keys != "[]"))
        found |= {row[0]: Ring(orjson.loads(row[1])) for row in rows}
    return found


def remember(session: WriteSession, heard: Iterable[Heard], *, now: datetime) -> dict[str, Prefixes]:
    """Keep what was learnt, less the prefixes that others were pinned with first. Gives what each may publish under.

    Its keys are taken as those of a pinned node are: of a change that no known key stands behind, only
    the ends of keys count. What a relay vouched for gives way to the origin's own word, and never the other way round.
    """
    kept: dict[str, Prefixes] = {}
    changed: list[tuple[str, list[Jwk], list[Jwk]]] = []
    pinned = set(session.connection().execute(select(_node.c.url)).scalars())
    for origin in sorted(heard, key=lambda one: one.id):  # in one order, so that no two workers wait for each other
        row = session.connection().execute(select(_origin).where(_origin.c.id == origin.id).with_for_update()).first()
        before: list[Jwk] = [] if row is None else orjson.loads(row.jwks)
        after, prefixes, voucher = before, origin.prefixes, origin.vouched_by
        if row is not None and origin.manifest is None:
            voucher = row.vouched_by
        elif row is not None and voucher is not None and row.vouched_by is None and row.prefixes != "{}":
            prefixes, voucher = orjson.loads(row.prefixes), None
        elif origin.manifest is not None and origin.id not in pinned:
            itself = row is not None and row.vouched_by is not None and voucher is None
            after = _keys(before, origin.manifest, anew=itself, now=now)
        kept[origin.id] = without_overlap(prefixes, taken(session, but=origin.id))
        text = orjson.dumps(dict(kept[origin.id])).decode()
        values = {"id": origin.id, "prefixes": text, "vouched_by": voucher, "fetched": now}
        upsert(session, Origin, [values | {"jwks": orjson.dumps(after).decode()}], ["id"])
        if before != after:
            changed.append((origin.id, before, after))
    for name, before, after in changed:
        rejudge.keys_changed(session, name, Ring(after), before=before, now=now)
    return kept


def _keys(before: Sequence[Jwk], manifest: Manifest, *, anew: bool, now: datetime) -> list[Jwk]:
    """The keys of an origin after its manifest came; `anew` where only a relay's word stood for those before."""
    if anew:
        return pinning.anew(manifest, now=now)
    change = pinning.take(before, manifest, now=now)
    return pinning.ended(before, manifest) if change.objections else change.keys


def taken(session: Reading, *, but: str, heard_too: bool = True) -> list[str]:
    """The prefixes that are spoken for: our own publishers', other nodes', and (heard of) other origins'."""
    own = session.connection().execute(select(_publisher.c.id_prefix)).scalars()
    pinned = session.connection().execute(select(_node.c.prefixes).where(_node.c.url != but)).scalars()
    heard: Iterable[str] = []
    if heard_too:
        heard = session.connection().execute(select(_origin.c.prefixes).where(_origin.c.id != but)).scalars()
    return [*own, *(prefix for text in (*pinned, *heard) for prefix in orjson.loads(text))]


def keys(session: Reading, origin: str) -> list[Jwk]:
    """The keys of an origin that was heard of; none of one that is not known."""
    chosen = select(_origin.c.jwks).where(_origin.c.id == origin)
    found: list[Jwk] = orjson.loads(session.connection().execute(chosen).scalar_one_or_none() or "[]")
    return found


def give_way(session: WriteSession, node: str, prefixes: Mapping[str, str]) -> None:
    """Forget what was heard of a node that is now pinned, and of origins that claim its prefixes."""
    for row in session.connection().execute(select(_origin).order_by(_origin.c.id)).all():
        claimed = orjson.loads(row.prefixes)
        if row.id == node or any(prefixes_overlap(one, other) for one in claimed for other in prefixes):
            session.connection().execute(delete(_origin).where(_origin.c.id == row.id))


def vouchers(session: Reading, nodes: Sequence[str]) -> dict[str, str]:
    """For those origins that a relay vouched for: who did."""
    chosen = select(_origin.c.id, _origin.c.vouched_by).where(
        _origin.c.id.in_(nodes), _origin.c.vouched_by.is_not(None)
    )
    return {row.id: row.vouched_by for row in session.connection().execute(chosen)}
