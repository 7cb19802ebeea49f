"""Ed25519 (RFC 8032) by libsodium, loaded once there is something to sign or verify: a start does not wait for it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

LENGTH = 64
"""Bytes of a signature."""


@cache
def _sodium() -> ModuleType:
    import nacl.bindings  # noqa: PLC0415 - 2 MB and 70 ms

    return nacl.bindings


def pair(seed: bytes) -> tuple[bytes, bytes]:
    """The public key (32 bytes) and the secret one (64) that a seed of 32 bytes stands for."""
    public, secret = _sodium().crypto_sign_seed_keypair(seed)
    return public, secret


def sign(secret: bytes, said: bytes) -> bytes:
    """The 64 bytes of a secret key's signature."""
    return bytes(_sodium().crypto_sign(said, secret)[:LENGTH])


def usable(public: bytes) -> bool:
    """Whether these are a public key: a point of the main subgroup, none of the few that verify what nobody signed."""
    return len(public) == 32 and bool(_sodium().crypto_core_ed25519_is_valid_point(public))


def verifies(public: bytes, said: bytes, signature: bytes) -> bool:
    """Whether a public key that is `usable` made this signature. The interpreter's lock is free meanwhile."""
    if len(signature) != LENGTH:
        return False
    from nacl.exceptions import BadSignatureError  # noqa: PLC0415 - see `_sodium`

    try:
        _sodium().crypto_sign_open(signature + said, public)
    except BadSignatureError:
        return False
    return True
