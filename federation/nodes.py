"""The nodes that this aggregator crawls: pinned when they join, paused, resumed, removed, and how they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import orjson
from sqlalchemy import delete, func, select, update

from federation import (
    erasure,
    hooks,
    lapse,
    log,
    moved,
    origins,
    pinning,
    precedence,
    reconcile,
    rejudge,
    relations,
    told,
)
from federation.apply import Applied, end_routes
from federation.database import Reading, WriteSession, table
from federation.identity import (
    WELL_KNOWN,
    Taken,
    feed_of,
    key_of,
    name_of,
    poll_of,
    prefixes_of,
    read_manifest,
    webhook_of,
    without_overlap,
)
from federation.sign import Jwk, Ring
from federation.verdicts import Prefixes, Source
from schema.errors import Conflict, NotFound, Refused
from schema.identifiers import place_of
from schema.manifest import Manifest
from schema.tables import Feed, History, Node, Record

RELEASE = "Where that is as it should be, the operator takes it with folkmoot node release {} --identity."
MOVED = "Where it has moved, the operator follows it with folkmoot node moved {} and its new address."
_node, _feed, _record, _history = table(Node), table(Feed), table(Record), table(History)
_CHUNK = 500
_STANDING = ("active", "stale", "retired")


@dataclass(frozen=True, slots=True)
class Known:
    """A node as it was pinned: `url` is its id, the manifest's own address."""

    id: int
    key: str
    url: str
    role: str
    relays: bool
    state: str
    prefixes: Prefixes
    stale_since: datetime | None
    manifest: bytes = b""
    keys: tuple[Jwk, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def ring(self) -> Ring:
        """The keys that it is known by."""
        return Ring(self.keys)

    def source(self) -> Source:
        """What the judge asks of a node that is read."""
        return Source(self.id, self.url, self.prefixes, self.relays)


def pin(
    session: WriteSession,
    manifest: Manifest,
    body: bytes,
    *,
    me: str,
    relays: bool,
    every: int,
    now: datetime,
    state: Literal["active", "preview"] = "active",
) -> str:
    """Take a node in, with its identity as it stands now; its feed is due at once. Gives its key.

    `state` is preview for a node that does not pass yet (`federation/gate.py`). `every` is how many seconds
    pass between visits where the manifest does not say; `now` the database's time, by which feeds fall due. Raises
    `Conflict` where the node is known, is this server itself, or claims ids that another was pinned with first.
    """
    key, prefixes = key_of(manifest.id), prefixes_of(manifest)
    check_free(session, manifest.id, key, prefixes, me=me)
    heard, said = origins.keys(session, manifest.id), origins.keys(session, manifest.id, itself=True)
    origins.give_way(session, manifest.id, prefixes)
    log.lock(session)  # origins, then the log: the order of all who need both
    moved.forget(session, prefixes)
    keys = pinning.known_as_revoked(pinning.anew(manifest, now=now), said)  # no relay ends a key of a node that joins
    put_in(session, manifest, body, keys=keys, relays=relays, every=every, now=now, state=state)
    if keys or heard:
        rejudge.keys_changed(session, manifest.id, Ring(keys), before=heard, now=now)
    precedence.settle(session, precedence.claimed(manifest), now=now)
    return key


def put_in(
    session: WriteSession,
    manifest: Manifest,
    body: bytes,
    *,
    keys: Sequence[Jwk],
    relays: bool,
    every: int,
    now: datetime,
    state: str = "active",
) -> None:
    """Write the rows of a node that is known to be nobody else's; `keys` are those that it is to be known by."""
    node = {
        "key": key_of(manifest.id),
        "url": manifest.id,
        "name": name_of(manifest),
        "role": manifest.role,
        "relays": relays,
        "state": state,
        "webhook": webhook_of(manifest),
        "manifest": body,
        "prefixes": orjson.dumps(prefixes_of(manifest)).decode(),
        "jwks": orjson.dumps(list(keys)).decode(),
        "own": orjson.dumps(precedence.claimed(manifest)).decode(),
        "added": now,
    }
    node_id = session.connection().execute(table(Node).insert().values(node).returning(_node.c.id)).scalar_one()
    feed = feed_of(manifest)
    first: dict[str, Any] = {"node_id": node_id, "url": feed.url, "cursor": feed.url, "due": now, "position": 0}
    first["place"] = place_of(feed.url)
    counts = dict.fromkeys(("fence", "fails", "accepted", "refused", "dropped", "visits", "good_visits", "pages"), 0)
    wait = poll_of(manifest, every)
    session.connection().execute(table(Feed).insert().values(first | counts | {"every": wait, "reconciling": False}))
    relations.note(session, node_id, manifest)


def check_free(session: WriteSession, url: str, key: str, prefixes: Prefixes, *, me: str, but: str = "") -> None:
    """Raise `Conflict` where this is ourselves, or its address, key or ids are another's; `but` is who moves there."""
    if url == me:
        raise Conflict("This is the aggregator itself.")
    same = select(_node.c.url).where((_node.c.url == url) | (_node.c.key == key), _node.c.url != but)
    found = session.connection().execute(same).scalars().first()
    if found is not None:
        raise Conflict(f"{found} is among the nodes already, as {key}.")
    mine = Taken(prefixes)
    for prefix in origins.taken(session, but=but or url):
        if mine.overlaps(prefix):
            whose = "is this server's own, or was" if prefix in moved.ours(session) else "another was pinned with first"
            raise Conflict(f"Its ids would lie under {prefix}, which {whose}.")


def refresh(session: WriteSession, known: Known, manifest: Manifest, body: bytes, *, now: datetime) -> Known:
    """Take over what may change in a manifest: names, new publishers, keys that a pinned one endorsed.

    A claim to be a publisher's own node ends with it; one that is new waits for a person (decision 0012).
    Prefixes that were pinned stay, so that the tombstones of a publisher that has left are still taken. Raises
    `Refused` for another role, or a change of keys that no known key stands behind: it waits for a person.
    """
    if unchanged(known, manifest, body):
        return known
    check_identity(known, manifest, now=now)
    return _take_over(session, known, manifest, body, pinning.take(known.keys, manifest, now=now).keys, now=now)


def unchanged(known: Known, manifest: Manifest, body: bytes) -> bool:
    """Whether a manifest is the pinned one, to the byte, and no key has ended since by a manifest that was refused."""
    return body == known.manifest and not pinning.taken_back(known.keys, manifest)


def hear_keys(session: WriteSession, known: Known, manifest: Manifest, *, now: datetime) -> bool:
    """Take what waits for no person from the keys of a manifest that is not taken itself. False where nothing is new.

    Where a person must look first these are the ends of keys: one that was stolen verifies nothing from the moment on
    that its owner says so. The node's row is ours until commit.
    """
    keys = pinning.heard(known.keys, manifest, now=now, objected=manifest.role != known.role)
    if keys == list(known.keys):
        return False
    values = {"jwks": orjson.dumps(keys).decode()}
    session.connection().execute(update(_node).where(_node.c.id == known.id).values(values))
    rejudge.keys_changed(session, known.url, Ring(keys), before=known.keys, now=now)
    return True


def check_identity(known: Known, manifest: Manifest, *, now: datetime) -> None:
    """Raise `Refused` where a manifest shows another role, or keys that no known key stands behind."""
    objections = pinning.objections(known.keys, known.role, manifest, now=now)
    if objections:
        pointer = "/role" if len(objections) == 1 and manifest.role != known.role else "/keys"
        raise Refused(told.IDENTITY_CHANGED, " ".join(objections) + f" {RELEASE.format(known.key)}", pointer)


def release(session: WriteSession, known: Known, manifest: Manifest, body: bytes, *, now: datetime) -> Known:
    """Take a node as it is now, keys and role included: a person has confirmed that it is who it says."""
    known = lock(session, known)
    after = _take_over(session, known, manifest, body, pinning.anew(manifest, now=now), now=now)
    own = precedence.claimed(manifest)
    state = confirmed(known)
    values: dict[str, Any] = {"role": manifest.role, "state": state, "stale_since": None}
    values["own"] = orjson.dumps(own).decode()
    if manifest.role != "aggregator":
        values["relays"] = False
    session.connection().execute(update(_node).where(_node.c.id == known.id).values(values))
    precedence.settle(session, {*known.own, *own}, now=now)
    if known.stale_since is not None:
        lapse.revive(session, known.id, now=now)
    told.visit_mended(session, known.id, rules=[told.IDENTITY_CHANGED])
    hooks.again(session, known.id)
    hear_again(session, known, due=now)
    make_due(session, now=now, node_id=known.id)
    return replace(after, role=manifest.role, state=state, stale_since=None, own=tuple(own))


def confirmed(known: Known) -> str:
    """The state of a node whose identity a person has confirmed: that says who it is, and not that it keeps the rules.

    One that is paused stays so, and a preview has to pass the gate.
    """
    return known.state if known.state in ("paused", "preview") else "active"


def _was_let_in(session: Reading, known: Known) -> bool:
    """Whether a node that is paused has passed the gate: it was read to its end, or something of it is shown."""
    read = select(_feed.c.last_good).where(_feed.c.node_id == known.id)
    shown = select(_record.c.id).where(_record.c.node_id == known.id, ~_record.c.deleted).limit(1)
    connection = session.connection()
    return connection.execute(read).scalar_one() is not None or connection.execute(shown).first() is not None


def _take_over(
    session: WriteSession, known: Known, manifest: Manifest, body: bytes, keys: Sequence[Jwk], *, now: datetime
) -> Known:
    new = without_overlap(prefixes_of(manifest), origins.taken(session, but=known.url))
    own = precedence.kept(known.own, manifest)
    after = replace(known, prefixes={**new, **known.prefixes}, manifest=body, keys=tuple(keys), own=own)
    values: dict[str, Any] = {"name": name_of(manifest), "manifest": body, "webhook": webhook_of(manifest)}
    values["prefixes"] = orjson.dumps(dict(after.prefixes)).decode()
    values["jwks"] = orjson.dumps(list(keys)).decode()
    values["own"] = orjson.dumps(own).decode()
    session.connection().execute(update(_node).where(_node.c.id == known.id).values(values))
    moved.forget(session, new.keys() - known.prefixes.keys())
    relations.note(session, known.id, manifest)
    precedence.settle(session, set(known.own) - set(own), now=now)
    if list(keys) != list(known.keys):
        rejudge.keys_changed(session, known.url, after.ring, before=known.keys, now=now)
    return after


def grant(session: WriteSession, known: Known, prefix: str, *, now: datetime) -> str:
    """Let a node publish under a prefix of another host that its manifest names. Gives the publisher whose it is.

    Raises `NotFound` where the manifest does not name it, `Conflict` where it is another's.
    """
    known = lock(session, known)
    manifest = read_manifest(known.manifest, known.url)
    named = {one.id_prefix: one.publisher_id for one in manifest.publishers}
    if prefix not in named:
        raise NotFound(f"The manifest of {known.key} names no publisher whose idPrefix is {prefix}.")
    if not without_overlap({prefix: named[prefix]}, origins.taken(session, but=known.url)):
        raise Conflict(f"Ids under {prefix} are another node's.")
    prefixes = orjson.dumps({**known.prefixes, prefix: named[prefix]}).decode()
    session.connection().execute(update(_node).where(_node.c.id == known.id).values(prefixes=prefixes))
    moved.forget(session, {prefix} - known.prefixes.keys())
    make_due(session, now=now, node_id=known.id)
    return named[prefix]


def load(session: Reading, node_id: int) -> Known:
    """A node by its number."""
    return _known(session.connection().execute(select(_node).where(_node.c.id == node_id)).one())


def lock(session: WriteSession, known: Known) -> Known:
    """Keep a node to ourselves until commit: its feed, the log, its row. Gives it as it stands now.

    Whoever changes more than one of these takes them in this order, so that no two wait for each other. Raises
    `NotFound` where it was removed meanwhile.
    """
    session.connection().execute(select(_feed.c.id).where(_feed.c.node_id == known.id).with_for_update()).all()
    log.lock(session)
    mine = select(_node).where(_node.c.id == known.id).with_for_update(key_share=True)  # problems may name it all along
    row = session.connection().execute(mine).first()
    if row is None:
        raise NotFound(f"{known.key} is not among the nodes any more.")
    return _known(row)


def find(session: Reading, name: str) -> Known:
    """A node by its key, its id, or its address. Raises `NotFound`."""
    bare = name.rstrip("/")
    chosen = select(_node).where(_node.c.key.in_([name, bare]) | _node.c.url.in_([name, bare + WELL_KNOWN]))
    row = session.connection().execute(chosen).first()
    if row is None:
        raise NotFound(f"{name} is not among the nodes (folkmoot node list shows them).")
    return _known(row)


def any_known(session: Reading) -> bool:
    """Whether there is a node to read."""
    return session.connection().execute(select(_feed.c.id).limit(1)).first() is not None


def _known(row: Any) -> Known:
    prefixes = orjson.loads(row.prefixes)
    said = (row.role, row.relays, row.state, prefixes, row.stale_since, row.manifest)
    return Known(row.id, row.key, row.url, *said, tuple(orjson.loads(row.jwks)), tuple(orjson.loads(row.own)))


def pause(session: WriteSession, known: Known, *, now: datetime) -> None:
    """Stop visiting a node; a visit that is under way loses its lease. Its records stay."""
    known = lock(session, known)
    _fence_out(session, known.id)
    session.connection().execute(update(_node).where(_node.c.id == known.id).values(state="paused"))
    precedence.settle(session, known.own, now=now)
    hooks.again(session, known.id)


def resume(session: WriteSession, known: Known, *, now: datetime) -> None:
    """Visit a node again, at once. One that was paused as a preview is a preview."""
    known = lock(session, known)
    state = "active" if known.stale_since is None else "stale"
    state = state if _was_let_in(session, known) else "preview"
    session.connection().execute(update(_node).where(_node.c.id == known.id).values(state=state))
    precedence.settle(session, known.own, now=now)
    hooks.again(session, known.id)
    make_due(session, now=now, node_id=known.id)


def make_due(session: WriteSession, *, now: datetime, node_id: int | None = None) -> None:
    """Let a node's feed, or every feed, be visited at once."""
    chosen = update(_feed).where(_feed.c.due > now).values(due=now)
    session.connection().execute(chosen if node_id is None else chosen.where(_feed.c.node_id == node_id))


def remove(session: WriteSession, known: Known, *, now: datetime) -> Applied:
    """Forget a node. Its records become tombstones (`dropped`), or what another route says of them.

    What they were goes too, for nobody could withdraw it any more.
    """
    known = lock(session, known)
    _fence_out(session, known.id)
    ids = session.connection().execute(select(_record.c.id).where(_record.c.node_id == known.id)).scalars().all()
    done = end_routes(session, known.id, ids, now=now)
    for start in range(0, len(ids), _CHUNK):
        gone = select(_record.c.id).where(_record.c.id.in_(ids[start : start + _CHUNK]), _record.c.deleted)
        session.connection().execute(delete(_history).where(_history.c.id.in_(gone)))
    session.connection().execute(delete(_node).where(_node.c.id == known.id))
    relations.note(session, known.id, None)
    precedence.settle(session, known.own, now=now)
    return done


def _fence_out(session: WriteSession, node_id: int) -> None:
    taken = update(_feed).where(_feed.c.node_id == node_id)
    session.connection().execute(taken.values(fence=_feed.c.fence + 1, owner=None, leased_until=None))


def went_well(session: WriteSession, known: Known, *, now: datetime) -> None:
    """Note a good visit: a node that was stale is active again."""
    log.lock(session)  # before the node's row
    back = update(_node).where(_node.c.id == known.id, _node.c.state.in_(("stale", "retired", "held", "active")))
    session.connection().execute(back.values(state="active", stale_since=None))
    if known.state == "retired":
        precedence.settle(session, known.own, now=now)
    if known.stale_since is not None:
        lapse.revive(session, known.id, now=now)


def hear_again(session: WriteSession, known: Known, *, due: datetime) -> None:
    """Have a node that is back read anew from 0 where a record of its was withdrawn for a person's sake meanwhile.

    `known` is how it stood before. Another route's word erased its own where that had lapsed, so there is nothing to
    give its rank back: only its feed tells whether it says still what it said. When it lapsed is not kept, so one that
    was away for less is read anew too. A visit that is under way loses its lease.
    """
    if known.stale_since is None or not erasure.by_others(session, known.url, since=known.stale_since):
        return
    _fence_out(session, known.id)
    reconcile.begin(session, known.id)
    first = {"cursor": _feed.c.url, "position": 0, "reconciling": True, "etag": None, "latest": None}
    session.connection().execute(update(_feed).where(_feed.c.node_id == known.id).values(first))
    make_due(session, now=due, node_id=known.id)


def hold(session: WriteSession, known: Known, *, since: datetime, now: datetime) -> None:
    """Note that a node is not who it was pinned as: its last good copy is served since `since`, until a person looks.

    After seven days other routes apply, as where it is stale: whoever answers says nothing that is taken. It is asked
    on, so that a change that was a mistake, and is taken back, mends itself. One that is a preview stays so: nothing of
    it is served, and whoever it is has to pass the gate.
    """
    log.lock(session)  # before the node's row
    chosen = update(_node).where(_node.c.id == known.id, _node.c.state.not_in(("paused", "preview")))
    session.connection().execute(chosen.values(state="held", stale_since=func.coalesce(_node.c.stale_since, since)))
    if known.state == "retired":
        precedence.settle(session, known.own, now=now)
    if now - since >= lapse.AFTER:
        lapse.lapse(session, known.id, now=now)


def went_wrong(session: WriteSession, known: Known, *, since: datetime, retired: bool, now: datetime) -> None:
    """Note that the last good copy is served since `since`; `retired` after three days of 410, held or not."""
    log.lock(session)  # before the node's row
    state, standing = ("retired", (*_STANDING, "held")) if retired else ("stale", _STANDING)
    chosen = update(_node).where(_node.c.id == known.id, _node.c.state.in_(standing))
    session.connection().execute(chosen.values(state=state, stale_since=func.coalesce(_node.c.stale_since, since)))
    if retired != (known.state == "retired"):
        precedence.settle(session, known.own, now=now)
    if retired or now - since >= lapse.AFTER:
        lapse.lapse(session, known.id, now=now)
