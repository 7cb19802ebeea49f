"""What an answer must be like before a byte of it is believed: status, type, size, encoding. Pure but for reading."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from schema.errors import Cause, Later, Refused, Vanished

MAX_RAW = 8 * 1024 * 1024
MAX_ROBOTS = 512 * 1024
MAX_DECODED = 32 * 1024 * 1024
MAX_RATIO = 50
RATIO_FLOOR = 1024 * 1024  # a small page of repeated words may well compress better than the ratio
_LATER = frozenset({408, 425, 429})
_SLICE = 1024 * 1024
MANY_PIECES, SMALL_PIECE = 4_096, 64
"""Each piece of an answer costs a millisecond's part; thousands of a few bytes each are sent for that cost alone."""
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
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        return max(0.0, (until - now).total_seconds())
    except (ValueError, OverflowError):  # a year of twenty digits is no date either
        return None


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


def check_head(url: str, headers: Mapping[str, str], wanted: Wanted = JSON) -> bool:
    """Refuse by the head alone what is of another type, too long, encoded as we did not ask, or framed twice.

    Gives whether it is packed.
    """
    _check_kind(url, headers.get("content-type", ""), wanted)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", wanted.encoding):
        raise Refused("encoding", f"{url} is encoded as {encoding[:60]}; only {wanted.encoding}, once, is taken.")
    length = headers.get("content-length")
    if length is not None and "transfer-encoding" in headers:
        raise Refused("framing", f"{url} says its length and that it is chunked: one of the two is a lie.")
    if length is not None and length.isdigit() and int(length[:20]) > wanted.raw and not wanted.cut:
        raise too_big(url, f"{length[:20]} bytes")
    return encoding != "identity"


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


async def pieces(url: str, chunks: AsyncIterator[bytes], wanted: Wanted = JSON) -> AsyncIterator[bytes]:
    """The bytes as sent, up to the cap, whatever Content-Length said. Raises `Refused` past it, and for crumbs."""
    size = count = 0
    async for chunk in chunks:
        size, count = size + len(chunk), count + 1
        if count > MANY_PIECES and size < SMALL_PIECE * count:
            raise Refused("framing", f"{url} comes in crumbs: {size} bytes in {count} pieces.")
        if size > wanted.raw:
            if not wanted.cut:
                raise too_big(url, f"more than {wanted.raw} bytes")
            yield chunk[: wanted.raw - size]
            return
        yield chunk


def gunzip(url: str, pieces: Iterable[bytes], size: int, *, keep: int = MAX_DECODED) -> tuple[bytes | None, int]:
    """Unpack one gzip member of `size` bytes within the caps, slice by slice; gives the body and how long it is.

    None is given for a body of more than `keep`, of which nothing is held meanwhile. Raises `Later` for one that broke
    off, `Refused` for a bomb.
    """
    most = min(MAX_DECODED, max(RATIO_FLOOR, MAX_RATIO * size))
    kept: list[bytes] = []
    count = 0
    for slice_ in _slices(url, pieces):
        count += len(slice_)
        if count > most:
            raise _bomb(url, size, most)
        if count > keep:
            kept.clear()
        else:
            kept.append(slice_)
    return (b"".join(kept) if count <= keep else None), count


def _bomb(url: str, size: int, most: int) -> Refused:
    if most == MAX_DECODED:
        return too_big(url, f"more than {MAX_DECODED} bytes unpacked")
    return Refused("page-ratio", f"{url} unpacks {size} bytes to more than {MAX_RATIO} times as many.")


def _slices(url: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        for piece in pieces:
            if unpacker.eof:
                raise _more(url)
            left = piece
            while left:
                yield unpacker.decompress(left, _SLICE)
                left = unpacker.unconsumed_tail
        while not unpacker.eof and (rest := unpacker.decompress(b"", _SLICE)):
            yield rest
    except zlib.error as error:
        raise Refused("encoding", f"{url} is not the gzip that it says it is: {error}.") from error
    if not unpacker.eof:
        raise Later(f"{url} broke off in the middle of its gzip.", cause=Cause.CUT)
    if unpacker.unused_data:
        raise _more(url)


def _more(url: str) -> Refused:
    return Refused("encoding", f"{url} carries more after the end of its gzip.")
