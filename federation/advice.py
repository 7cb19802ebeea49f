"""What to do when a node cannot be read: one sentence for each cause."""

from __future__ import annotations

from collections.abc import Mapping

from federation.rules import BY_ID
from schema.errors import Cause, Crawling, Later, Refused, Untrusted, Vanished

_PRIVATE = "For a node of a private network or of your own machine, set FOLKMOOT_ALLOW_PRIVATE=true here."
_INWARD = ("url-scheme", "url-port", "url-host", "address")
_UNREACHED: Mapping[str, str] = {
    Cause.NAME: "Check the spelling of the address, and that its name is in the DNS.",
    Cause.TIME: "Check that the server runs and is not too busy, then try again.",
    Cause.CONNECTION: "Check that the server runs and that its port is open.",
}


def advice_for(error: Crawling) -> str:
    """What to do about a fetch that failed; empty where the cause has no advice of its own."""
    if isinstance(error, Refused | Untrusted):
        rule = BY_ID.get(error.rule)
        advice = rule.advice if rule is not None else ""
        return f"{advice} {_PRIVATE}" if error.rule in _INWARD else advice
    if isinstance(error, Vanished):
        return "Check the address; a node serves its manifest at /.well-known/folkmoot."
    return _UNREACHED.get(error.cause, "Try again later.") if isinstance(error, Later) else ""
