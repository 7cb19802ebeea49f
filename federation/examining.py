"""Nodes that somebody asked to be held to the rules: the queue is the table, and so is its bound.

Anybody may ask. So the same address is looked at once a minute at most, few wait at a time, two are looked at at a
time, and nothing is done in the request itself.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, delete, func, or_, select, true, update

from federation.database import Reading, WriteSession, clock, dialect, insert, table
from federation.identity import manifest_url
from schema.entry import stamp
from schema.errors import Fault, Hurried, Invalid, LeaseLost, NotFound
from schema.tables import Examination, Node

KEPT = timedelta(days=1)
AGAIN = timedelta(minutes=1)
MOST_WAITING = 20
AN_HOUR = 240
OF_A_HOST = 60
MAX_HOST = 253  # RFC 1035, section 2.3.4
LEASE = timedelta(seconds=120)
TRIES = 2
PUT_BACK = timedelta(seconds=30)
"""For how long a check is left alone whose host another was asking."""
MAX_URL = 1_000
ADDRESS = (
    r"^(https?://)?[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*"
    r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?(/[A-Za-z0-9._~/-]*)?$"
)
_DEFAULT_PORT = {"http": ":80", "https": ":443"}
_examination, _node = table(Examination), table(Node)


@dataclass(frozen=True, slots=True)
class Claim:
    """An examination in the hands of one worker."""

    id: str
    owner: str
    url: str
    aggregator: bool
    tries: int


def address(typed: str) -> str:
    """The manifest's address, from what somebody typed: a host, an origin, or the address itself. Raises `Invalid`.

    In the one form that the id of a node has (`is_canonical`), so that another spelling is no other node.
    """
    full = typed.strip()
    full = full if "://" in full else f"https://{full}"
    host = re.split("[/:]", full.partition("://")[2], maxsplit=1)[0]
    if len(typed) > MAX_URL or not re.fullmatch(ADDRESS, full):
        wanted = f"an address such as https://moot.exampleshire.example, of at most {MAX_URL} characters"
        raise Invalid([Fault("/url", "This is no address of a node.", typed[:200], wanted, rule="url")])
    if len(host) > MAX_HOST:
        wanted = f"at most {MAX_HOST} characters in its host"
        raise Invalid([Fault("/url", "The name of the host is too long for the DNS.", host[:200], wanted, rule="url")])
    return manifest_url(_canonical(full))


def _canonical(url: str) -> str:
    """An address that keeps to `ADDRESS`, with a lower-case host, no default port and no empty, `.` or `..` segment."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    end = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return f"{scheme}://{place.lower().removesuffix(_DEFAULT_PORT[scheme])}{slash}{'/'.join(kept)}{end}"


def recent(session: Reading, url: str, *, aggregator: bool, now: datetime) -> str | None:
    """The id of the last examination of a manifest's address, where it is not a minute old; None where one is needed.

    Raises `Hurried` where too many wait, or too many were asked for within the hour, of this host or in all.
    """
    same = (_examination.c.url == url) & (_examination.c.aggregator.is_(aggregator))
    young = select(_examination.c.id).where(same, _examination.c.created > now - AGAIN)
    found: str | None = session.connection().execute(young.order_by(_examination.c.created.desc())).scalars().first()
    if found is not None:
        return found
    if len(unfinished(session, now)) >= MOST_WAITING:
        raise Hurried("server", 60, "Many nodes wait to be looked at already. Ask again in a minute.")
    host = _examination.c.url.startswith("/".join(url.split("/", 3)[:3]) + "/", autoescape=True)
    for most, mine, whose in ((OF_A_HOST, host, "of this host"), (AN_HOUR, true(), "of nodes")):
        _check_hour(session, most, mine, whose, now)
    return None


def unfinished(session: Reading, now: datetime) -> Sequence[str]:
    """The ids of those that wait, or are being looked at."""
    waits = _examination.c.finished.is_(None) & (_examination.c.created > now - KEPT)
    return session.connection().execute(select(_examination.c.id).where(waits)).scalars().all()


def ask(session: WriteSession, url: str, *, aggregator: bool, now: datetime) -> str:
    """Queue an examination of a manifest's address. Gives its id: that of the last one where it is not a minute old.

    Raises `Hurried` as `recent` does.
    """
    found = recent(session, url, aggregator=aggregator, now=now)
    if found is not None:
        return found
    forget(session, now)
    made = secrets.token_urlsafe(16)
    row = {"id": made, "url": url, "aggregator": aggregator, "state": "queued", "tries": 0, "created": now}
    insert(session, Examination, [row])
    return made


