"""Bearer tokens: random, shown once, stored as a digest, scoped to one publisher and to kinds, expiring, revocable.

A token is `fmt_`, 43 characters of 256 random bits, and 6 of a checksum (CRC-32 in base 62), so that whoever finds one
in a text (a secret scanner, `SECURITY.md` has the expression) can tell it from chance without asking us.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, select, update

from federation import audit, publishers
from federation.database import Reading, WriteSession, table
from schema.errors import BadParameter, BadToken, Conflict, Forbidden, NotFound
from schema.identifiers import PUBLISHER_ID
from schema.kinds import KINDS
from schema.tables import Token

log = structlog.get_logger("folkmoot.auth")
DAYS = 365
OVERLAP_DAYS = 7
BARRED_AGAIN = timedelta(hours=1)
"""After so long it is noted again that a token reaches too far."""
ALL = "*"
SHAPE = re.compile(r"fmt_([A-Za-z0-9_-]{43})([0-9A-Za-z]{6})")
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_token = table(Token)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token that was shown may do: write these kinds (None: all) of one publisher."""

    token_id: int
    publisher: str
    kinds: frozenset[str] | None
    name: str = ""
    used: datetime | None = None

    def need(self, publisher: str, kind: str) -> None:
        """Raise `Forbidden` unless the token reaches this far.

        Asked before anything is looked up, so that the answer for another's record is the same whether it is there
        or not.
        """
        if publisher != self.publisher:
            raise OutOfReach(self, publisher, kind, f"This token is for {self.publisher} alone.")
        if self.kinds is not None and kind not in self.kinds:
            raise OutOfReach(self, publisher, kind, f"This token does not reach records of kind '{kind}'.")

    def actor(self, request: str) -> audit.Actor:
        """Who acts with this token, in the request of this name."""
        return audit.Actor("token", self.name, self.token_id, request)


class OutOfReach(Forbidden):
    """A token was shown for a publisher or a kind that it does not reach."""

    def __init__(self, grant: Grant, publisher: str, kind: str, detail: str) -> None:
        self.grant, self.publisher, self.kind = grant, publisher, kind
        log.warning("token reaches too far", token=grant.token_id, why=detail)
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token. `secret` is not kept anywhere: it is shown now or never."""

    id: int
    secret: str
    expires: datetime


def create(
    session: WriteSession,
    *,
    publisher: str,
    name: str,
    now: datetime,
    kinds: Sequence[str] = (),
    days: int = DAYS,
) -> Issued:
    """Make a token for a publisher; without `kinds` it reaches all of them.

    Raises `NotFound` for an unknown publisher, `BadParameter` for an unknown kind or a life under a day.
    """
    publishers.find(session, publisher)
    for kind in kinds:
        if kind not in KINDS:
            raise BadParameter("kinds", kind, "kinds of record: " + ", ".join(KINDS))
    reach = (publisher, name, ",".join(dict.fromkeys(kinds)) or ALL)
    made = _issue(session, reach, now, days)
    audit.note(session, "token.create", f"token {made.id}", now, publisher=publisher)
    return made


def _issue(session: WriteSession, reach: tuple[str, str, str], now: datetime, days: int) -> Issued:
    """Make a token for (publisher, its name, kinds as they are stored)."""
    publisher, name, kinds = reach
    if not 1 <= days <= 3650:
        raise BadParameter("days", str(days), "1 to 3650")
    secret = new_secret()
    expires = now + timedelta(days=days)
    row = {
        "name": name[:200],
        "publisher": publisher,
        "kinds": kinds,
        "digest": _digest(secret),
        "hint": secret[:8],
        "created": now,
        "expires": expires,
    }
    made = session.connection().execute(_token.insert().values(row).returning(_token.c.id)).scalar_one()
    return Issued(made, secret, expires)


def new_secret() -> str:
    """A token's text: prefix, 256 random bits, checksum."""
    random = secrets.token_urlsafe(32)
    return f"fmt_{random}{checksum(random)}"


def checksum(random: str) -> str:
    """The last 6 characters of a token, made of the 43 before them: CRC-32, in base 62, most significant first."""
    left, digits = zlib.crc32(random.encode()), ""
    for _ in range(6):
        left, digit = divmod(left, 62)
        digits = _BASE62[digit] + digits
    return digits


def check(session: Reading, secret: str, now: datetime) -> Grant:
    """What the bearer of this secret may do. Raises `BadToken`; one with a slip of the pen costs no question."""
    shape = SHAPE.fullmatch(secret)
    if shape is None or checksum(shape[1]) != shape[2]:
        raise BadToken("This is no token: one begins with fmt_, has 53 characters, and the last 6 check the others.")
    digest = _digest(secret)
    row = session.connection().execute(select(_token).where(_token.c.digest == digest)).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, digest):
        raise BadToken("This node does not know this token.")
    if row.revoked is not None:
        raise BadToken("This token was revoked.")
    if row.expires <= now:
        raise BadToken(f"This token expired on {row.expires:%Y-%m-%d}.")
    return Grant(row.id, row.publisher, _kinds(row.kinds), row.name, row.last_used)


