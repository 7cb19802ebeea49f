"""Which rows are one record, and what it is called (protocol section 7).

The rule, version 1. A record's key is its suppliers' names, its title and its start, each reduced to letters and
digits in one case. A row without a reference gets one from the key: `derived-` and 16 characters. Rows of one
reference are: one row repeated (published once), one record with several suppliers (they differ in nothing else),
or different things, and then each id has the suffix `~` and 8 characters of the key's hash; where even the keys are
the same, of the key and all other content. What is published already under the same reference and key keeps its id.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from exchange.cells import bare
from exchange.report import Place
from schema.identifiers import encode_reference, matches_reference, record_id

VERSION = 1
DERIVED = re.compile(r"derived-[a-z2-7]{16}")
_SUPPLIERS = "suppliers"
SUFFIX = 9


@dataclass(slots=True, eq=False)
class Thing:
    """One record on its way: its data, and the rows that say it. `key` and `content` are compared, never shown."""

    data: dict[str, Any]
    rows: list[Place]
    key: str = ""
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A row that repeats another: it is published once. `exact` unless case, spacing or punctuation differ."""

    row: Place
    of: Place
    exact: bool

    @property
    def but(self) -> str:
        """Say in words what may differ."""
        return "" if self.exact else " but for case, spacing or punctuation"


def key_of(data: Mapping[str, Any]) -> str:
    """Give the key of a record: version, suppliers, title and start, normalised."""
    names = sorted(_named(supplier) for supplier in listed(data, _SUPPLIERS))
    supplier = ",".join(names) or bare(str(data.get("vendor", "")))
    title = bare(str(data.get("title") or data.get("name") or ""))
    start = next((str(data[name]) for name in ("startDate", "start", "since") if name in data), "")
    return f"{VERSION}\n{supplier}\n{title}\n{start}"


def _named(supplier: Mapping[str, Any]) -> str:
    if "name" in supplier:
        return bare(str(supplier["name"]))
    return ",".join(f"{i.get('scheme')}-{i.get('id')}" for i in listed(supplier, "identifiers"))


