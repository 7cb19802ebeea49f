"""Bearer tokens: random, shown once, stored as a digest, scoped to one publisher and to kinds, expiring, revocable."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from federation import publishers
from federation.database import Reading, WriteSession, table
from schema.errors import BadParameter, Conflict, Forbidden, NotFound, Unauthorised
from schema.kinds import KINDS
from schema.tables import Token

DAYS = 365
ALL = "*"
_SHAPE = re.compile(r"fmt_[A-Za-z0-9_-]{43}")
_token = table(Token)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token that was shown may do: write these kinds (None: all) of one publisher."""

    token_id: int
    publisher: str
    kinds: frozenset[str] | None

    def need(self, publisher: str, kind: str) -> None:
        """Raise `Forbidden` unless the token reaches this far.

        Asked before anything is looked up, so that the answer for another's record is the same whether it is there
        or not.
        """
        if publisher != self.publisher:
            raise Forbidden(f"This token is for {self.publisher} alone.")
        if self.kinds is not None and kind not in self.kinds:
            raise Forbidden(f"This token does not reach records of kind '{kind}'.")


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
    if not 1 <= days <= 3650:
        raise BadParameter("days", str(days), "1 to 3650")
    secret = "fmt_" + secrets.token_urlsafe(32)
    expires = now + timedelta(days=days)
    row = {
        "name": name[:200],
        "publisher": publisher,
        "kinds": ",".join(dict.fromkeys(kinds)) or ALL,
        "digest": _digest(secret),
        "hint": secret[:8],
        "created": now,
        "expires": expires,
    }
    made = session.connection().execute(_token.insert().values(row).returning(_token.c.id)).scalar_one()
    return Issued(made, secret, expires)


def check(session: Reading, secret: str, now: datetime) -> Grant:
    """What the bearer of this secret may do. Raises `Unauthorised`."""
    if not _SHAPE.fullmatch(secret):
        raise Unauthorised("This is no token of this node: one begins with fmt_ and has 47 characters.")
    digest = _digest(secret)
    row = session.connection().execute(select(_token).where(_token.c.digest == digest)).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, digest):
        raise Unauthorised("This node does not know this token.")
    if row.revoked is not None:
        raise Unauthorised("This token was revoked.")
    if row.expires <= now:
        raise Unauthorised(f"This token expired on {row.expires:%Y-%m-%d}.")
    return Grant(row.id, row.publisher, _kinds(row.kinds))


def alive(session: Reading, token_id: int, now: datetime) -> bool:
    """Whether a token is neither revoked nor expired."""
    wanted = select(_token.c.id).where(_token.c.id == token_id, _token.c.revoked.is_(None), _token.c.expires > now)
    return session.connection().execute(wanted).one_or_none() is not None


def touch(session: WriteSession, grant: Grant, now: datetime) -> None:
    """Remember the day of last use: a day is enough, and spares a row written for each request."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    used = update(_token).where(
        _token.c.id == grant.token_id, _token.c.last_used.is_(None) | (_token.c.last_used < day)
    )
    session.connection().execute(used.values(last_used=day))


def every(session: Reading) -> list[Token]:
    """All tokens, first come first; none shows its secret."""
    rows = session.connection().execute(select(_token).order_by(_token.c.id))
    return [Token(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it


def revoke(session: WriteSession, token_id: int, now: datetime) -> None:
    """End a token at once. Raises `NotFound`, or `Conflict` where it is revoked already."""
    found = session.connection().execute(select(_token.c.revoked).where(_token.c.id == token_id)).one_or_none()
    if found is None:
        raise NotFound(f"There is no token {token_id} (folkmoot token list shows them).")
    if found.revoked is not None:
        raise Conflict(f"Token {token_id} was revoked on {found.revoked:%Y-%m-%d} already.")
    session.connection().execute(update(_token).where(_token.c.id == token_id).values(revoked=now))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _kinds(stored: str) -> frozenset[str] | None:
    return None if stored == ALL else frozenset(stored.split(","))
