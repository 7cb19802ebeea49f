"""What to do when a node cannot be read: one sentence for each cause."""

from __future__ import annotations

from collections.abc import Mapping

from schema.errors import Crawling, Later, Refused, Vanished

_PRIVATE = "For a node of a private network or of your own machine, set FOLKMOOT_ALLOW_PRIVATE=true here."
_UNREACHED: Mapping[str, str] = {
    "name": "Check the spelling of the address, and that its name is in the DNS.",
    "time": "Check that the server runs and is not too busy, then try again.",
    "connection": "Check that the server runs, that its port is open and its certificate valid.",
}
_REFUSED: Mapping[str, str] = {
    "url": "Give the plain https address of the node, without a user name or password.",
    "url-scheme": f"Serve the node over https. {_PRIVATE}",
    "url-port": f"Serve the node at port 443, or permit its port here (FOLKMOOT_CRAWL_PORTS). {_PRIVATE}",
    "url-host": f"Give the node a name in the DNS. {_PRIVATE}",
    "address": f"Let its name lead to a public address. {_PRIVATE}",
    "robots": "Permit folkmoot to read /.well-known/folkmoot and the feed in your robots.txt.",
    "redirects": "Give the address that it redirects to, if that is the node's own; else serve it without a redirect.",
    "status": "Serve it with status 200, open to everybody.",
    "content-type": "Serve JSON as application/json; a web page at this address is no manifest.",
    "framing": "Send Content-Length or Transfer-Encoding, not both.",
    "encoding": "Serve it plain, or packed once with gzip.",
    "page-bytes": "Serve less at once: smaller pages, or a smaller manifest.",
    "page-ratio": "Serve it plain, or in smaller pages.",
}


def advice_for(error: Crawling) -> str:
    """What to do about a fetch that failed; empty where the cause has no advice of its own."""
    if isinstance(error, Refused):
        return _REFUSED.get(error.rule, "")
    if isinstance(error, Vanished):
        return "Check the address; a node serves its manifest at /.well-known/folkmoot."
    return _UNREACHED.get(error.cause, "Try again later.") if isinstance(error, Later) else ""