def listed(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects of a member that should be a list of them: it may be anything where a kind does not know it."""
    found = data.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def content_of(data: Any) -> bytes:
    """Give all that a record says, in one form that case, spacing and punctuation do not change. For comparing only."""
    return orjson.dumps(_normal(data), option=orjson.OPT_SORT_KEYS)


def spelt(data: Any) -> str:
    """Give the same in the form of which suffixes are made: it must never change."""
    return json.dumps(_normal(data), sort_keys=True, ensure_ascii=False)


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return bare(value)
    if isinstance(value, Mapping):
        return {name: _normal(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_normal(member) for member in value]
    return value


def hashed(text: str, length: int) -> str:
    """Give the first characters of SHA-256 in lower-case base32."""
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:length]


def derived_reference(data: Mapping[str, Any]) -> str:
    """Give a reference to a record that has none of its own."""
    return f"derived-{hashed(key_of(data), 16)}"


def suffix_of(thing: Thing, *, whole: bool = False) -> str:
    """Give the suffix of a thing, by its key, or by its key and the whole of its content."""
    return "~" + hashed(f"{thing.key}\n{spelt(thing.data)}" if whole else thing.key, 8)


def gathered(rows: Sequence[tuple[Place, dict[str, Any]]], *, join: bool) -> tuple[list[Thing], list[Repeat]]:
    """Make things of the rows of one reference: repeats fall together, and, if asked, rows of several suppliers."""
    distinct: dict[bytes, Thing] = {}
    repeats: list[Repeat] = []
    for row, data in rows:
        content = content_of(data) if len(rows) > 1 else b""
        seen = distinct.get(content)
        if seen:
            repeats.append(Repeat(row, seen.rows[0], data == seen.data))
            seen.rows.append(row)
            seen.data = min(seen.data, data, key=lambda d: json.dumps(d, sort_keys=True))
        else:
            distinct[content] = Thing(data, [row], content=content)
    things = list(distinct.values())
    if join and len(things) > 1:
        things = _joined(things)
    for thing in things:
        thing.key = key_of(thing.data)
    return things, repeats


def _joined(things: list[Thing]) -> list[Thing]:
    """Make one record of things that differ in their suppliers alone."""
    together: dict[bytes, Thing] = {}
    for thing in things:
        rest = content_of({name: value for name, value in thing.data.items() if name != _SUPPLIERS})
        one = together.setdefault(rest, thing)
        if one is not thing:
            one.data = one.data | {_SUPPLIERS: [*one.data.get(_SUPPLIERS, ()), *thing.data.get(_SUPPLIERS, ())]}
            one.rows = sorted([*one.rows, *thing.rows])
            one.content = content_of(one.data)
    return list(together.values())


Published = Mapping[str, Mapping[str, Any]] | Mapping[str, bytes] | Callable[[str], Mapping[str, Any] | None]
"""What is live of one kind and publisher: record id -> data, or its JSON as stored, or a function of an id."""


def _nothing(_: str) -> None:
    return None


def base_of(id_: str) -> str:
    """The id that a record would have if it were the only thing of its reference."""
    return id_[:-SUFFIX] if id_[-SUFFIX : 1 - SUFFIX] == "~" else id_


class Live:
    """What is published, asked by id. A mapping is looked through by reference; a function only for likely ids."""

    def __init__(self, published: Published | None) -> None:
        self._ask: Callable[[str], Any] = published.get if isinstance(published, Mapping) else published or _nothing
        self._known: Mapping[str, Any] | None = None if callable(published) else published or {}
        self._suffixed: dict[str, list[str]] = {}
        for id_ in self._known or ():
            if (base := base_of(id_)) != id_:
                self._suffixed.setdefault(base, []).append(id_)

    def get(self, id_: str) -> Mapping[str, Any] | None:
        """Give the data that is live under an id."""
        found: Any = self._ask(id_)
        data: Mapping[str, Any] | None = orjson.loads(found) if isinstance(found, bytes) else found
        return data

    def only_bare(self, base: str) -> bool:
        """Whether it is sure that no id with a suffix is published under a reference."""
        return self._known is not None and base not in self._suffixed

    def of(self, base: str, things: Sequence[Thing]) -> dict[str, Mapping[str, Any]]:
        """Give the records published under a reference: its bare id and those with a suffix."""
        if self._known is None:
            likely = [base, *(base + suffix_of(thing, whole=whole) for thing in things for whole in (False, True))]
        else:
            likely = [base, *sorted(self._suffixed.get(base, ()))]
        return {id_: data for id_ in likely if (data := self.get(id_)) is not None}


class Namer:
    """Gives the things of one reference their ids."""

    def __init__(self, prefix: str, kind: str, live: Live) -> None:
        self._before = record_id(prefix, kind, "x")[:-1]
        self._live = live

    def bare(self, reference: str) -> str | None:
        """Give the id of a reference's only thing, None where what is published with a suffix might be that thing."""
        base = self._before + encode_reference(reference)
        return base if self._live.only_bare(base) else None

    def named(self, reference: str, things: list[Thing]) -> list[tuple[str, Thing]]:
        """Pair each thing with its record id: first those that are published already, then new ones."""
        base = self._before + encode_reference(reference)
        for thing in things:
            thing.content = thing.content or content_of(thing.data)
        ids = _claimed(self._live.of(base, things), things)
        if len(things) == 1 and not ids:
            return [(base, things[0])]
        crowded, taken = Counter(thing.key for thing in things), set(ids.values())
        for thing in things:
            if thing not in ids:
                plain = base + suffix_of(thing)
                whole = crowded[thing.key] > 1 or plain in taken
                ids[thing] = base + suffix_of(thing, whole=True) if whole else plain
                taken.add(ids[thing])
        return [(ids[thing], thing) for thing in things]


def _claimed(published: Mapping[str, Mapping[str, Any]], things: Sequence[Thing]) -> dict[Thing, str]:
    """Give published ids to things of the same key: the same content first, then what is most alike."""
    if not published:
        return {}
    by_key: dict[str, list[Thing]] = {}  # thousands of rows may have a reference such as "TBC"
    for thing in things:
        by_key.setdefault(thing.key, []).append(thing)
    pairs = []
    for id_, data in published.items():
        old = {name: member for name, member in data.items() if name != "reference"}
        content = content_of(old)
        for thing in by_key.get(key_of(data), ()):
            alike = sum(thing.data.get(name) == member for name, member in old.items())
            pairs.append((thing.content != content, -alike, spelt(thing.data), id_, thing))
    claimed, taken = dict[Thing, str](), set[str]()
    for *_, id_, thing in sorted(pairs, key=lambda pair: pair[:4]):
        if thing not in claimed and id_ not in taken:
            claimed[thing] = id_
            taken.add(id_)
    return claimed


def may_be(segment: str, reference: str | None) -> bool:
    """Tell whether a published record may be the one that a refused row stands for.

    Without a reference that could be read, it may be any record that was named by its content.
    """
    if reference is None:
        return bool(DERIVED.match(segment))
    return matches_reference(segment, reference)
