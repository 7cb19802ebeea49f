"""Sign and verify what a node says: a detached JWS over the canonical form of a record (protocol section 5). Pure.

The signature is made with Ed25519 (RFC 8037, RFC 9864) over RFC 8785 canonical JSON of {id, kind, state, data?,
reason?, movedTo?, origin without sig}, written as RFC 7515 appendix F says: `header..signature`.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Literal

import msgspec
import orjson

from federation import ed25519

VALID, ABSENT, INVALID, UNKNOWN_KEY = "valid", "absent", "invalid", "unknown-key"
State = Literal["valid", "absent", "invalid", "unknown-key"]
Jwk = Mapping[str, Any]
ALGORITHM = "Ed25519"
_SIGNATURE = re.compile(r"([A-Za-z0-9_-]{1,400})\.\.([A-Za-z0-9_-]{86})")
_LATER = frozenset({"endorsement", "exp", "revoked", "reason"})
# What the two forms write differently: whole floats, exponents; and names beyond the BMP are sorted differently.
_EXPONENT = re.compile(rb"e(?<=[0-9]e)[-+0-9]")  # the letter first: it is found ten times as fast as a digit
_ASTRAL = re.compile(rb"[\xf0-\xf4]")


def canonical(value: Any) -> bytes:
    """RFC 8785 canonical JSON. Raises `ValueError` where a number has no place in it."""
    made = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    whole = b".0," in made or b".0}" in made or b".0]" in made
    if whole or _EXPONENT.search(made) or not (made.isascii() or _ASTRAL.search(made) is None):
        import rfc8785  # noqa: PLC0415 - few records need it

        return rfc8785.dumps(value)
    return made


def payload(
    *, record_id: str, kind: str, data: bytes | None, reason: str | None, moved_to: str | None, origin: bytes
) -> bytes:
    """What is signed of a record or a tombstone; `data` and `origin` as the bytes that are published."""
    said: dict[str, Any] = {"id": record_id, "kind": kind, "state": "deleted" if data is None else "updated"}
    if data is not None:
        said["data"] = orjson.loads(data)
    if reason is not None:
        said["reason"] = reason
    if moved_to is not None:
        said["movedTo"] = moved_to
    said["origin"] = orjson.loads(origin)
    said["origin"].pop("sig", None)
    return canonical(said)


class Asked(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What is said of a record, who is to have signed it, when, and the signature; None where there is none."""

    node: str
    id: str
    kind: str
    data: bytes | None
    reason: str | None
    moved_to: str | None
    origin: bytes
    time: str
    sig: str | None


class Signer:
    """A private key and its name. `seed` is its 32 bytes."""

    def __init__(self, kid: str, seed: bytes) -> None:
        self.kid, self.seed = kid, seed
        self._public, self._secret = ed25519.pair(seed)
        self._head = _encoded(canonical({"alg": ALGORITHM, "kid": kid}))

    @property
    def jwk(self) -> dict[str, str]:
        """The public key, as its manifest shows it."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "kid": self.kid,
            "x": _encoded(self._public),
        }

    def sign(self, said: bytes) -> str:
        """The detached JWS over canonical bytes."""
        return f"{self._head}..{_encoded(ed25519.sign(self._secret, _input(self._head, said)))}"

    def endorse(self, jwk: Jwk) -> dict[str, str]:
        """This key's word for a newer one: an `endorsement` of its JWK."""
        return {"kid": self.kid, "sig": _encoded(ed25519.sign(self._secret, canonical(bare(jwk))))}


