"""Which rows are one record, and what it is called (protocol section 7).

The rule, version 1. A record's key is its suppliers' names, its title and its start, each reduced to letters and
digits in one case. A row without a reference gets one from the key: `derived-` and 16 characters. Rows of one
reference are: one row repeated (published once), one record with several suppliers (they differ in nothing else),
or different things, and then each id has the suffix `~` and 8 characters of the key's hash; where even the keys are
the same, of the key and all other content. What is published already keeps the id that it has.
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

from exchange.cells import bare
from schema.identifiers import matches_reference, record_id

VERSION = 1
DERIVED = re.compile(r"derived-[a-z2-7]{16}")
_SUPPLIERS = "suppliers"


Place = tuple[str, int]
"""Sheet and row."""


@dataclass(slots=True, eq=False)
class Thing:
    """One record on its way: its data, and the rows that say it. `key` and `content` are compared, never shown."""

    data: dict[str, Any]
    rows: list[Place]
    key: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A row that repeats another: it is published once."""

    row: Place
    of: Place


def key_of(data: Mapping[str, Any]) -> str:
    """Give the key of a record: version, suppliers, title and start, normalised."""
    names = sorted(_named(supplier) for supplier in data.get(_SUPPLIERS, ()) if isinstance(supplier, Mapping))
    supplier = ",".join(names) or bare(str(data.get("vendor", "")))
    title = bare(str(data.get("title") or data.get("name") or ""))
    start = next((str(data[name]) for name in ("startDate", "start", "since") if name in data), "")
    return f"{VERSION}\n{supplier}\n{title}\n{start}"


def _named(supplier: Mapping[str, Any]) -> str:
    if "name" in supplier:
        return bare(str(supplier["name"]))
    return ",".join(f"{i.get('scheme')}-{i.get('id')}" for i in supplier.get("identifiers", ()))


def content_of(data: Any) -> str:
    """Give all that a record says, in one form that case, spacing and punctuation do not change."""
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
    return "~" + hashed(f"{thing.key}\n{thing.content}" if whole else thing.key, 8)


def gathered(rows: Sequence[tuple[Place, dict[str, Any]]], *, join: bool) -> tuple[list[Thing], list[Repeat]]:
    """Make things of the rows of one reference: repeats fall together, and, if asked, rows of several suppliers."""
    distinct: dict[str, Thing] = {}
    repeats: list[Repeat] = []
    for row, data in rows:
        content = content_of(data) if len(rows) > 1 else ""
        seen = distinct.get(content)
        if seen:
            repeats.append(Repeat(row, seen.rows[0]))
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
    together: dict[str, Thing] = {}
    for thing in things:
        rest = content_of({name: value for name, value in thing.data.items() if name != _SUPPLIERS})
        one = together.setdefault(rest, thing)
        if one is not thing:
            one.data = one.data | {_SUPPLIERS: [*one.data.get(_SUPPLIERS, ()), *thing.data.get(_SUPPLIERS, ())]}
            one.rows = sorted([*one.rows, *thing.rows])
            one.content = content_of(one.data)
    return list(together.values())


Live = Callable[[str], Mapping[str, Any] | None]


class Namer:
    """Gives the things of one reference their ids."""

    def __init__(self, prefix: str, kind: str, published: Live) -> None:
        self._prefix = prefix
        self._kind = kind
        self._published = published

    def named(self, reference: str, things: list[Thing]) -> list[tuple[str, Thing]]:
        """Pair each thing with its record id. What is published under an id that fits keeps it."""
        base = record_id(self._prefix, self._kind, reference)
        if len(things) == 1:
            return [(self._alone(base, things[0]), things[0])]
        crowded = Counter(thing.key for thing in things)
        for thing in things:
            thing.content = thing.content or content_of(thing.data)
        out: dict[str, Thing] = {}
        for claimed in [base, *sorted({base + suffix_of(t) for t in things if crowded[t.key] > 1})]:
            owner = self._owner(claimed, base, [t for t in things if t not in set(out.values())])
            if owner:
                out[claimed] = owner
        for thing in set(things) - set(out.values()):
            out[base + suffix_of(thing, whole=crowded[thing.key] > 1)] = thing
        return sorted(out.items(), key=lambda pair: pair[1].rows[0])

    def _alone(self, base: str, thing: Thing) -> str:
        """Name the only thing of its reference: by the reference, unless it is published under a suffix already."""
        bare_ = self._published(base)
        if bare_ is not None and key_of(bare_) == thing.key:
            return base
        thing.content = thing.content or content_of(thing.data)
        suffixed = (base + suffix_of(thing), base + suffix_of(thing, whole=True))
        return next((id_ for id_ in suffixed if self._published(id_) is not None), base)

    def _owner(self, claimed: str, base: str, things: list[Thing]) -> Thing | None:
        """Find the thing that is published under an id: same key, the same content before any other."""
        live = self._published(claimed)
        if live is None:
            return None
        key = key_of(live)
        fitting = [t for t in things if t.key == key and claimed in (base, base + suffix_of(t))]
        content = content_of({name: value for name, value in live.items() if name != "reference"})
        return min(fitting, key=lambda t: (t.content != content, t.content), default=None)


def may_be(segment: str, reference: str | None) -> bool:
    """Tell whether a published record may be the one that a refused row stands for.

    Without a reference that could be read, it may be any record that was named by its content.
    """
    if reference is None:
        return bool(DERIVED.match(segment))
    return matches_reference(segment, reference)