def _check_hour(session: Reading, most: int, mine: ColumnElement[bool], whose: str, now: datetime) -> None:
    """Raise `Hurried` where the looks of the last hour are spent, until the one is an hour old that makes room."""
    within = select(_examination.c.created).where(mine, _examination.c.created > now - timedelta(hours=1))
    full = within.order_by(_examination.c.created.desc()).offset(most - 1).limit(1)
    oldest: datetime | None = session.connection().execute(full).scalar_one_or_none()
    if oldest is not None:
        wait = max(1, ceil((oldest + timedelta(hours=1) - now).total_seconds()))
        raise Hurried("server", wait, f"{most} looks {whose} were asked for within the hour. Ask again in {wait} s.")


def over(session: Reading, now: datetime) -> bool:
    """Whether there are examinations that were kept for long enough."""
    old = select(_examination.c.id).where(_examination.c.created < now - KEPT).limit(1)
    return session.connection().execute(old).first() is not None


def forget(session: WriteSession, now: datetime) -> None:
    """Delete the examinations that were kept for long enough: a report may quote what was withdrawn since."""
    session.connection().execute(delete(_examination).where(_examination.c.created < now - KEPT))


def status(session: Reading, examination: str) -> dict[str, Any]:
    """What is known of an examination: its state, and the report once it is done. Raises `NotFound`."""
    wanted = select(_examination).where(_examination.c.id == examination)
    row = session.connection().execute(wanted).mappings().one_or_none() if examination.isprintable() else None
    if row is None:
        raise NotFound(f"There is no check '{examination[:80]}'. They are kept for a day.")
    times = {name: stamp(row[name]) for name in ("created", "started", "finished") if row[name] is not None}
    asked = {"id": row["id"], "state": row["state"], "url": row["url"], "aggregator": row["aggregator"]}
    report = orjson.loads(row["result"]) if row["result"] else None
    return {**asked, **times, "report": report, "node": _known(session, row["url"])}


def _known(session: Reading, url: str) -> str | None:
    found: str | None = session.connection().execute(select(_node.c.key).where(_node.c.url == url)).scalar_one_or_none()
    return found


def waiting(session: Reading) -> bool:
    """Whether there is one to claim."""
    return session.connection().execute(_free(session).limit(1)).first() is not None


def _free(session: Reading) -> Select[Any]:
    past = _examination.c.leased_until < clock(session)
    queued = (_examination.c.state == "queued") & or_(_examination.c.leased_until.is_(None), past)
    left = (_examination.c.state == "running") & past
    return select(_examination.c.id).where(or_(queued, left))


def claim(session: WriteSession) -> Claim | None:
    """Take the oldest that nobody holds, by the database's clock. None where there is none."""
    owner, now = secrets.token_hex(16), clock(session)
    free = _free(session).order_by(_examination.c.created, _examination.c.id).limit(1)
    if dialect(session) != "sqlite":
        free = free.with_for_update(skip_locked=True)
    values = {"state": "running", "owner": owner, "leased_until": now + LEASE, "started": now}
    taken = (
        update(_examination)
        .where(_examination.c.id == free.scalar_subquery())
        .values(tries=_examination.c.tries + 1, **values)
        .returning(*_examination.c)
    )
    row = session.connection().execute(taken).mappings().one_or_none()
    if row is None:
        return None
    return Claim(row["id"], row["owner"], row["url"], row["aggregator"], row["tries"])


def put_back(session: WriteSession, held: Claim) -> None:
    """Queue an examination again that could not be made now: nobody takes it for a while. Raises `LeaseLost`."""
    mine = update(_examination).where(_examination.c.id == held.id, _examination.c.owner == held.owner)
    values = {"state": "queued", "owner": None, "started": None, "leased_until": clock(session) + PUT_BACK}
    if session.connection().execute(mine.values(values)).rowcount != 1:
        raise LeaseLost("Another worker has taken this check.")


def counts(session: Reading) -> dict[str, int]:
    """How many examinations of the last day are in each state."""
    grouped = select(_examination.c.state, func.count()).group_by(_examination.c.state)
    found: dict[str, int] = {row[0]: row[1] for row in session.connection().execute(grouped)}
    return dict.fromkeys(("queued", "running", "done"), 0) | found
