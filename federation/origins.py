"""Origins that are heard of through relays: whose prefixes are whose (protocol section 5).

An origin's prefixes come from its own manifest, fetched through the door and kept; where it cannot be reached, from
the relay's list of members, and then the row says who vouched for it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
import orjson
from sqlalchemy import and_, delete, or_, select, update

from federation import moved, pinning, rejudge, relations
from federation.database import Reading, WriteSession, table, upsert
from federation.identity import Taken, prefixes_of, read_manifest
from federation.seam import Get
from federation.sign import Jwk, Ring
from federation.verdicts import Prefixes
from schema.bounded import first_of
from schema.errors import Cause, Crawling, Invalid, Later, LeaseLost, NotFound, Refused, Vanished
from schema.identifiers import same_origin
from schema.manifest import Manifest
from schema.tables import Node, Origin, Publisher

_origin, _node, _publisher = table(Origin), table(Node), table(Publisher)
MEMBER_PAGES = 50
MEMBERS_A_PAGE = 1_000
MOST_PREFIXES = 10_000
"""How many prefixes an origin is known by: as many as a manifest may name."""
LIST_SECONDS = 120.0
"""How long a visit reads the list of a relay for one origin."""
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

    @property
    def itself(self) -> bool:
        """Whether the origin has said this itself: it was neither asked in vain, nor vouched for."""
        return self.manifest is not None and self.vouched_by is None


async def learn(get: Get, node: str, *, relay: Manifest | None, wait: bool = False) -> Heard | None:
    """Ask the origin itself, else the relay's list of members (where one is given). None where neither knows it.

    A relay speaks only for an origin that cannot be reached: not for one that is being read by another just now, nor
    for one whose robots.txt forbids us to ask. Raises `Later` where nobody can say yet: the relay's own list cannot be
    had just now, or, with `wait`, the origin is being read by another (`Cause.BUSY`).
    """
    try:
        answer = await get(node)
        manifest = read_manifest(await answer.small(), node)
        return Heard(node, prefixes_of(manifest), None, manifest)
    except Crawling as error:
        busy = isinstance(error, Later) and error.cause == Cause.BUSY
        if isinstance(error, LeaseLost) or (busy and wait):
            raise
        if relay is None or busy or error.rule == "robots":
            return None
        try:
            return await _vouched(get, node, relay)
        except (Refused, Vanished):
            return None


async def copies(get: Get, relay: Manifest, wanted: Collection[str], *, pages: int = MEMBER_PAGES) -> dict[str, Heard]:
    """What a relay's list of members says of these origins, as far as it knows them.

    Raises what asking for the list does, `Refused` (members) where it is none, or lies at another origin, and `Later`
    where it takes too long.
    """
    until = time.monotonic() + LIST_SECONDS
    url, left, found = relay.members, set(wanted), dict[str, Heard]()
    if url is not None and not same_origin(url, relay.id):
        raise Refused("members", f"The list of members {url[:200]} does not lie at the manifest's own origin.")
    for _page in range(pages):
        if url is None:
            break
        if time.monotonic() > until:
            raise Later(f"The list of members at {relay.members} takes more than {LIST_SECONDS:.0f} s to read.")
        items, url = _members(await (await get(url)).small(), url)
        for item in [item for item in items if item.id in left]:
            left.discard(item.id)
            heard = _copy(bytes(item.manifest), item.id, relay.id)
            found |= {item.id: heard} if heard is not None else {}
        if not left:
            break
    return found


async def _vouched(get: Get, node: str, relay: Manifest) -> Heard | None:
    return (await copies(get, relay, [node])).get(node)


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
    unpinned = _origin.c.id.not_in(select(_node.c.url))  # what was heard of one while it was pinned may still stand
    heard = select(_origin.c.id, _origin.c.jwks).where(_origin.c.jwks != "[]", unpinned)
    for chosen in (heard, select(_node.c.url, _node.c.jwks).where(_node.c.jwks != "[]")):
        found |= {name: Ring(orjson.loads(keys)) for name, keys in session.connection().execute(chosen)}
    return found


def remember(session: WriteSession, heard: Iterable[Heard], *, now: datetime) -> dict[str, Prefixes]:
    """Keep what was learnt, less the prefixes that others were pinned with first. Gives what each may publish under.

    Its keys are taken as those of a pinned node are: of a change that no known key stands behind, only
    the ends of keys count. What a relay vouched for gives way to the origin's own word, and never the other way round.
    Of a node that is pinned nothing is kept: its own visits do that.
    """
    kept: dict[str, Prefixes] = {}
    changed: list[tuple[str, list[Jwk], list[Jwk]]] = []
    marks = False
    order = sorted(heard, key=lambda one: one.id)  # one for all, so that no two workers wait for each other
    names = [origin.id for origin in order]
    pinned, known, spoken_for = _pinned(session, names), _locked(session, names), _Spoken(session, order)
    for origin in order:
        if origin.id in pinned:
            new = spoken_for.less(origin.prefixes if origin.itself else {}, origin.id)
            kept[origin.id] = {**new, **pinned[origin.id]}
            continue
        row = known.get(origin.id)
        before: list[Jwk] = [] if row is None else orjson.loads(row.jwks)
        after, prefixes, voucher = before, _after(row, origin), origin.vouched_by
        unofficial = had = None if row is None else row.unofficial
        if row is not None and not _counts(row, origin):
            voucher = row.vouched_by
        elif origin.manifest is not None:
            anew = origin.itself and row is not None and row.vouched_by is not None
            after, unofficial = _keys(before, origin.manifest, anew=anew, now=now), relations.told(origin.manifest)
        marks |= unofficial != had
        kept[origin.id] = spoken_for.less(prefixes, origin.id)
        text = orjson.dumps(dict(kept[origin.id])).decode()
        values = {"id": origin.id, "prefixes": text, "vouched_by": voucher, "fetched": now, "unofficial": unofficial}
        upsert(session, Origin, [values | {"jwks": orjson.dumps(after).decode()}], ["id"])
        if before != after:
            changed.append((origin.id, before, after))
    if marks:
        relations.changed(session)
    for name, before, after in changed:
        rejudge.keys_changed(session, name, Ring(after), before=before, now=now)
    return kept


def _counts(row: Any, heard: Heard) -> bool:
    """Whether what was heard changes what is known of an origin: not where it was asked in vain.

    No relay's word does where the origin has spoken itself.
    """
    if heard.manifest is None:
        return False
    return heard.vouched_by is None or row.vouched_by is not None or row.prefixes == "{}"


def _after(row: Any, heard: Heard) -> Prefixes:
    """The prefixes of an origin after this was heard.

    Those stay that it said itself before, so that the tombstones of a publisher that has left are still taken; what a
    relay vouched for stays while that relay alone speaks. They are no more than a manifest may name, the last first.
    """
    if row is None:
        return heard.prefixes
    had: dict[str, str] = orjson.loads(row.prefixes)
    if not _counts(row, heard):
        return had
    if row.vouched_by != heard.vouched_by:
        return heard.prefixes
    both = {**heard.prefixes, **had, **heard.prefixes}  # what it lists now stands first, and says whose it is
    return dict(islice(both.items(), MOST_PREFIXES))


def _pinned(session: Reading, names: Sequence[str]) -> dict[str, Prefixes]:
    """The prefixes of those origins that are read here themselves."""
    chosen = select(_node.c.url, _node.c.prefixes).where(_node.c.url.in_(names))
    return {row.url: orjson.loads(row.prefixes) for row in session.connection().execute(chosen)}


def _locked(session: WriteSession, names: Sequence[str]) -> dict[str, Any]:
    """The rows of those origins that were heard of before, ours until commit."""
    chosen = select(_origin).where(_origin.c.id.in_(names)).order_by(_origin.c.id).with_for_update()
    return {row.id: row for row in session.connection().execute(chosen)}


class _Spoken:
    """Whose prefixes are whose, while those of some origins are kept one after the other: read once for all of them."""

    def __init__(self, session: Reading, order: Sequence[Heard]) -> None:
        now, others = {origin.id for origin in order}, list[str]()
        self._among: dict[str, list[str]] = {name: [] for name in now}
        self._pinned: dict[str, list[str]] = {name: [] for name in now}
        for held, chosen in (
            (self._pinned, select(_node.c.url, _node.c.prefixes)),
            (self._among, select(_origin.c.id, _origin.c.prefixes)),
        ):
            for name, prefixes in session.connection().execute(chosen):
                (held[name] if name in now else others).extend(orjson.loads(prefixes))
        own = session.connection().execute(select(_publisher.c.id_prefix)).scalars()
        self._others = Taken([*own, *others])

    def less(self, prefixes: Prefixes, origin: str) -> dict[str, str]:
        """Those of an origin's prefixes that are nobody else's; they are its own from now on."""
        rest = (one for held in (self._pinned, self._among) for name in held if name != origin for one in held[name])
        beside = Taken(rest)
        left = {
            one: whose for one, whose in prefixes.items() if not (self._others.overlaps(one) or beside.overlaps(one))
        }
        self._among[origin] = list(left)
        return left


def _keys(before: Sequence[Jwk], manifest: Manifest, *, anew: bool, now: datetime) -> list[Jwk]:
    """The keys of an origin after its manifest came; `anew` where only a relay's word stood for those before."""
    return pinning.anew(manifest, now=now) if anew else pinning.heard(before, manifest, now=now)


