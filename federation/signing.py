"""The keys of this node, as rows: the one that signs what is published, and those that its manifest shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import select

from federation.database import Reading, table
from federation.sign import Jwk, Signer
from schema.entry import stamp
from schema.tables import SigningKey

_key = table(SigningKey)


def active(session: Reading) -> Signer | None:
    """The key that signs now; None where this node signs nothing."""
    chosen = select(_key.c.kid, _key.c.seed).where(
        _key.c.published.is_not(None), _key.c.retired.is_(None), _key.c.revoked.is_(None)
    )
    row = session.connection().execute(chosen).first()
    return None if row is None else Signer(row.kid, row.seed)


def published(session: Reading) -> list[dict[str, Any]]:
    """The keys that the manifest shows, retired and revoked ones too, first come first (protocol section 5)."""
    chosen = select(_key).where(_key.c.published.is_not(None)).order_by(_key.c.created, _key.c.kid)
    return [jwk(dict(row._mapping)) for row in session.connection().execute(chosen)]  # noqa: SLF001 - its public name


def jwk(row: Mapping[str, Any]) -> dict[str, Any]:
    """A key's row as its manifest shows it."""
    shown: dict[str, Any] = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": row["kid"], "x": row["x"]}
    if row["retired"] is not None:
        shown["exp"] = stamp(row["retired"])
    if row["revoked"] is not None:
        shown["revoked"] = stamp(row["revoked"])
    if row["reason"] is not None:
        shown["reason"] = row["reason"]
    if row["endorsement"] is not None:
        shown["endorsement"] = orjson.loads(row["endorsement"])
    return shown


def known(jwks: str) -> list[Jwk]:
    """The keys of another node, as they are stored."""
    found: list[Jwk] = orjson.loads(jwks)
    return found
