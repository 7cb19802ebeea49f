"""Write one record through the API: create, replace, merge a patch, delete with a reason (protocol section 6).

Each function takes the counter's row before it reads, so that what it judges cannot change until the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from federation import erasure, log, publishers
from federation.database import WriteSession
from federation.merge import PERSONAL
from schema.entry import Entry, stamp
from schema.errors import BadParameter, Conflict, Fault, Invalid, Malformed, NotFound, Stale, Unguarded, Withdrawn
from schema.guard import check_json
from schema.identifiers import identifier_key, is_canonical, matches_reference, record_id, split_id
from schema.kinds import parse
from schema.tables import Publisher

REASONS = ("ended", "error", "personal-data", "moved", "withdrawn")
# What stands around the data in a feed, with eight hops: the item as a whole must stay within 256 KB.
ENVELOPE = 32 * 1024
MAX_DATA = 256 * 1024 - ENVELOPE
_LONGEST_ID = 2600

Matches = Callable[[int], bool]
"""Whether the version (change number) that a writer saw is this one; None where the writer did not say."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: whose, of which kind, under which reference (decoded)."""

    publisher: str
    kind: str
    reference: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Who writes where and when: the transaction, this node's id, the time."""

    session: WriteSession
    node: str
    now: datetime


def create(desk: Desk, publisher: str, kind: str, body: bytes) -> Entry:
    """Publish a new record; its id is made from the reference in `body`, which is the record's `data`.

    Raises `Malformed`, `Invalid`, or `Conflict` where that id is live, or was withdrawn as personal data lately.
    """
    owner = _owner(desk, publisher)
    data = _data(kind, body)
    place = record_id(owner.id_prefix, kind, owner.id if kind == "organisation" else str(data["reference"]))
    _fits(place)
    _agrees(owner, kind, split_id(place, owner.id_prefix)[1], data)
    log.lock(desk.session)
    held = log.entries(desk.session, [place]).get(place)
    if held is not None and held.data is not None:
        raise Conflict(f"{place} is published already: change it with PUT or PATCH at its id.")
    _awake(desk, place, orjson.dumps(data))
    return _publish(desk, owner.id, kind, place, data)


def _awake(desk: Desk, place: str, data: bytes) -> None:
    """Raise `Conflict` where what is to be published was withdrawn as personal data, or its id rests for that."""
    rest = erasure.resting(desk.session, place).get(place)
    if rest is None or not rest.holds(data, now=desk.now):
        return
    if desk.now < rest.until and not rest.knows(data):
        raise Conflict(
            f"{place} was withdrawn as personal data. It can be published again from {stamp(rest.until)} on, when "
            "whoever copied it has heard of that and erased it; under another reference at once."
        )
    raise _known(place)


def _known(place: str) -> Conflict:
    return Conflict(f"This is what was withdrawn as personal data from {place}: take that out, and send it again.")


def replace(desk: Desk, place: Place, body: bytes, matches: Matches | None) -> Entry:
    """Put `body` in the place of a live record's data; equal data is no change.

    Raises `NotFound`, `Withdrawn`, `Unguarded`, `Stale`, `Malformed`, `Invalid`, and `Conflict` where `body` is what
    was withdrawn as personal data.
    """
    owner, entry = _current(desk, place, matches)
    return _change(desk, owner, entry, _data(place.kind, body))


def merge(desk: Desk, place: Place, body: bytes, matches: Matches | None) -> Entry:
    """Apply a JSON merge patch (RFC 7396) to a live record's data. Raises as `replace` does."""
    owner, entry = _current(desk, place, matches)
    assert entry.data is not None
    patch = _json(body)
    if not isinstance(patch, dict):
        raise Invalid(
            [Fault("", "A merge patch of a record is an object.", None, "an object of the members to change")]
        )
    merged = merge_patch(orjson.loads(entry.data), patch)
    return _change(desk, owner, entry, _data(place.kind, orjson.dumps(merged)))


def remove(desk: Desk, place: Place, reason: str, moved_to: str | None, matches: Matches | None) -> Entry:
    """Put a tombstone in the place of a live record. `personal-data` erases what is kept beside it too.

    What was withdrawn for another reason can be withdrawn as personal data as well, for its history is still kept.
    Raises `BadParameter` for a reason that is none, `Conflict` for an organisation: a feed is never empty.
    """
    _check_reason(reason, moved_to)
    owner, entry = _current(desk, place, matches, over=reason if reason == PERSONAL else None)
    if place.kind == "organisation":
        raise Conflict("The organisation's own record cannot be deleted: a feed is never empty.")
    draft = log.Draft(entry.id, entry.kind, owner.id, None, reason, moved_to)
    done = log.append(desk.session, [draft], node=desk.node, now=desk.now)
    if reason == PERSONAL:
        erasure.here(desk.session, entry.id, done.numbers[entry.id], node=desk.node, now=desk.now)
    return log.entries(desk.session, [entry.id])[entry.id]