class Ring:
    """The keys that a node is known by. Empty where it publishes none."""

    def __init__(self, keys: Iterable[Jwk] = ()) -> None:
        self.jwks = tuple(keys)
        self._keys = {str(key["kid"]): _Public(key) for key in self.jwks}

    def __bool__(self) -> bool:
        """Whether the node has published a key, even one that is retired or revoked."""
        return bool(self._keys)

    def knows(self, sig: str | None) -> bool:
        """Whether the key that a signature names is one of these; a signature that names none needs no other key."""
        kid = None if sig is None else key_named(sig)
        return kid is None or kid in self._keys

    def trusts(self, sig: str | None) -> bool:
        """Whether the key that a signature names is one of these, and not revoked."""
        key = None if sig is None else self._keys.get(key_named(sig) or "")
        return key is not None and not key.revoked

    def judge(self, sig: str | None, said: bytes, time: str) -> State:
        """What a signature over canonical bytes is worth; `time` is when the origin says that it published.

        A key that was revoked verifies nothing, one that was retired verifies what was published before its end.
        """
        if sig is None:
            return "absent"
        kid = key_named(sig)
        if kid is None:
            return "invalid"
        key = self._keys.get(kid)
        if key is None:
            return "unknown-key"
        head, _, signature = sig.partition("..")
        return "valid" if key.holds(time) and key.verifies(_input(head, said), signature) else "invalid"

    def endorses(self, jwk: Jwk) -> bool:
        """Whether one of these keys, neither retired nor revoked, has spoken for a new one."""
        word = jwk.get("endorsement") or {}
        key = self._keys.get(str(word.get("kid")))
        return key is not None and key.active and key.verifies(canonical(bare(jwk)), str(word.get("sig")))


_NO_RING = Ring()


def states(asked: Iterable[Asked], rings: Mapping[str, Ring]) -> list[State]:
    """What each signature is worth, by the keys of who is to have made it."""
    return [_state(one, rings.get(one.node, _NO_RING)) for one in asked]


def _state(one: Asked, ring: Ring) -> State:
    if one.sig is None:
        return "absent"
    if not ring.knows(one.sig):
        return "unknown-key"
    try:
        said = payload(
            record_id=one.id,
            kind=one.kind,
            data=one.data,
            reason=one.reason,
            moved_to=one.moved_to,
            origin=one.origin,
        )
    except ValueError:  # a number that canonical JSON cannot hold, so that nobody can have signed it
        return "invalid"
    return ring.judge(one.sig, said, one.time)


class _Public:
    """One public key of a ring."""

    def __init__(self, jwk: Jwk) -> None:
        self._x = str(jwk["x"])
        self.revoked = "revoked" in jwk
        self._exp = jwk.get("exp")

    @cached_property
    def _key(self) -> bytes | None:
        try:
            raw = _decoded(self._x)
        except ValueError:
            return None
        return raw if ed25519.usable(raw) else None

    @cached_property
    def _end(self) -> datetime | None:
        return None if self._exp is None else moment(str(self._exp))

    @property
    def usable(self) -> bool:
        return self._key is not None

    @property
    def active(self) -> bool:
        return not self.revoked and self._exp is None

    def holds(self, time: str) -> bool:
        return not self.revoked and (self._end is None or moment(time) <= self._end)

    def verifies(self, said: bytes, signature: str) -> bool:
        try:
            return self._key is not None and ed25519.verifies(self._key, said, _decoded(signature))
        except ValueError:
            return False


def is_key(jwk: Jwk) -> bool:
    """Whether a JWK holds a public key that can verify anything."""
    return _Public(jwk).usable


def bare(jwk: Jwk) -> dict[str, Any]:
    """A public key as it was new, which an endorsement is made over: without what was said of it later."""
    return {name: value for name, value in jwk.items() if name not in _LATER}


def thumbprint(jwk: Jwk) -> str:
    """The key's thumbprint (RFC 7638, RFC 8037 section 2): base64url of SHA-256, 43 characters."""
    return _encoded(hashlib.sha256(canonical({name: jwk[name] for name in ("crv", "kty", "x")})).digest())


def moment(text: str) -> datetime:
    """A time in UTC as the protocol writes it."""
    return datetime.fromisoformat(text)


@lru_cache(maxsize=4096)
def _kid(head: str) -> str | None:
    try:
        told = orjson.loads(_decoded(head))
    except ValueError:
        return None
    if not isinstance(told, dict) or told.keys() != {"alg", "kid"} or told["alg"] != ALGORITHM:
        return None
    return told["kid"] if isinstance(told["kid"], str) else None


def key_named(sig: str) -> str | None:
    """The `kid` of a detached JWS; None where it is none: its header has exactly `alg` Ed25519 and `kid`."""
    found = _SIGNATURE.fullmatch(sig)
    return _kid(found[1]) if found else None


def _input(head: str, said: bytes) -> bytes:
    return b"%b.%b" % (head.encode(), urlsafe_b64encode(said).rstrip(b"="))


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
