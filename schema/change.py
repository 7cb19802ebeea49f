"""The change feed's words: a page split into items once, items as bytes, and the rules of a page (protocol section 2).

Pure: no I/O. A page is judged as a whole (`check_page`), an item is read alone (`read_item`), so that a bad record
is refused by itself and its neighbours go on.
"""

from __future__ import annotations

import operator
import re
from codecs import getincrementaldecoder
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import msgspec
import orjson

from schema.bounded import first_of
from schema.errors import Fault, Invalid, Refused
from schema.guard import check_json

PAGE_SIZE = 500
PAGE_BYTES = 1_500_000
"""After so many bytes of records a page of ours ends: readers have caps, and hold large pages one at a time (0028)."""
MAX_ITEMS = 1_000
MAX_HOPS = 8
MAX_ITEM_BYTES = 256 * 1024
LARGE_PAGE = 2 * 1024 * 1024
"""Bytes from which a page is looked at with care: made into objects at one go, `0,0,0,...` of 30 MB would be 2 GB."""
MAX_NUMBER = 2**53 - 1
REASONS = ("ended", "error", "personal-data", "moved", "withdrawn", "dropped")
_STATES = frozenset({"updated", "deleted"})
NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
_URL = re.compile(r"(?=[!-~]{1,2000}$)https?://[^/?#\[\]]+(?:/[^?#]*)?(?:\?[^#]*)?")
_EPOCH = re.compile(r"[!-~]{1,64}")
_TEXT = rb'"[ !#-\[\]-~]*"'
# An origin as we write it, of plain letters: it needs no closer look, which would take three times as long.
_PLAIN_ORIGIN = re.compile(rb'\{"node":%b,"publisher":%b,"seq":[0-9]{1,15},"time":%b(?:,"sig":%b)?\}' % ((_TEXT,) * 4))


