"""What an answer must be like before a byte of it is believed: status, type, size, encoding. Pure but for reading."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from schema.errors import Later, Refused, Vanished

MAX_RAW = 8 * 1024 * 1024
MAX_ROBOTS = 512 * 1024
MAX_DECODED = 32 * 1024 * 1024
MAX_RATIO = 50
RATIO_FLOOR = 1024 * 1024  # a small page of repeated words may well compress better than the ratio
_LATER = frozenset({408, 425, 429})
MANY_PIECES, SMALL_PIECE = 4_096, 64
"""Each piece of an answer costs a millisecond's part; thousands of a few bytes each are sent for that cost alone."""
_IN_THREAD = 64 * 1024
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\s;\"',]*)", re.IGNORECASE)


def check_status(url: str, status: int, headers: Mapping[str, str], *, asked: bool = True) -> None:
    """Let 200 and 304 pass; raise `Later`, `Vanished` or `Refused` for the rest.

    `asked`: whether it was asked what had changed. Where it was not, 304 says nothing, least of all that all was read.
    """
    if status == 200 or (status == 304 and asked):
        return
    if status in (404, 410):
        raise Vanished(f"{url} answers {status}.", status)
    if status in _LATER or status >= 500:
        raise Later(f"{url} answers {status}.", retry_after(headers.get("retry-after"), datetime.now(UTC)))
    raise Refused("status", f"{url} answers {status}; expected 200.")


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds until the node wants to be asked again: `Retry-After` is a number or an HTTP date."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return min(float(value.strip()[:12]), 1e9)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: the media type that alone is taken (None: any), and how many bytes of it are sent at most.

    `cut`: what is longer is cut there, instead of being refused.
    """

    accept: str
    kind: str | None
    raw: int
    encoding: str = "gzip"
    cut: bool = False


JSON = Wanted("application/json", "application/json", MAX_RAW)
ROBOTS = Wanted("text/plain", None, MAX_ROBOTS, encoding="identity", cut=True)
"""RFC 9309 section 2.5: at least 500 KiB of a robots.txt are read. Of any type: many servers send it as they like."""


def check_head(url: str, headers: Mapping[str, str], wanted: Wanted = JSON) -> None:
    """Refuse by the head alone what is of another type, too long, encoded as we did not ask, or framed twice."""
    _check_kind(url, headers.get("content-type", ""), wanted)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", wanted.encoding):
        raise Refused("encoding", f"{url} is encoded as {encoding[:60]}; only {wanted.encoding}, once, is taken.")
    length = headers.get("content-length")
    if length is not None and "transfer-encoding" in headers:
        raise Refused("framing", f"{url} says its length and that it is chunked: one of the two is a lie.")
    if length is not None and length.isdigit() and int(length[:20]) > wanted.raw and not wanted.cut:
        raise too_big(url, f"{length[:20]} bytes")


def _check_kind(url: str, said: str, wanted: Wanted) -> None:
    kind, _, parameters = said.partition(";")
    if wanted.kind is not None and kind.strip().lower() != wanted.kind:
        raise Refused("content-type", f"{url} is {kind.strip()[:60] or 'of no type'}; expected {wanted.kind}.")
    charset = _CHARSET.search(parameters)
    if wanted.kind is not None and charset is not None and charset[1].lower() not in ("utf-8", "utf8"):
        raise Refused("content-type", f"{url} says that it is {charset[1][:40]}; JSON is UTF-8.")


def too_big(url: str, what: str) -> Refused:
    """Why a page is refused for its size."""
    return Refused("page-bytes", f"{url} has {what}; at most {MAX_RAW} sent and {MAX_DECODED} unpacked are taken.")


async def read_raw(url: str, chunks: AsyncIterator[bytes], wanted: Wanted = JSON) -> bytes:
    """The bytes as sent, up to the cap, whatever Content-Length said."""
    kept: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        kept.append(chunk)
        if len(kept) > MANY_PIECES and size < SMALL_PIECE * len(kept):
            raise Refused("framing", f"{url} comes in crumbs: {size} bytes in {len(kept)} pieces.")
        if size > wanted.raw:
            if wanted.cut:
                break
            raise too_big(url, f"more than {wanted.raw} bytes")
    return b"".join(kept)[: wanted.raw]


async def decoded(url: str, raw: bytes, headers: Mapping[str, str]) -> bytes:
    """The body, unpacked where it is gzip; large ones in a thread, so that other pages go on meanwhile."""
    if headers.get("content-encoding", "identity").strip().lower() == "identity":
        return raw
    if len(raw) < _IN_THREAD:
        return gunzip(url, raw)
    return await asyncio.to_thread(gunzip, url, raw)


def gunzip(url: str, raw: bytes) -> bytes:
    """Unpack one gzip member within the caps. Raises `Later` for one that broke off, `Refused` for a bomb."""
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    most = max(RATIO_FLOOR, MAX_RATIO * len(raw))
    try:
        body = unpacker.decompress(raw, min(MAX_DECODED, most) + 1)  # no further than is taken: a bomb stays small
    except zlib.error as error:
        raise Refused("encoding", f"{url} is not the gzip that it says it is: {error}.") from error
    if len(body) > MAX_DECODED:
        raise too_big(url, f"more than {MAX_DECODED} bytes unpacked")
    if len(body) > most:
        raise Refused("page-ratio", f"{url} unpacks {len(raw)} bytes to more than {MAX_RATIO} times as many.")
    if not unpacker.eof:
        raise Later(f"{url} broke off in the middle of its gzip.")
    if unpacker.unused_data:
        raise Refused("encoding", f"{url} carries more after the end of its gzip.")
    return body
