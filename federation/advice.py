"""What to do when a node cannot be read: one sentence for each cause."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from federation.rule import Part
from federation.rules import BY_ID
from schema.errors import Cause, Crawling, Later, Refused, Untrusted, Vanished

_PRIVATE = "For a node of a private network or of your own machine, set FOLKMOOT_ALLOW_PRIVATE=true here."
_INWARD = ("url-scheme", "url-port", "url-host", "address")
_NO_MANIFEST = "Check the address; a node serves its manifest at /.well-known/folkmoot."
_NO_FEED = (
    "The manifest is well, but a page of its feed is not there: mend feeds/0/url, or next on the page before it, or "
    "serve that page."
)
_UNREACHED: Mapping[str, str] = {
    Cause.NAME: "Check the spelling of the address, and that its name is in the DNS.",
    Cause.TIME: "Check that the server runs and is not too busy, then try again.",
    Cause.CONNECTION: "Check that the server runs and that its port is open.",
    Cause.CUT: "Check that the server, and any proxy before it, send an answer to its end, then try again.",
}


def advice_for(error: Crawling, part: Part = "door") -> str:
    """What to do about a fetch that failed, of that part of a node; empty where the cause has no advice of its own."""
    if isinstance(error, Refused | Untrusted):
        rule = BY_ID.get(error.rule)
        return rule.advice if rule is not None else ""
    if isinstance(error, Vanished):
        return _NO_FEED if part == "feed" else _NO_MANIFEST
    if not isinstance(error, Later):
        return ""
    if error.retry_after:
        return f"It asks to be left alone for {ceil(error.retry_after)} s: try again after that."
    return _UNREACHED.get(error.cause, "Try again later.")


def inward_for(error: Crawling) -> str:
    """What the operator can do here about it, and nobody else; mostly empty."""
    return _PRIVATE if error.rule in _INWARD else ""
