"""What the log holds, written as others read it: items of a page, items of a list, pages (protocol sections 2 and 6).

Pure: bytes joined from stored bytes, nothing of a record is read or written anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec
import orjson

from schema.change import Via


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What the log holds of one record, ready to be put into a page."""

    number: int
    kind: str
    id: str
    data: bytes | None
    origin: bytes
    via: bytes | None = None
    reason: str | None = None
    moved_to: str | None = None


def origin_json(node: str, publisher: str, seq: int, now: datetime) -> bytes:
    """The bytes of an origin for a record that is published here."""
    return orjson.dumps({"node": node, "publisher": publisher, "seq": seq, "time": stamp(now)})


def via_json(via: Sequence[Via], node: str, now: datetime) -> bytes:
    """The bytes of `via` with this aggregator added at its end."""
    hops = [{"node": v.node, "harvested": v.harvested} for v in via]
    return orjson.dumps([*hops, {"node": node, "harvested": stamp(now)}])


@lru_cache(maxsize=64)
def stamp(moment: datetime) -> str:
    """A time as the protocol writes it: UTC to the second, with Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def item_json(entry: Entry) -> bytes:
    """One item of a page: {state, kind, id, modified, reason?, movedTo?, data?, origin, via?}."""
    state = b"updated" if entry.data is not None else b"deleted"
    said = (state, orjson.dumps(entry.kind), orjson.dumps(entry.id), entry.number)
    head = b'{"state":"%b","kind":%b,"id":%b,"modified":%d' % said
    if entry.reason is not None:
        head += b',"reason":' + orjson.dumps(entry.reason)
    if entry.moved_to is not None:
        head += b',"movedTo":' + orjson.dumps(entry.moved_to)
    return _joined(head, entry, b"}")


def record_json(entry: Entry, extra: dict[str, object] | None = None) -> bytes:
    """One item of a list or a record by id: {id, kind, data, origin, via?, ...} (protocol section 6)."""
    head = b'{"id":%b,"kind":%b' % (orjson.dumps(entry.id), orjson.dumps(entry.kind))
    return _joined(head, entry, b"," + orjson.dumps(extra)[1:] if extra else b"}")


def _joined(head: bytes, entry: Entry, tail: bytes) -> bytes:
    told = [head]
    if entry.data is not None:
        told += (b',"data":', entry.data)
    told += (b',"origin":', entry.origin)
    if entry.via is not None:
        told += (b',"via":', entry.via)
    told.append(tail)
    return b"".join(told)


def page_json(
    *, url: str, next_url: str, epoch: str, license_url: str, items: Iterable[bytes], latest: int | None
) -> bytes:
    """The bytes of a page. `latest` stands only on the last one (protocol section 2)."""
    head: dict[str, object] = {"next": next_url, "epoch": epoch, "license": license_url}
    if next_url == url and latest is not None:
        head["latest"] = latest
    return orjson.dumps(head)[:-1] + b',"items":[' + b",".join(items) + b"]}"
