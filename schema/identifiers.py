"""Ids of records and the rules of their prefixes (docs/protocol.md, "Ids" and "Whose record it is").

An id is the publisher's prefix, the kind and the percent-encoded reference:
`https://moot.exampleshire.example/id/GB-LAE-EXA/contract/EXA-2026-001`. Ids and prefixes are compared as strings in
their one canonical form; what is not in that form is refused, so that no spelling can walk out of a prefix.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NoReturn
from urllib.parse import quote, unquote_to_bytes, urlsplit

from schema.errors import Fault, Invalid
from schema.schemes import (
    COMPANY_PREFIXES,
    GSS,
    PRIMARY_SCHEMES,
    identifier_key,
    normalise_identifier,
)

__all__ = [
    "COMPANY_PREFIXES",
    "GSS",
    "KIND",
    "MAX_ID",
    "MAX_REFERENCE",
    "PRIMARY_SCHEMES",
    "PUBLISHER_ID",
    "canonical_prefix",
    "canonical_reference",
    "encode_reference",
    "id_prefix",
    "identifier_key",
    "is_canonical",
    "matches_reference",
    "normalise_identifier",
    "organisation_id",
    "origin_of",
    "prefixes_overlap",
    "publisher_id",
    "record_id",
    "same_origin",
    "split_id",
    "split_publisher_id",
    "within_prefix",
]

KIND = re.compile(r"[a-z][a-z-]{0,39}")
PUBLISHER_ID = re.compile(r"[A-Z][A-Z0-9]{0,9}-[A-Z0-9]{1,20}-[A-Za-z0-9._~-]{1,100}")
MAX_ID = 4_000
MAX_REFERENCE = 200
_UNRESERVED = re.compile(rf"[A-Za-z0-9._~-]{{1,{MAX_REFERENCE}}}")
_SUFFIX = re.compile(r"~[a-z2-7]{8}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HOST = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])"
_SEGMENT = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})+"
_CANONICAL = re.compile(rf"(https?)://({_HOST})(?::([1-9][0-9]{{0,4}}))?((?:/{_SEGMENT})*/?)")
_DEFAULT_PORT = {"http": "80", "https": "443"}
_UNRESERVED_ESCAPE = re.compile(r"%(?:2D|2E|5F|7E|3[0-9]|4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A])")


def _refuse(message: str, found: str, expected: str, rule: str = "id") -> NoReturn:
    raise Invalid([Fault("", message, found[:200], expected, rule=rule)])


def canonical_reference(reference: str) -> str:
    """Give the reference in NFC. Raises `Invalid` where it can name nothing (empty, too long, `.`, a control)."""
    text = reference if reference.isascii() else unicodedata.normalize("NFC", reference)
    if not 1 <= len(text) <= MAX_REFERENCE:
        _refuse("A reference has 1 to 200 characters.", text, "1 to 200 characters", "reference")
    if text in {".", ".."}:
        _refuse("'.' and '..' are no references.", text, "the council's own reference", "reference")
    if _CONTROL.search(text):
        _refuse("A reference holds no line breaks or control characters.", text, "plain text", "reference")
    return text


def encode_reference(reference: str) -> str:
    """Percent-encode all but RFC 3986 unreserved characters, in upper-case hex. Raises `Invalid`."""
    if _UNRESERVED.fullmatch(reference) and reference not in {".", ".."}:
        return reference
    return quote(canonical_reference(reference), safe="")


def matches_reference(segment: str, reference: str) -> bool:
    """Whether an id's last segment is this reference's, bare or with the suffix that an import gave it."""
    try:
        bare = encode_reference(reference)
    except Invalid:
        return False
    return segment.startswith(bare) and (segment == bare or bool(_SUFFIX.fullmatch(segment, len(bare))))


def publisher_id(scheme: str, id: str) -> str:  # noqa: A002  the register's own word
    """Scheme and id joined by `-`, such as `GB-LAE-EXA`. Raises `Invalid` where that cannot stand in a URL."""
    key = identifier_key(scheme, id)
    if not PUBLISHER_ID.fullmatch(key):
        _refuse(
            "This identifier cannot name a publisher.",
            key,
            "a scheme of country and register, and an id of letters, digits, . _ ~ and -, such as GB-LAE EXA",
            "publisher-id",
        )
    return key


def split_publisher_id(publisher: str) -> tuple[str, str]:
    """Give (scheme, id) of a publisher id, the other way round from `publisher_id`. Raises `Invalid`."""
    if not PUBLISHER_ID.fullmatch(publisher):
        _refuse("This is no publisher id.", publisher, "a scheme and an id, such as GB-LAE-EXA", "publisher-id")
    country, register, value = publisher.split("-", 2)
    return normalise_identifier(f"{country}-{register}", value)


def id_prefix(public_url: str, publisher: str) -> str:
    """Build the prefix of a publisher's ids at this node: `{public_url}/id/{publisher}/`."""
    return canonical_prefix(f"{public_url.removesuffix('/')}/id/{publisher}/")


