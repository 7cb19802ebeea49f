"""Make, replace and revoke the key that signs what this node publishes (protocol section 5)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select, update

from federation import audit, log, signing
from federation.again import again
from federation.database import Reading, WriteSession, insert, table
from federation.sign import Signer, thumbprint
from schema.entry import stamp
from schema.errors import Conflict, NotFound
from schema.tables import SigningKey

_key = table(SigningKey)


def listing(session: Reading) -> list[dict[str, Any]]:
    """The keys, first come first: {kid, thumbprint, state, since, until?, reason?}; never a private part."""
    rows = session.connection().execute(select(_key).order_by(_key.c.created, _key.c.kid))
    return [_shown(dict(row._mapping)) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    state = "revoked" if row["revoked"] else "retired" if row["retired"] else "active"
    until = row["revoked"] or row["retired"]
    shown = {"kid": row["kid"], "thumbprint": thumbprint(signing.jwk(row)), "state": state}
    shown["since"] = stamp(row["published"] or row["created"])
    more = {"until": until and stamp(until), "reason": row["reason"]}
    return shown | {name: value for name, value in more.items() if value}


def signs(session: Reading) -> str | None:
    """The name of the key that signs."""
    found = signing.active(session)
    return None if found is None else found.kid


def first(session: WriteSession, *, now: datetime) -> Signer:
    """Make the key of a node that has published nothing yet: it signs from the first change on."""
    return _make(session, now=now)


def new(session: WriteSession, *, node: str, now: datetime) -> tuple[Signer, int]:
    """Give a node that signs nothing a key, and say everything again, signed. Gives the key and how many changes.

    The key stands in the manifest only with the commit, when all is signed. Raises `Conflict` where there is one.
    """
    log.lock(session)
    known = signs(session)
    if known is not None:
        raise Conflict(f"{known} signs already; folkmoot keys rotate puts another in its place.")
    signer = _make(session, now=now)
    return signer, again(session, node=node, now=now, signer=signer)


def rotate(session: WriteSession, *, now: datetime) -> tuple[str, Signer]:
    """Put a new key in the place of the one that signs, which endorses it and retires. Gives both, old and new.

    What the old key signed stays as it is: it verifies what was published before its end. Raises `NotFound` where
    nothing signs.
    """
    log.lock(session)
    old = signing.active(session)
    if old is None:
        raise NotFound("No key signs here yet: folkmoot keys new makes the first.")
    _change(session, old.kid, retired=now, seed=None)
    signer = _make(session, now=now, by=old)
    audit.note(session, "keys.rotate", f"{old.kid} to {signer.kid}", now)
    return old.kid, signer


def revoke(session: WriteSession, kid: str, reason: str, *, node: str, now: datetime) -> tuple[Signer, int]:
    """Say that a key is not to be believed any more, and sign all again. Gives the key that does, and how many changes.

    A key that was stolen can endorse nothing: where the one that signed is revoked, the new key has nobody's word, and
    each aggregator waits for its operator. Raises `NotFound`, and `Conflict` for a key that is revoked already.
    """
    log.lock(session)
    row = session.connection().execute(select(_key).where(_key.c.kid == kid)).one_or_none()
    if row is None:
        raise NotFound(f"There is no key {kid} (folkmoot keys list shows them).")
    if row.revoked is not None:
        raise Conflict(f"{kid} is revoked already.")
    _change(session, kid, revoked=now, reason=reason, seed=None)
    audit.note(session, "keys.revoke", kid, now)
    signer = signing.active(session) or _make(session, now=now)
    return signer, again(session, node=node, now=now, signer=signer)


def _make(session: WriteSession, *, now: datetime, by: Signer | None = None) -> Signer:
    signer = Signer(_name(session, now), secrets.token_bytes(32))
    word = None if by is None else orjson.dumps(by.endorse(signer.jwk)).decode()
    made = {"kid": signer.kid, "x": signer.jwk["x"], "seed": signer.seed, "created": now, "published": now}
    insert(session, SigningKey, [made | {"endorsement": word}])
    audit.note(session, "keys.new", signer.kid, now)
    return signer


def _name(session: Reading, now: datetime) -> str:
    """The next name of the year: 2026-1, 2026-2 ..."""
    taken = set(session.connection().execute(select(_key.c.kid)).scalars())
    return next(name for name in (f"{now:%Y}-{step}" for step in range(1, len(taken) + 2)) if name not in taken)


def _change(session: WriteSession, kid: str, **values: Any) -> None:
    session.connection().execute(update(_key).where(_key.c.kid == kid).values(values))
