"""Entity tags: strong, one for each encoding of a body, and the two conditions that use them (RFC 9110 section 13).

A record's tag begins with its change number, so that `If-Match` knows the current version in whichever encoding or
format the writer read it (protocol section 6).
"""

from __future__ import annotations

import hashlib
import re

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def tag(body: bytes, encoding: str = "") -> str:
    """The tag of a body: `"digest"`, or `"digest-gz"` of its compressed form."""
    digest = hashlib.blake2b(body, digest_size=12).hexdigest()
    return f'"{digest}-{encoding}"' if encoding else f'"{digest}"'


def record_tag(number: int, body: bytes) -> str:
    """The tag of a record's body at this change number, such as `"1453-8f0c..."`."""
    return f'"{number}-{hashlib.blake2b(body, digest_size=8).hexdigest()}"'


def unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the client holds this very body already, so that 304 says enough."""
    if not if_none_match:
        return False
    return if_none_match.strip() == "*" or etag.strip('"') in _TAG.findall(if_none_match)


def names_version(if_match: str, number: int) -> bool:
    """Whether `If-Match` names the current version of a record, in any of its encodings.

    `*` is any version. Weak tags never match (RFC 9110 section 13.1.1).
    """
    if if_match.strip() == "*":
        return True
    strong = (found for found in _TAG.finditer(if_match) if not found[0].startswith("W/"))
    return any(found[1] == str(number) or found[1].startswith(f"{number}-") for found in strong)
