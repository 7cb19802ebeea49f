"""What an answer must be like before a byte of it is believed: status, type, size, encoding. Pure but for reading."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from schema.errors import Later, Refused, Vanished

MAX_RAW = 8 * 1024 * 1024
MAX_DECODED = 32 * 1024 * 1024
MAX_RATIO = 50
RATIO_FLOOR = 1024 * 1024  # a small page of repeated words may well compress better than the ratio
_LATER = frozenset({408, 425, 429})
_IN_THREAD = 64 * 1024


def check_status(url: str, status: int, headers: Mapping[str, str]) -> None:
    """Let 200 and 304 pass; raise `Later`, `Vanished` or `Refused` for the rest."""
    if status in (200, 304):
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


def check_head(url: str, headers: Mapping[str, str]) -> None:
    """Refuse by the head alone what is not JSON, is too long, or is encoded as we did not ask."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused("content-type", f"{url} is {kind or 'of no type'}; expected application/json.")
    if headers.get("content-encoding", "identity").strip().lower() not in ("identity", "gzip"):
        raise Refused("encoding", f"{url} is encoded as {headers['content-encoding'][:60]}; only one gzip is taken.")
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length[:20]) > MAX_RAW:
        raise too_big(url, f"{length} bytes")


def too_big(url: str, what: str) -> Refused:
    """Why a page is refused for its size."""
    return Refused("page-bytes", f"{url} has {what}; at most {MAX_RAW} sent and {MAX_DECODED} unpacked are taken.")


async def read_raw(url: str, chunks: AsyncIterator[bytes]) -> bytes:
    """The bytes as sent, up to the cap, whatever Content-Length said."""
    kept: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_RAW:
            raise too_big(url, f"more than {MAX_RAW} bytes")
        kept.append(chunk)
    return b"".join(kept)


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
    try:
        body = unpacker.decompress(raw, MAX_DECODED + 1)
    except zlib.error as error:
        raise Refused("encoding", f"{url} is not the gzip that it says it is: {error}.") from error
    if len(body) > MAX_DECODED:
        raise too_big(url, f"more than {MAX_DECODED} bytes unpacked")
    if len(body) > max(RATIO_FLOOR, MAX_RATIO * len(raw)):
        raise Refused("page-ratio", f"{url} unpacks {len(raw)} bytes to {len(body)}; at most {MAX_RATIO} times.")
    if not unpacker.eof:
        raise Later(f"{url} broke off in the middle of its gzip.")
    if unpacker.unused_data:
        raise Refused("encoding", f"{url} carries more after the end of its gzip.")
    return body
