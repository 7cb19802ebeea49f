"""Judge the items of a page one by one: whose they are, whether they keep the rules (protocol section 5). Pure.

Identity comes from where the bytes came from: an item whose origin is the node that was read stands at rank 0, any
other is believed only from a node that an operator accepted as an aggregator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from federation import sign
from federation.merge import DIRECT, DROPPED, UNSIGNED, Statement
from federation.sign import Ring
from federation.signed import Rings, Weigh, proven, signatures
from federation.verdicts import (
    MAX_ID,
    MAX_PUBLISHER,
    Judged,
    Prefixes,
    Source,
    Trouble,
    broken,
    clean,
    is_node,
    sentence,
)
from schema.change import Item, Loose, Via, named_id, read_item
from schema.entry import stamp, via_json
from schema.errors import Invalid
from schema.identifiers import is_canonical, matches_reference, split_id
from schema.kinds import KINDS, check

AHEAD = timedelta(hours=24)
"""How far ahead of the database's clock a node's may be before its publisher is told."""
_T = TypeVar("_T")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_PLAIN = re.compile(r"[a-z-]+/(?!\.{1,2}\Z)[A-Za-z0-9._~-]{1,200}")  # an id after its prefix that needs no closer look

_NO_KEYS: Rings = {}
_NO_RING = Ring()


Reading = Item | Trouble


def read(raws: Iterable[bytes | Loose]) -> list[Reading]:
    """Read each item of a page alone; what is no item becomes a `Trouble`, of the record that it names."""
    return [_read(raw) for raw in raws]


def _read(raw: bytes | Loose) -> Reading:
    try:
        return read_item(raw)
    except Invalid as error:
        fault = error.faults[0]
        return Trouble(fault.rule, fault.pointer, sentence(fault), clean(named_id(raw))[:MAX_ID])


def strays(
    readings: Sequence[Reading], source: Source, origins: Mapping[str, Prefixes], rings: Rings = _NO_KEYS
) -> list[str]:
    """The nodes whose manifest must be asked before the items can be judged.

    They are not known, or not with that prefix or key. The source itself is among them where it has begun to publish
    for another body. An origin without any prefix was asked a short while ago, in vain.
    """
    found: dict[str, None] = {}
    for reading in readings:
        if isinstance(reading, Trouble):
            continue
        node = reading.origin.node
        if node != source.id and not (source.relays and is_node(node)):
            continue
        known = source.prefixes if node == source.id else origins.get(node)
        new_key = not rings.get(node, _NO_RING).knows(reading.origin.sig)
        if known is None or new_key or (known and _prefix(reading.id, known) is None):
            found[node] = None
    return list(found)


def judge(
    readings: Sequence[Reading],
    source: Source,
    *,
    me: str,
    origins: Mapping[str, Prefixes],
    now: datetime,
    rings: Rings = _NO_KEYS,
    weigh: Weigh = sign.states,
) -> Judged:
    """Judge the items of one page. `me` is this reader's own id; `origins` the prefixes of nodes heard of."""
    return look(place(readings, source, me=me, origins=origins, now=now), rings=rings, weigh=weigh)


def place(
    readings: Iterable[Reading], source: Source, *, me: str, origins: Mapping[str, Prefixes], now: datetime
) -> Judged:
    """Judge whose the items are, by all but their data: that is `look`, for what is not held already."""
    found = Judged()
    ours, latest = via_json((), me, now), stamp(now + AHEAD)
    for reading in readings:
        if isinstance(reading, Trouble):
            found.refused.append(reading)
            found.named += _named(reading.record_id)
            continue
        if _is_loop(reading, me):
            found.loops += 1
            if reading.origin.node != me:
                with suppress(Invalid):
                    echo = _statement(reading, source, origins, ours)
                    found.looped.append(msgspec.structs.replace(echo, data=None, reason=DROPPED, moved_to=None))
            continue
        try:
            statement = _statement(reading, source, origins, ours)
        except Invalid as error:
            _refuse(found, reading.id, error)
            continue
        if statement.rank == DIRECT and reading.origin.time > latest:
            found.warned.append(_ahead(reading, latest))
        found.heard.append((statement, statement.reason == DROPPED))
    return found


def _ahead(item: Item, latest: str) -> Trouble:
    """Warn of a node whose clock runs ahead; its own numbers alone say what came first, so nothing is refused."""
    message = f"The time lies in the future. Found: {item.origin.time}. Expected: {latest} at the latest."
    return Trouble("clock", "/origin/time", message, item.id)


def look(
    found: Judged, standing: Container[str] = (), *, rings: Rings = _NO_KEYS, weigh: Weigh = sign.states
) -> Judged:
    """Judge data and signatures of what was heard, but of what is `standing`: held already in these very bytes."""
    heard, found.heard = found.heard, []
    kept: list[tuple[Statement, bool]] = []
    for statement, ends in heard:
        if statement.id in standing:
            found.standing.append(statement.id)
            continue
        try:
            if statement.data is not None:
                _check_data(statement, statement.data)
        except Invalid as error:
            _refuse(found, statement.id, error)
        else:
            kept.append((statement, ends))
    states = signatures([statement for statement, _ends in kept], rings, weigh)
    for (statement, ends), state in zip(kept, states, strict=True):
        _believe(found, statement, state, ends=ends, signs=bool(rings.get(statement.origin_node)))
    return found


def _believe(found: Judged, statement: Statement, state: sign.State, *, ends: bool, signs: bool) -> None:
    try:
        believed = proven(statement, state, signs=signs)
    except Invalid as error:
        _refuse(found, statement.id, error)
        return
    if believed is None:
        found.unproven.append(statement)
    else:
        found.heard.append((believed, ends))


