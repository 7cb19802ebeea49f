"""The change log: append what an own publisher says, cut a page after a number. Sole giver of change numbers.

Numbers come from a one-row counter that is raised inside the writing transaction; its row stays locked until commit,
so the order of numbers is the order of commits, and a reader that has passed a number never misses a lower one
(protocol section 2).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, update

from federation import audit, glance, signing
from federation import rows as bulk
from federation.database import Reading, WriteSession, table
from federation.glance import Glance, texts
from federation.merge import PERSONAL
from federation.sign import ABSENT, VALID, Signer, payload
from schema.change import PAGE_BYTES, PAGE_SIZE, same
from schema.entry import Entry, item_json, origin_json, page_json
from schema.tables import Counter, History, Record

_record, _counter = table(Record), table(Counter)
_CHUNK = 500
ENTRY = (
    _record.c.number,
    _record.c.kind,
    _record.c.id,
    _record.c.data,
    _record.c.origin,
    _record.c.via,
    _record.c.reason,
    _record.c.moved_to,
)

STATE = (
    "id",
    "kind",
    "publisher",
    "node_id",
    "data",
    "origin",
    "via",
    "reason",
    "moved_to",
    "origin_node",
    "seq",
    "rank",
    "signature",
    "deleted",
    "number",
)
"""What a change says of a record, in this order; the time of the change is the only other column."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What an own publisher wants to say of one record: `data` as JSON bytes, or a tombstone's `reason`."""

    id: str
    kind: str
    publisher: str
    data: bytes | None
    reason: str | None = None
    moved_to: str | None = None


@dataclass(slots=True)
class Appended:
    """What an append did: ids by what became of them, and the number of each change that was made."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page ready to send: `ended` is true for the last, which is cached shortly, `full` where no more goes on it."""

    body: bytes
    ended: bool
    last: int
    count: int
    full: bool


def lock(session: WriteSession) -> int:
    """Take the counter's row until commit, so that what is read from here on cannot change. Gives the latest number."""
    held: int = session.connection().execute(select(_counter.c.n).with_for_update()).scalar_one()
    return held


def numbers(session: WriteSession, count: int) -> int:
    """Raise the counter by `count` and give the first of the new numbers."""
    raised = update(_counter).values(n=_counter.c.n + count).returning(_counter.c.n)
    last: int = session.connection().execute(raised).scalar_one()
    return last - count + 1


_LATEST = texts("SELECT n FROM counter")


def latest(reading: Reading | Glance) -> int:
    """The highest number of the whole log."""
    ((found,),) = glance.asking(reading).ask(_LATEST)
    return int(found)


def withdrawn(session: Reading, kind: str, *, after: int) -> bool:
    """Whether a record of this kind was withdrawn after a change."""
    wanted = select(_record.c.id).where(_record.c.kind == kind, _record.c.number > after, _record.c.deleted).limit(1)
    return session.connection().execute(wanted).first() is not None