def merge_patch(target: Any, patch: Any) -> Any:
    """Merge as RFC 7396 section 2 says: null removes, an object merges, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _owner(desk: Desk, publisher: str) -> Publisher:
    found = publishers.find(desk.session, publisher)
    assert found is not None
    return found


def _current(desk: Desk, place: Place, matches: Matches | None, *, over: str | None = None) -> tuple[Publisher, Entry]:
    """The record that is written: a live one, or with `over` a tombstone of another reason than that."""
    log.lock(desk.session)
    owner = _owner(desk, place.publisher)
    name = _name(owner, place)
    entry = log.entries(desk.session, [name]).get(name)
    if entry is None:
        raise NotFound(f"{name} is not published here.")
    if entry.data is None and over in (None, entry.reason):
        left = {"id": entry.id, "kind": entry.kind, "reason": entry.reason, "origin": orjson.loads(entry.origin)}
        raise Withdrawn(left | ({"movedTo": entry.moved_to} if entry.moved_to else {}))
    if matches is None:
        raise Unguarded
    if not matches(entry.number):
        raise Stale(f"The record is at version {entry.number} now: read it again, and write with its ETag.")
    return owner, entry


def _name(owner: Publisher, place: Place) -> str:
    try:
        return record_id(owner.id_prefix, place.kind, place.reference)
    except Invalid as error:
        raise NotFound("No record can have this id.") from error


def _change(desk: Desk, owner: Publisher, entry: Entry, data: dict[str, Any]) -> Entry:
    _agrees(owner, entry.kind, split_id(entry.id, owner.id_prefix)[1], data)
    rest = erasure.resting(desk.session, entry.id).get(entry.id)
    if rest is not None and rest.knows(orjson.dumps(data)):
        raise _known(entry.id)
    return _publish(desk, owner.id, entry.kind, entry.id, data)


def _publish(desk: Desk, publisher: str, kind: str, place: str, data: dict[str, Any]) -> Entry:
    draft = log.Draft(place, kind, publisher, orjson.dumps(data))
    log.append(desk.session, [draft], node=desk.node, now=desk.now)
    return log.entries(desk.session, [place])[place]


def _data(kind: str, body: bytes) -> dict[str, Any]:
    data = _json(body)
    parse(kind, body)
    size = len(orjson.dumps(data))
    if size > MAX_DATA:
        raise Invalid([Fault("", "The record is too large.", f"{size} bytes", f"at most {MAX_DATA} bytes")])
    checked: dict[str, Any] = data
    return checked


def _json(body: bytes) -> Any:
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from error
    check_json(body)
    return read


def _agrees(owner: Publisher, kind: str, segment: str, data: dict[str, Any]) -> None:
    """Raise unless the data is of the record that the id names; an organisation's is the publisher's own."""
    if kind == "organisation":
        keys = [identifier_key(str(one["scheme"]), str(one["id"])) for one in data["identifiers"]]
        good, found, pointer = owner.id == segment and owner.id in keys, ", ".join(keys), "/identifiers"
    else:
        found, pointer = str(data["reference"]), "/reference"
        good = matches_reference(segment, found)
    if not good:
        raise Invalid([Fault(pointer, "The body is of another record than the id.", found, segment, rule="id")])


def _fits(place: str) -> None:
    if len(place) > _LONGEST_ID:
        expected = f"a reference that makes an id of at most {_LONGEST_ID} characters"
        raise Invalid([Fault("/reference", "The reference is too long for an id.", len(place), expected, rule="id")])


def _check_reason(reason: str, moved_to: str | None) -> None:
    if reason not in REASONS:
        raise BadParameter("reason", reason, "one of " + ", ".join(REASONS))
    if (reason == "moved") != (moved_to is not None):
        raise BadParameter("movedTo", moved_to or "", "the record's new id, with reason=moved and only there")
    if moved_to is not None and not (is_canonical(moved_to) and len(moved_to) <= _LONGEST_ID):
        raise BadParameter("movedTo", moved_to, "the record's new id, an http(s) URL")