def _refuse(found: Judged, record_id: str, error: Invalid) -> None:
    name = clean(record_id)[:MAX_ID]
    found.named += _named(name)
    found.refused += [Trouble(f.rule, f.pointer, sentence(f), name) for f in error.faults]


def _named(record_id: str) -> list[str]:
    """The id of a refused item, where a record that is held may have it: RFC 3986 knows no other letters."""
    return [record_id] if record_id and record_id.isascii() else []


def _is_loop(item: Item, me: str) -> bool:
    return item.origin.node == me or (bool(item.via) and any(hop.node == me for hop in item.via))


def _statement(item: Item, source: Source, origins: Mapping[str, Prefixes], ours: bytes) -> Statement:
    direct = item.origin.node == source.id
    prefixes = source.prefixes if direct else _relayed(item, source, origins)
    _check_words(item, source, direct=direct)
    _check_id(item, prefixes)
    return Statement(
        id=item.id,
        kind=item.kind,
        publisher=item.origin.publisher,
        node_id=source.node_id,
        data=item.data,
        origin=item.origin_bytes,
        via=ours if direct else _lengthened(item.via, ours),
        reason=item.reason if item.deleted else None,
        moved_to=item.moved_to if item.deleted else None,
        origin_node=item.origin.node,
        seq=item.origin.seq,
        rank=DIRECT if direct else UNSIGNED,
    )


def _lengthened(via: Sequence[Via], ours: bytes) -> bytes:
    return msgspec.json.encode(via)[:-1] + b"," + ours[1:]


def _relayed(item: Item, source: Source, origins: Mapping[str, Prefixes]) -> Prefixes:
    if not source.relays:
        raise broken(
            "not-an-aggregator",
            "/origin/node",
            "The node passes on another's record, yet it was not accepted as an aggregator.",
            item.origin.node,
            source.id,
        )
    if not origins.get(item.origin.node):
        raise broken("origin-unknown", "/origin/node", "Nothing is known of this origin.", item.origin.node)
    return origins[item.origin.node]


def _check_words(item: Item, source: Source, *, direct: bool) -> None:
    if not _is_time(item.origin.time):
        raise broken("origin", "/origin/time", "This is no time in UTC.", item.origin.time, "2026-11-02T09:00:00Z")
    if direct and item.via:
        raise broken("via", "/via", "A node's own record has passed nobody.", len(item.via), "no via")
    if not direct and (not item.via or item.via[-1].node != source.id):
        raise broken("via", "/via", "An aggregator puts itself at the end of via.", None, source.id)
    for place, hop in enumerate(item.via):
        if not is_node(hop.node) or not _is_time(hop.harvested):
            raise broken("via", f"/via/{place}", "A hop is the id of a node and a time in UTC.", hop.node)
    if item.reason == DROPPED and direct:
        raise broken("tombstone-reason", "/reason", "dropped is a relay's word alone.", DROPPED)
    if item.moved_to is not None and not (is_canonical(item.moved_to) and len(item.moved_to) <= MAX_ID):
        raise broken("moved-to", "/movedTo", "movedTo is no id.", item.moved_to, "the record's new id")


def _is_time(text: str) -> bool:
    """Whether this is a moment of the calendar, in UTC: RFC 3339, section 5.6."""
    try:
        return _TIME.fullmatch(text) is not None and sign.moment(text) is not None
    except ValueError:
        return False


def _check_id(item: Item, prefixes: Prefixes) -> None:
    """Hold the id to its origin's prefixes, its publisher and its kind."""
    if len(item.id) > MAX_ID:
        raise broken("id", "/id", f"The id has {len(item.id)} characters; at most {MAX_ID} are taken.", item.id)
    prefix = _prefix(item.id, prefixes)  # `split_id` then looks closely
    if prefix is None:
        expected = ", ".join(list(prefixes)[:3])
        raise broken("id-prefix", "/id", "The id lies outside its origin's prefixes.", item.id, expected)
    if prefixes[prefix] != item.origin.publisher or len(item.origin.publisher) > MAX_PUBLISHER:
        raise broken(
            "publisher",
            "/origin/publisher",
            "The publisher is not the one whose prefix the id has.",
            item.origin.publisher,
            prefixes[prefix],
        )
    if item.kind in KINDS and _PLAIN.fullmatch(item.id, len(prefix)):
        kind = item.id[len(prefix) : item.id.rfind("/")]
    else:
        kind = _placed("/id", lambda: split_id(item.id, prefix))[0]
    if kind != item.kind:
        raise broken("kind", "/kind", "The kind is not the one in the id.", item.kind, kind)


def _prefix(record_id: str, prefixes: Prefixes) -> str | None:
    usual = record_id[: record_id.rfind("/", 0, record_id.rfind("/")) + 1]
    if usual in prefixes:  # the kind and the reference come after it: no need to look at the prefixes one by one
        return usual
    for prefix in prefixes:
        if record_id.startswith(prefix):
            return prefix
    return None


def _check_data(statement: Statement, data: bytes) -> None:
    try:
        reference = check(statement.kind, data)
    except Invalid as error:
        raise _below("/data", error) from error
    segment = statement.id.rpartition("/")[2]
    plainly = reference == segment and "%" not in segment
    if reference is not None and not plainly and not matches_reference(segment, reference):
        raise broken("reference", "/data/reference", "The reference is not the one in the id.", reference, segment)


def _placed(pointer: str, work: Callable[[], _T]) -> _T:
    try:
        return work()
    except Invalid as error:
        raise _below(pointer, error) from error


def _below(pointer: str, error: Invalid) -> Invalid:
    return Invalid([replace(fault, pointer=pointer + fault.pointer) for fault in error.faults])
