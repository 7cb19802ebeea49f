"""Cursors: where a page ended, bound to the query that it belongs to. Opaque to clients."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from hashlib import blake2b

import orjson

from federation.index import MAX_RELEVANT, Position, Query
from schema.errors import BadParameter

_EXPECTED = "a cursor as it stands in `next`"
_LARGEST = 2**63 - 1


def digest(path: str, query: Query) -> str:
    """What a cursor is bound to: the path, the words, the filters and the sort; not how much a page shows."""
    bound = replace(query, after=None, limit=0, facets=())
    return blake2b(f"{path} {bound!r}".encode(), digest_size=8).hexdigest()


def encode(position: Position, bound: str) -> str:
    """The cursor of a position."""
    return pack([bound, position.key, position.offset, position.number])


def decode(text: str, bound: str) -> Position:
    """The position of a cursor. Raises `BadParameter` for what is none, or is one of another query."""
    match unpack(text):
        case [str(found), int(key), int(offset), int(number)]:
            pass
        case _:
            raise BadParameter("cursor", text, _EXPECTED)
    if not (0 <= key <= _LARGEST and 0 <= offset <= MAX_RELEVANT and 0 <= number <= _LARGEST):
        raise BadParameter("cursor", text, _EXPECTED)
    if found != bound:
        raise BadParameter("cursor", text, "a cursor of this query: it was made for other parameters")
    return Position(key, offset, number)


def pack(parts: list[str | int]) -> str:
    """Any cursor as URL-safe text."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()


def unpack(text: str) -> object:
    """What was packed; None for what was not."""
    try:
        return orjson.loads(base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        return None