def record_id(prefix: str, kind: str, reference: str) -> str:
    """Build the id of a record. Raises `Invalid` for a reference or kind that cannot stand in one."""
    if not KIND.fullmatch(kind):
        _refuse("This is no name of a kind.", kind, "lower-case letters and hyphens, at most 40", "kind")
    return f"{prefix}{kind}/{encode_reference(reference)}"


def organisation_id(prefix: str, publisher: str) -> str:
    """Build the id of a publisher's own record: `{prefix}organisation/{publisher}`."""
    return record_id(prefix, "organisation", publisher)


def split_id(id: str, prefix: str) -> tuple[str, str]:  # noqa: A002  the protocol's own word
    """Give (kind, segment) of an id within the prefix. Raises `Invalid` where it is not of that form."""
    if not within_prefix(id, prefix):
        _refuse("The id lies outside the publisher's prefix.", id, f"{prefix}kind/reference", "id-prefix")
    kind, slash, segment = id[len(prefix) :].partition("/")
    if not slash or not KIND.fullmatch(kind) or not _is_segment(segment):
        _refuse("The id is not of the form prefix, kind, reference.", id, f"{prefix}kind/reference", "id-form")
    return kind, segment


def _is_segment(segment: str) -> bool:
    """Whether this is what `encode_reference` gives, and nothing else."""
    try:
        return encode_reference(unquote_to_bytes(segment).decode()) == segment
    except (UnicodeDecodeError, Invalid):
        return False


def is_canonical(url: str) -> bool:
    """Whether a URL has the one form in which ids and prefixes are compared.

    http or https, a lower-case host, no default port, no user, query or fragment; no empty, `.` or `..` segment,
    escapes in upper case and only where they are needed.
    """
    match = _CANONICAL.fullmatch(url) if len(url) <= MAX_ID else None
    if not match:
        return False
    scheme, _, port, path = match.groups()
    if port and (port == _DEFAULT_PORT[scheme] or int(port) > 65_535):
        return False
    return not _UNRESERVED_ESCAPE.search(path) and not {".", ".."} & set(path.split("/"))


def canonical_prefix(prefix: str) -> str:
    """Give the prefix back if ids may stand under it. Raises `Invalid`."""
    if not prefix.endswith("/") or not is_canonical(prefix):
        _refuse(
            "This is no prefix of ids.",
            prefix,
            "an http(s) URL that ends in /, with a lower-case host and neither query nor ..",
            "id-prefix",
        )
    return prefix


def within_prefix(id: str, prefix: str) -> bool:  # noqa: A002  the protocol's own word
    """Whether the id lies under the prefix, by whole path segments. What is not canonical lies nowhere."""
    return prefix.endswith("/") and id.startswith(prefix) and is_canonical(prefix) and is_canonical(id)


def prefixes_overlap(one: str, other: str) -> bool:
    """Whether an id could lie under both. Raises `Invalid` for what is no prefix."""
    one, other = canonical_prefix(one), canonical_prefix(other)
    return one.startswith(other) or other.startswith(one)


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL, for comparing. Raises `Invalid` for what is no http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _DEFAULT_PORT or not parts.hostname or parts.username is not None:
        _refuse("This is no http or https URL.", url, "https://host/...", "url")
    return parts.scheme, parts.hostname, port if port is not None else int(_DEFAULT_PORT[parts.scheme])


def place_of(url: str) -> str:
    """Host and port of a URL, `host:port`: what is asked by one reader at a time (protocol section 5)."""
    _scheme, host, port = origin_of(url)
    return f"{host}:{port}"


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port. What is no URL has the origin of nothing."""
    try:
        return origin_of(one) == origin_of(other)
    except Invalid:
        return False