def alive(session: Reading, token_id: int, now: datetime) -> bool:
    """Whether a token is neither revoked nor expired."""
    wanted = select(_token.c.id).where(_token.c.id == token_id, _token.c.revoked.is_(None), _token.c.expires > now)
    return session.connection().execute(wanted).one_or_none() is not None


def touch(session: WriteSession, grant: Grant, now: datetime, *, request: str = "") -> None:
    """Write with a token from here on: look once more whether it is good, and remember the day of its last use.

    Raises `BadToken` where it was revoked since it was checked. A day is enough, and spares a row written for each
    request.
    """
    if not alive(session, grant.token_id, now):
        raise BadToken("This token has ended.")
    audit.acting(session, grant.actor(request))
    used(session, grant, now)


def unnoted(grant: Grant, now: datetime) -> bool:
    """Whether it is not noted yet that a token was used today."""
    return grant.used is None or grant.used < _day(now)


def used(session: WriteSession, grant: Grant, now: datetime) -> None:
    """Remember the day of a token's last use."""
    day = _day(now)
    noted = update(_token).where(
        _token.c.id == grant.token_id, _token.c.last_used.is_(None) | (_token.c.last_used < day)
    )
    session.connection().execute(noted.values(last_used=day))


def _day(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def barred(session: WriteSession, error: OutOfReach, now: datetime, *, request: str = "") -> None:
    """Note in the audit log that a token reached too far: once an hour of each, for nobody can shorten that log."""
    grant, due = error.grant, _token.c.barred.is_(None) | (_token.c.barred <= now - BARRED_AGAIN)
    noted = update(_token).where(_token.c.id == grant.token_id, due).values(barred=now, last_used=_day(now))
    if session.connection().execute(noted).rowcount:
        aimed = error.publisher if PUBLISHER_ID.fullmatch(error.publisher) else "what is no publisher"
        audit.acting(session, grant.actor(request))
        audit.note(session, "token.barred", f"{error.kind} of {aimed}", now, publisher=grant.publisher)


def every(session: Reading) -> list[Token]:
    """All tokens, first come first; none shows its secret."""
    rows = session.connection().execute(select(_token).order_by(_token.c.id))
    return [Token(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it


def rotate(
    session: WriteSession, token_id: int, now: datetime, *, overlap_days: int = OVERLAP_DAYS, days: int = DAYS
) -> Issued:
    """Make a token that reaches as far as another, which then ends after the overlap (0 days: at once).

    Raises `NotFound`, `Conflict` for one that has ended already, `BadParameter` for a life or an overlap out of bounds.
    """
    if not 0 <= overlap_days <= 90:
        raise BadParameter("overlap-days", str(overlap_days), "0 to 90")
    old = _row(session, token_id)
    if old.revoked is not None or old.expires <= now:
        raise Conflict(f"Token {token_id} has ended already: make a new one (folkmoot token create).")
    made = _issue(session, (old.publisher, old.name, old.kinds), now, days)
    end = min(old.expires, now + timedelta(days=overlap_days))
    session.connection().execute(update(_token).where(_token.c.id == token_id).values(expires=end))
    audit.note(session, "token.rotate", f"token {token_id} to {made.id}", now, publisher=old.publisher)
    return made


def ends(session: Reading, token_id: int) -> datetime:
    """Until when a token is good that nobody revokes. Raises `NotFound`."""
    return _row(session, token_id).expires  # type: ignore[no-any-return]


def revoke(session: WriteSession, token_id: int, now: datetime) -> None:
    """End a token at once. Raises `NotFound`, or `Conflict` where it is revoked already."""
    found = _row(session, token_id)
    if found.revoked is not None:
        raise Conflict(f"Token {token_id} was revoked on {found.revoked:%Y-%m-%d} already.")
    session.connection().execute(update(_token).where(_token.c.id == token_id).values(revoked=now))
    audit.note(session, "token.revoke", f"token {token_id}", now, publisher=found.publisher)


def named(session: Reading, token_id: int) -> str:
    """What a token is called."""
    return str(_row(session, token_id).name)


def _row(session: Reading, token_id: int) -> Row[Any]:
    found = session.connection().execute(select(_token).where(_token.c.id == token_id)).one_or_none()
    if found is None:
        raise NotFound(f"There is no token {token_id} (folkmoot token list shows them).")
    return found


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _kinds(stored: str) -> frozenset[str] | None:
    return None if stored == ALL else frozenset(stored.split(","))