def entries(session: Reading, ids: Iterable[str]) -> dict[str, Entry]:
    """What the log holds of these ids, tombstones included."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, Entry] = {}
    for start in range(0, len(wanted), _CHUNK):
        chosen = select(*ENTRY).where(_record.c.id.in_(wanted[start : start + _CHUNK]))
        found.update((row.id, Entry(*row)) for row in session.connection().execute(chosen))
    return found


def append(session: WriteSession, drafts: Sequence[Draft], *, node: str, now: datetime) -> Appended:
    """Append what changed; equal data is no change, and neither is a tombstone for what is not there.

    But what was withdrawn for another reason can still be withdrawn as personal data.

    `node` is this node's own id (its manifest URL). One draft a record. The changes are numbered in order of id, but
    for organisation records, which come first: an organisation is the ground its other records stand on. They are
    signed where this node has a key, and noted in the audit log.
    """
    lock(session)
    held = entries(session, (draft.id for draft in drafts))
    done = Appended()
    changed = [draft for draft in drafts if _judge(draft, held.get(draft.id), done)]
    if not changed:
        return done
    changed.sort(key=lambda draft: (draft.kind != "organisation", draft.id))
    first, signer = numbers(session, len(changed)), signing.active(session)
    states = [_row(draft, first + step, node, now, signer) for step, draft in enumerate(changed)]
    write(session, states, held, now=now)
    audit.changed(session, [_audited(draft, first + step, held) for step, draft in enumerate(changed)], now)
    done.numbers = {draft.id: first + step for step, draft in enumerate(changed)}
    return done


def _judge(draft: Draft, entry: Entry | None, done: Appended) -> bool:
    lives = entry is not None and entry.data is not None
    if draft.data is None:
        goes = lives or (entry is not None and draft.reason == PERSONAL != entry.reason)
        (done.deleted if goes else done.unchanged).append(draft.id)
        return goes
    if entry is not None and lives and same(entry.data, draft.data):
        done.unchanged.append(draft.id)
        return False
    (done.updated if lives else done.created).append(draft.id)
    return True


def _audited(draft: Draft, number: int, held: Mapping[str, Entry]) -> audit.Change:
    before = held[draft.id].data if draft.id in held else None
    return audit.Change(draft.publisher, draft.kind, draft.id, number, before, draft.data)


def _row(draft: Draft, number: int, node: str, now: datetime, signer: Signer | None) -> bulk.Row:
    gone = draft.data is None
    origin, signature = signed_origin(draft, number, node, now, signer)
    return (
        draft.id,
        draft.kind,
        draft.publisher,
        None,
        draft.data,
        origin,
        None,
        draft.reason if gone else None,
        draft.moved_to if gone else None,
        node,
        number,
        0,
        signature,
        gone,
        number,
    )


def signed_origin(draft: Draft, number: int, node: str, now: datetime, signer: Signer | None) -> tuple[bytes, str]:
    """The origin of a change that is made here, and what its signature is: signed where this node has a key."""
    origin = origin_json(node, draft.publisher, number, now)
    if signer is None:
        return origin, ABSENT
    gone = draft.data is None
    said = payload(
        record_id=draft.id,
        kind=draft.kind,
        data=draft.data,
        reason=draft.reason if gone else None,
        moved_to=draft.moved_to if gone else None,
        origin=origin,
    )
    return origin[:-1] + b',"sig":"%b"}' % signer.sign(said).encode(), VALID


def write(session: WriteSession, states: Sequence[bulk.Row], held: Container[object], *, now: datetime) -> None:
    """Put states of records in the place of those that are held, keeping what they replace as history.

    A state has the values of `STATE`; `held` tells which of their ids stand there now.
    """
    changed = (bulk.ready(session, _record.c.changed, now),)
    known = [state + changed for state in states if state[0] in held]
    _keep(session, [str(row[0]) for row in known])
    bulk.add(session, Record, (*STATE, "changed"), [state + changed for state in states if state[0] not in held])
    bulk.change(session, Record, (*STATE, "changed"), known)


def _keep(session: WriteSession, ids: Sequence[str]) -> None:
    kept = [column.name for column in table(History).columns]
    for start in range(0, len(ids), _CHUNK):
        old = select(*(_record.c[name] for name in kept)).where(_record.c.id.in_(ids[start : start + _CHUNK]))
        session.connection().execute(table(History).insert().from_select(kept, old))


_COLUMNS = ", ".join(column.name for column in ENTRY)
_AFTER = texts(f"SELECT {_COLUMNS} FROM record WHERE number > ? ORDER BY number LIMIT ?")  # noqa: S608 - our own words
_AFTER_OF_KIND = texts(
    f"SELECT {_COLUMNS} FROM record WHERE kind = ? AND number > ? ORDER BY number LIMIT ?"  # noqa: S608 - our own words
)


def after(reading: Reading | Glance, number: int, *, kind: str | None = None, limit: int = PAGE_SIZE) -> list[Entry]:
    """The next entries after a number, in order."""
    asked = glance.asking(reading)
    rows = asked.ask(_AFTER, number, limit) if kind is None else asked.ask(_AFTER_OF_KIND, kind, number, limit)
    return [Entry(*row) for row in rows]


_NEWEST = texts(f"SELECT {_COLUMNS} FROM record ORDER BY number DESC LIMIT ?")  # noqa: S608 - our own words


def newest(reading: Reading | Glance, limit: int) -> list[Entry]:
    """The last entries of the log, in order."""
    return [Entry(*row) for row in reversed(glance.asking(reading).ask(_NEWEST, limit))]


def page(
    reading: Reading | Glance, number: int, *, public_url: str, epoch: str, license_url: str, kind: str | None = None
) -> FeedPage:
    """The page of the feed after a number (protocol section 2): 500 items at most, equal bytes for an equal log."""
    most = _room(reading, number, kind)
    found = after(reading, number, kind=kind, limit=most)
    asked = Asked(number, kind, public_url, epoch, license_url)
    items = [(entry.number, item_json(entry)) for entry in found]
    return page_of(asked, items, 0 if found else latest(reading), most=most)


_BYTES = "SELECT length(id) + length(origin) + coalesce(length(data), 0) + coalesce(length(via), 0) FROM record WHERE"
_SIZES = texts(f"{_BYTES} number > ? ORDER BY number LIMIT ?")
_SIZES_OF_KIND = texts(f"{_BYTES} kind = ? AND number > ? ORDER BY number LIMIT ?")


def _room(reading: Reading | Glance, number: int, kind: str | None) -> int:
    """How many of the next entries go on a page: it ends with the one that brings it to its bytes.

    By what is on the page alone: while that stands, it ends where it ended, whatever comes after.
    """
    asked, size = glance.asking(reading), 0
    values = (number, PAGE_SIZE)
    rows = asked.ask(_SIZES, *values) if kind is None else asked.ask(_SIZES_OF_KIND, kind, *values)
    for place, row in enumerate(rows, 1):
        size += row[0]
        if size >= PAGE_BYTES:
            return place
    return PAGE_SIZE


@dataclass(frozen=True, slots=True)
class Asked:
    """Which page of whose feed."""

    number: int
    kind: str | None
    public_url: str
    epoch: str
    license_url: str


def page_of(asked: Asked, items: Sequence[tuple[int, bytes]], latest_number: int, *, most: int = PAGE_SIZE) -> FeedPage:
    """The page of these items, each with its number; where there are none, it tells the latest number of the log.

    `most` is how many go on it.
    """
    last = items[-1][0] if items else asked.number
    body = page_json(
        url=page_url(asked.public_url, asked.number, asked.kind),
        next_url=page_url(asked.public_url, last, asked.kind),
        epoch=asked.epoch,
        license_url=asked.license_url,
        items=[item for _, item in items],
        latest=None if items else latest_number,
    )
    return FeedPage(body, ended=not items, last=last, count=len(items), full=len(items) == most)


def page_url(public_url: str, number: int, kind: str | None = None) -> str:
    """The canonical URL of a page: the number and, where there is one, the kind in it."""
    return f"{public_url}/v1/changes?afterChangeNumber={number}" + (f"&kind={kind}" if kind else "")
