"""What the client can read: media types by `Accept`, codings by `Accept-Encoding` (RFC 9110 section 12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

Coding = Literal["", "gzip", "zstd"]
HTML = "text/html"
JSON = "application/json"


def preferred(accept: str | None, offers: Sequence[str]) -> str | None:
    """Choose among the media types on offer, the first of equals; None where nothing offered is acceptable.

    `offers` are plain media types, best first. No `Accept` at all accepts everything.
    """
    if not accept or not accept.strip():
        return offers[0]
    ranges = list(_weighted(accept))
    best = max(offers, key=lambda offer: _quality(offer, ranges))  # max gives the first of equals
    return best if _quality(best, ranges) > 0 else None


def wants_html(accept: str | None) -> bool:
    """Whether a browser is asking: it names HTML itself and ranks it above JSON."""
    return bool(accept) and HTML in str(accept).lower() and preferred(accept, [JSON, HTML]) == HTML


def coding(accept_encoding: str | None) -> Coding:
    """Choose a coding of which each body is kept: zstd only where it is named, "" for the body as it is."""
    weights = dict(_weighted(accept_encoding or ""))
    zstd, gzip = weights.get("zstd", 0.0), weights.get("gzip", weights.get("*", 0.0))
    best = max(zstd, gzip)
    if best <= 0 or weights.get("identity", 0.0) > best:
        return ""
    return "zstd" if zstd >= gzip else "gzip"


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether a body may be sent in gzip."""
    weights = dict(_weighted(accept_encoding or ""))
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _weighted(header: str) -> Iterator[tuple[str, float]]:
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name:
            yield name, _weight(parameters)


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Give the weight of the most specific range that covers the offer."""
    kind = offer.partition("/")[0]
    found = dict(ranges)
    for pattern in (offer, f"{kind}/*", "*/*"):
        if pattern in found:
            return found[pattern]
    return 0.0