class Origin(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a record was first published, and as which of that node's changes."""

    node: str
    publisher: str
    seq: int
    time: str
    sig: str | None = None


class Via(msgspec.Struct, frozen=True, gc=False):
    """One aggregator that the record passed."""

    node: str
    harvested: str


class RawPage(msgspec.Struct, frozen=True):
    """A page with its items still bytes."""

    next: str
    items: msgspec.Raw
    license: str
    epoch: str | None = None
    latest: int | None = None


class _LoosePage(msgspec.Struct, frozen=True):
    """A page whose items all have what an item must have: that is most pages."""

    next: str
    items: list[Loose]
    license: str
    epoch: str | None = None
    latest: int | None = None


class _Head(msgspec.Struct, frozen=True, gc=False):
    """What the rules of a page ask of each item."""

    state: str
    modified: int
    id: msgspec.Raw = msgspec.Raw()


class Loose(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An item of a page as it stands there, its data and origin still bytes of the page."""

    state: str
    kind: str
    id: str
    modified: int
    origin: msgspec.Raw
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    via: list[Via] = []
    reason: str | None = None
    moved_to: str | None = None


class _Named(msgspec.Struct, frozen=True, gc=False):
    """All that is asked of an item that is at fault: which record it is about."""

    id: str = ""


class Item(msgspec.Struct, frozen=True, gc=False):
    """One change as it came, read but not yet judged. `data` and `origin_bytes` are the bytes received."""

    kind: str
    id: str
    modified: int
    data: bytes | None
    origin: Origin
    origin_bytes: bytes
    via: tuple[Via, ...] = ()
    reason: str | None = None
    moved_to: str | None = None

    @property
    def deleted(self) -> bool:
        """Whether this is a tombstone."""
        return self.data is None


@dataclass(frozen=True, slots=True)
class Page:
    """A page that kept the rules of the whole. Each item is still to be read alone; `size` is the page's in bytes."""

    url: str
    next: str
    items: list[bytes] | list[Loose]
    epoch: str | None
    latest: int | None
    last_modified: int
    first_modified: int = -1
    size: int = 0

    @property
    def ended(self) -> bool:
        """The end of the feed, as told apart from a feed that broke off: no items and `next` is itself."""
        return not self.items and self.next == self.url


_page = msgspec.json.Decoder(RawPage)
_loose_page = msgspec.json.Decoder(_LoosePage)
_head = msgspec.json.Decoder(_Head)
_item = msgspec.json.Decoder(Loose)
_origin = msgspec.json.Decoder(Origin)
_named = msgspec.json.Decoder(_Named)
_utf_8 = getincrementaldecoder("utf-8")
_PIECE = 1024 * 1024


def check_page(body: bytes, url: str) -> Page:
    """Split a page into items and hold it to the rules of a page (protocol section 5, "Page or item").

    Raises `Refused` with the rule that was broken; the reader's cursor then stays where it is.
    """
    page = (_plain(body) if len(body) <= LARGE_PAGE else None) or _split(body)
    _check_next(page, url)
    items: list[bytes] | list[Loose]
    if isinstance(page, _LoosePage):
        items = page.items
        first, last = (page.items[0].modified, page.items[-1].modified) if items else (-1, -1)
    else:
        items = _items(page)
        first, last = _check_heads(items)
    if items and page.next == url:
        raise Refused("next-advances", "The page has items, yet its next is itself.", "/next")
    return Page(url, page.next, items, page.epoch, page.latest, last, first, len(body))


def _plain(body: bytes) -> _LoosePage | None:
    """A page with which nothing is wrong, read at one go; None where one must look closely."""
    try:
        body.decode("utf-8")
        page = _loose_page.decode(body)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
    numbers = [-1, *(item.modified for item in page.items), MAX_NUMBER + 1]
    rising = all(map(operator.lt, numbers, numbers[1:]))
    once = len({item.id for item in page.items}) == len(page.items)
    known = _STATES.issuperset({item.state for item in page.items})
    small = len(page.items) <= MAX_ITEMS and _largest(page.items, len(body)) <= MAX_ITEM_BYTES
    return page if rising and once and known and small else None


def _largest(items: Sequence[Loose], size: int) -> int:
    """The most bytes that an item of a page of this size can have: its data and origin, and all else that there is."""
    if size <= MAX_ITEM_BYTES:
        return size
    sizes = [_length(item.data) + _length(item.origin) for item in items]
    return max(sizes, default=0) + size - sum(sizes)


def _length(raw: msgspec.Raw | msgspec.UnsetType) -> int:
    return 0 if raw is msgspec.UNSET else len(memoryview(raw))


def _split(body: bytes) -> RawPage:
    if body.startswith(b"\xef\xbb\xbf"):
        raise Refused("page-json", "The page starts with a byte order mark; JSON has none.")
    _check_utf_8(body)
    try:
        return _page.decode(body)
    except msgspec.ValidationError as error:
        raise Refused("page-members", f"The page lacks what RPDE asks for: {error}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused("page-json", f"The page is not one JSON object: {error}.") from error


def _items(page: RawPage) -> list[bytes]:
    """The items' bytes: one more than a page may have at most, and no more."""
    try:
        return [bytes(raw) for raw in first_of(page.items, MAX_ITEMS + 1)]
    except msgspec.DecodeError as error:
        raise Refused("page-members", f"The page lacks what RPDE asks for: items: {error}.") from error


def _check_utf_8(body: bytes) -> None:
    """By pieces: as one text, a page with a single character of four bytes would be four times as large."""
    decoder = _utf_8()
    for start in range(0, len(body), _PIECE):
        left = len(decoder.getstate()[0])
        try:
            decoder.decode(body[start : start + _PIECE], final=start + _PIECE >= len(body))
        except UnicodeDecodeError as error:
            raise Refused("page-json", f"The page is not UTF-8 (byte {start - left + error.start}).") from error


def _check_next(page: RawPage | _LoosePage, url: str) -> None:
    if not _URL.fullmatch(page.next):
        raise Refused("next-same-path", "next is no URL of at most 2,000 plain characters.", "/next")
    if page.epoch is not None and not _EPOCH.fullmatch(page.epoch):
        raise Refused("page-members", "epoch is not 1 to 64 plain characters.", "/epoch")
    if page.latest is not None and not 0 <= page.latest <= MAX_NUMBER:
        raise Refused("page-members", "latest is no change number.", "/latest")
    here, there = urlsplit(url), urlsplit(page.next)
    if (here.scheme, here.netloc, here.path) != (there.scheme, there.netloc, there.path):
        raise Refused(
            "next-same-path",
            f"next is {page.next[:200]}; it must be this page's own URL but for the query.",
            "/next",
        )


def _check_heads(items: Sequence[bytes]) -> tuple[int, int]:
    if len(items) > MAX_ITEMS:
        raise Refused("page-size", f"The page has more than {MAX_ITEMS} items.", "/items")
    first = last = -1
    seen: set[bytes] = set()
    for position, item in enumerate(items):
        last = _check_head(item, position, last, seen)
        first = last if position == 0 else first
    return first, last


def _check_head(item: bytes, position: int, last: int, seen: set[bytes]) -> int:
    pointer = f"/items/{position}"
    try:
        head = _head.decode(item)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Refused("item-members", f"The item is no RPDE item: {error}.", pointer) from error
    if head.state not in _STATES:
        raise Refused("item-state", f"state is '{head.state[:40]}'; expected updated or deleted.", pointer + "/state")
    if not last < head.modified <= MAX_NUMBER:
        raise Refused(
            "items-ordered",
            f"modified is {head.modified} after {last}; change numbers rise strictly within a feed.",
            pointer + "/modified",
        )
    key = _spelled(bytes(head.id))
    if key and key in seen:
        raise Refused("items-once", "The same id stands twice in one page.", pointer + "/id")
    seen.add(key)
    return head.modified


def _spelled(name: bytes) -> bytes:
    """An id in the one spelling that has no escape without need: RFC 8259, section 8.3."""
    if not name.startswith(b'"') or b"\\" not in name:
        return name  # what is no text is refused when its item is read
    try:
        return orjson.dumps(orjson.loads(name))
    except orjson.JSONDecodeError:  # half a character: likewise
        return name


def read_item(raw: bytes | Loose) -> Item:
    """Read one item alone. Raises `Invalid` where the item itself is at fault."""
    try:
        item = raw if isinstance(raw, Loose) else _item.decode(_bounded(raw))
        origin_bytes = _read_alike(bytes(item.origin))
        origin = _origin.decode(origin_bytes)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Invalid([Fault("", f"The item is no change of a feed: {error}.", rule="item-members")]) from error
    data = None if item.data is msgspec.UNSET else bytes(item.data)
    _check_item(item, data, origin)
    return Item(
        item.kind,
        item.id,
        item.modified,
        data,
        origin,
        origin_bytes,
        tuple(item.via),
        item.reason,
        item.moved_to,
    )


def _read_alike(origin: bytes) -> bytes:
    """An origin that any reader reads alike, like a record: who relays it and who signs it write it as JSON again."""
    if _PLAIN_ORIGIN.fullmatch(origin):
        return origin
    try:
        check_json(origin, MAX_ITEM_BYTES)
    except Invalid as error:
        raise Invalid([replace(one, pointer=f"/origin{one.pointer}", rule="origin") for one in error.faults]) from error
    return origin


def read_origin(raw: bytes) -> Origin:
    """The origin of an item that was read before."""
    return _origin.decode(raw)


def named_id(raw: bytes | Loose) -> str:
    """The id that an item names, however little else of it can be read; empty where that cannot be read either."""
    if isinstance(raw, Loose):
        return raw.id
    try:
        return _named.decode(raw).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _bounded(raw: bytes) -> bytes:
    if len(raw) > MAX_ITEM_BYTES:
        message = f"The item is {len(raw)} bytes; at most {MAX_ITEM_BYTES} are taken."
        raise Invalid([Fault("", message, rule="item-size")])
    return raw


def _check_item(item: Loose, data: bytes | None, origin: Origin) -> None:
    if item.state == "deleted" and data is not None:
        raise Invalid([Fault("/data", "A deleted item carries no data.", rule="deleted-no-data")])
    if item.state == "updated" and data is None:
        raise Invalid([Fault("/data", "An updated item carries data.", rule="item-members")])
    if item.state == "deleted" and item.reason not in REASONS:
        expected = ", ".join(REASONS)
        raise Invalid([Fault("/reason", "A tombstone says why.", item.reason, expected, rule="tombstone-reason")])
    if not 0 < origin.seq <= MAX_NUMBER:
        raise Invalid([Fault("/origin/seq", "seq is a change number.", origin.seq, "1 to 2^53-1", rule="origin")])
    if len(item.via) >= MAX_HOPS:
        raise Invalid(
            [Fault("/via", f"The record passed {len(item.via)} aggregators; {MAX_HOPS} at most.", rule="hops")]
        )


def canonical(data: bytes) -> bytes:
    """One form for equal data: members sorted, no spaces. Tells 1 from 1.0 and from true."""
    return orjson.dumps(orjson.loads(data), option=orjson.OPT_SORT_KEYS)


def same(one: bytes | None, other: bytes | None) -> bool:
    """Whether two bodies say the same."""
    if one == other:
        return True
    if one is None or other is None:
        return False
    return canonical(one) == canonical(other)