def taken(session: Reading, *, but: str) -> list[str]:
    """The prefixes that a node could not be pinned with: our own, also those that we left, and other nodes'."""
    own = moved.ours(session)
    pinned = session.connection().execute(select(_node.c.prefixes).where(_node.c.url != but)).scalars()
    return [*own, *(prefix for text in pinned for prefix in orjson.loads(text))]


def heard_of(session: Reading, origin: str) -> bool:
    """Whether a relay has told of this node, which is not read here itself."""
    return session.connection().execute(select(_origin.c.id).where(_origin.c.id == origin)).first() is not None


def keys(session: Reading, origin: str, *, itself: bool = False) -> list[Jwk]:
    """The keys of an origin that was heard of; none of one that is not known, or, with `itself`, was vouched for."""
    chosen = select(_origin.c.jwks).where(_origin.c.id == origin)
    if itself:
        chosen = chosen.where(_origin.c.vouched_by.is_(None))
    found: list[Jwk] = orjson.loads(session.connection().execute(chosen).scalar_one_or_none() or "[]")
    return found


def confirm(session: WriteSession, origin: str, manifest: Manifest, *, now: datetime) -> None:
    """Take the keys of an origin that was heard of as they are now: a person has confirmed them. Raises `NotFound`."""
    row = _locked(session, [origin]).get(origin)
    if row is None:
        raise NotFound(f"{origin} is no node here, and no relay has told of it.")
    before, after = orjson.loads(row.jwks), pinning.anew(manifest, now=now)
    chosen = update(_origin).where(_origin.c.id == origin)  # who vouched stays, so that no prefix of that word does
    session.connection().execute(chosen.values(jwks=orjson.dumps(after).decode()))
    rejudge.keys_changed(session, origin, Ring(after), before=before, now=now)
    remember(session, [Heard(origin, prefixes_of(manifest), None, manifest)], now=now)


def give_way(session: WriteSession, node: str, prefixes: Mapping[str, str]) -> None:
    """Forget what was heard of a node that is now pinned, and of origins that claim its prefixes."""
    pinned, marks = Taken(prefixes), False
    for row in session.connection().execute(select(_origin).order_by(_origin.c.id)).all():
        if row.id == node or any(pinned.overlaps(prefix) for prefix in orjson.loads(row.prefixes)):
            session.connection().execute(delete(_origin).where(_origin.c.id == row.id))
            marks |= row.unofficial is not None or row.vouched_by is not None
    if marks:
        relations.changed(session)


def vouchers(session: Reading, nodes: Sequence[str]) -> dict[str, str]:
    """For those origins that a relay vouched for: who did."""
    chosen = select(_origin.c.id, _origin.c.vouched_by).where(
        _origin.c.id.in_(nodes), _origin.c.vouched_by.is_not(None)
    )
    return {row.id: row.vouched_by for row in session.connection().execute(chosen)}
