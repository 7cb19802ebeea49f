"""Judge again what an origin said, when its keys have changed (protocol section 5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, union

from federation import log, removals, unproven
from federation.apply import apply
from federation.database import WriteSession, table
from federation.judge import look
from federation.merge import Statement
from federation.sign import INVALID, UNKNOWN_KEY, VALID, Jwk, Ring
from federation.signed import signatures, weighed
from federation.verdicts import Judged
from schema.change import read_origin
from schema.tables import Record, Shadow

_record, _shadow = table(Record), table(Shadow)
_SIGNED = (VALID, INVALID, UNKNOWN_KEY)


def keys_changed(session: WriteSession, origin: str, ring: Ring, *, before: Iterable[Jwk], now: datetime) -> None:
    """Weigh what is held of an origin by the keys that it has now, and take up what waited for one of them.

    What a key that stands as it stood `before` was found to have signed is not verified again.
    A signature under a key that is now known is verified; one under a key that was revoked no longer holds, until a
    person takes the revocation back. The record stays, and says so; where another route's tombstone goes before it
    then, that is a removal under the guard.
    """
    log.lock(session)
    ids, same = _ids(session, origin), _same(before, ring)
    removals.proved_anew(session, origin, lambda word: _anew(word, origin, ring, same))
    removals.reweigh(session, ids, lambda word: _anew(word, origin, ring, same), now=now)
    for route, statements in unproven.take(session, origin).items():
        waiting = Judged([(statement, False) for statement in statements])
        apply(session, route, look(waiting, rings={origin: ring}), now=now)


def _ids(session: WriteSession, origin: str) -> list[str]:
    """The records with words of this origin that were signed."""
    chosen = (
        select(rows.c.id).where(rows.c.origin_node == origin, rows.c.signature.in_(_SIGNED))
        for rows in (_record, _shadow)
    )
    return list(session.connection().execute(union(*chosen)).scalars())


def _same(before: Iterable[Jwk], ring: Ring) -> Ring:
    """The keys of a ring that verify what they verified before."""
    stood = {str(key["kid"]): key for key in before}
    kept = (
        key for key in ring.jwks if (old := stood.get(str(key["kid"]))) is not None and _weight(old) == _weight(key)
    )
    return Ring(kept)


def _weight(key: Jwk) -> tuple[object, ...]:
    return tuple(key.get(name) for name in ("x", "exp", "revoked"))


def _anew(statement: Statement, origin: str, ring: Ring, same: Ring) -> Statement:
    if statement.origin_node != origin or statement.signature not in _SIGNED:
        return statement
    if statement.signature == VALID and same.trusts(read_origin(statement.origin).sig):
        return statement
    (state,) = signatures([statement], {origin: ring})
    return weighed(statement, state)
