"""A query's answer: what the index found, put together from the rows of the database.

The index says which and in what order; the database says what. A record that was withdrawn since the index looked is
left out, so a page may hold fewer items than it was asked for; it never holds what is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec
import orjson
from sqlalchemy import select

from exchange import cpv
from federation import glance, relations, scan
from federation.database import Reading, table
from federation.glance import Glance, texts
from federation.index import Facet, FacetItem, Hits, Index, Matcher, Query
from schema.entry import Entry, record_json
from schema.tables import Record

_record = table(Record)
_CHUNK = 500
_NODE_MARK = """CASE WHEN n.state = 'retired' THEN 'retired'
    WHEN n.stale_since IS NOT NULL AND n.state IN ('stale', 'held', 'paused') THEN 'stale' END"""
"""The mark of a node's records. Of one that is held, or was stale when it was paused, too, the last good copy is
served. One that was stale and has passed the gate again is active, and its records are new."""
_TEXTS = ("title", "name", "description", "summary", "problem", "ask", "users", "department", "category")
_AROUND, _FRAGMENT, _SHOWN = 60, 240, 2
_CODES = frozenset({"kind", "phase", "status", "stage", "collaboration"})


class Held(msgspec.Struct, frozen=True):
    """A record as a list shows it. `stored` is when it changed, as stored; `marks` are those of protocol section 5."""

    row: int
    entry: Entry
    publisher: str
    stored: str | datetime
    signature: str
    marks: tuple[str, ...] = ()
    highlight: tuple[Mapping[str, Any], ...] = ()

    @property
    def changed(self) -> datetime:
        """When it changed here."""
        return glance.moment(self.stored)

    @property
    def data(self) -> dict[str, Any]:
        """The record's own data, read."""
        return _read(self.entry.data)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a list."""

    items: list[Held]
    hits: Hits


def find(session: Reading | Glance, index: Index, query: Query) -> Found:
    """Run a query: a page of records in order, with facets that say what a person calls each value."""
    hits = index.search(_without_withdrawn(session, query))
    matches = index.matcher(query.words) if query.words.strip() else None
    return Found(list(held(session, hits.rows, matches)), replace(hits, facets=labelled(hits.facets)))


_NEWEST_ERASURE = texts("SELECT max(number) FROM erasure")


def _without_withdrawn(session: Reading | Glance, query: Query) -> Query:
    """The query for a later page, read from the index of now where something was withdrawn as personal data since.

    That of the first page would go on showing it in facets.
    """
    if query.after is None or not query.facets:
        return query
    ((erased,),) = glance.asking(session).ask(_NEWEST_ERASURE)
    gone = erased is not None and erased > query.after.number
    return replace(query, after=replace(query.after, number=0)) if gone else query


def held(session: Reading | Glance, rows: Sequence[int], matches: Matcher | None = None) -> Iterator[Held]:
    """The records of these row numbers, in this order, those that still live; with `matches` what it finds in them."""
    asked = glance.asking(session)
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        found = {row[0]: row for row in asked.ask(_OF_ROWS, asked.listed(chunk))}
        yield from (_held(found[number], matches) for number in chunk if number in found)


def by_id(session: Reading, record: str) -> Held | None:
    """A live record by its id; None where there is none."""
    found = glance.asking(session).ask(_OF_ID, record)
    return _held(found[0]) if found else None


# Live records and all that marks them. Only where something is held (`waiting.changed`) is it looked for by record.
# By its origin's word is it unofficial, not by that of a relay (`federation/relations.py`), and what a relay said of a
# node that is pinned now marks none of that one's.
_MARKED = f"""
SELECT r."row", r.publisher, r.changed, r.signature, {_NODE_MARK},
    CASE WHEN instr(coalesce(u.value, o.unofficial), '"' || r.publisher || '"') > 0 THEN '{relations.KEY}'
        ELSE p.relation END,
    o.vouched_by,
    CASE WHEN (SELECT substr(value, 1, 1) FROM meta WHERE key = 'removals') = '+'
        THEN EXISTS (SELECT 1 FROM removal AS h WHERE h.id = r.id AND h.state = 'held') END,
    r.number, r.kind, r.id, r.data, r.origin, r.via, r.reason, r.moved_to
FROM record AS r
LEFT JOIN node AS n ON n.id = r.node_id
LEFT JOIN node AS w ON w.url = r.origin_node
LEFT JOIN publisher AS p ON p.id = r.publisher AND r.node_id IS NULL
LEFT JOIN meta AS u ON u.key = '{relations.KEY}.' || w.id
LEFT JOIN origin AS o ON o.id = r.origin_node AND w.id IS NULL
WHERE NOT r.deleted AND """  # noqa: S608 - our own words alone
_OF_ROWS, _OF_ID = texts(_MARKED + 'r."row" = any(?)'), texts(_MARKED + "r.id = ?")


def _held(columns: Sequence[Any], matches: Matcher | None = None) -> Held:
    row, publisher, changed, signature, mark, relation, vouched_by, going = columns[:8]
    said = Entry(*columns[8:])
    marks = _marks(mark, relation, vouched_by, going=bool(going)) if mark or relation or vouched_by or going else ()
    found = highlight(matches, _texts(said.data)) if matches is not None else ()
    return Held(row, said, publisher, changed, signature, marks, found)


def _marks(mark: str | None, relation: str | None, vouched_by: str | None, *, going: bool) -> tuple[str, ...]:
    told = {mark or "": mark is not None, "removal-held": going}
    told |= {"unofficial": relation == "unofficial", "vouched": bool(vouched_by)}
    return tuple(name for name, stands in told.items() if stands)


def _read(data: bytes | None) -> dict[str, Any]:
    found = orjson.loads(data or b"{}")
    return found if isinstance(found, dict) else {}


_Texts = msgspec.defstruct("_Texts", [(name, str, "") for name in _TEXTS], gc=False)
_texts_of, _values_of = msgspec.json.Decoder(_Texts), attrgetter(*_TEXTS)


def _texts(data: bytes | None) -> Iterable[tuple[str, Any]]:
    """What a record says in words. Read by itself: to make all of a record takes three times as long."""
    try:
        found = _texts_of.decode(data or b"{}")
    except (msgspec.DecodeError, RecursionError):  # a text that is no text
        whole = _read(data)
        return [(name, whole.get(name)) for name in _TEXTS]
    return zip(_TEXTS, _values_of(found), strict=True)


def item_json(item: Held) -> bytes:
    """One item of a list: {id, kind, data, origin, via?, signature, marks?, highlight?}."""
    extra: dict[str, object] = {"signature": item.signature}
    if item.marks:
        extra["marks"] = item.marks
    if item.highlight:
        extra["highlight"] = item.highlight
    return record_json(item.entry, extra)


def highlight(matches: Matcher, texts: Iterable[tuple[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Where the words of a query stand in a record: {field, text, matches: [[from, to], ...]}, in characters.

    Two members at most, the title first. The text is plain: whoever shows it as HTML escapes it.
    """
    shown: list[Mapping[str, Any]] = []
    for name, text in texts:
        if text and isinstance(text, str):
            found = matches(text)
            if found:
                shown.append({"field": name, **_fragment(text, found)})
                if len(shown) == _SHOWN:
                    break
    return tuple(shown)


def _fragment(text: str, matches: Sequence[tuple[int, int]]) -> Mapping[str, Any]:
    """The part of a long text around its first match, cut between words."""
    start = max(0, matches[0][0] - _AROUND) if len(text) > _FRAGMENT else 0
    start = text.rfind(" ", 0, start) + 1 if start else 0
    end = len(text) if len(text) - start <= _FRAGMENT else start + _FRAGMENT
    end = end if end == len(text) else max(text.rfind(" ", start, end), matches[0][1])
    inside = [[first - start, last - start] for first, last in matches if start <= first and last <= end]
    return {"text": text[start:end], "matches": inside}


def labelled(facets: Mapping[str, Facet]) -> dict[str, Facet]:
    """Facets with the names of CPV divisions and of codes; the others are named as the records say."""
    return {name: _labelled(name, facet) for name, facet in facets.items()}


def _labelled(name: str, facet: Facet) -> Facet:
    if name == "cpv":
        items = tuple(FacetItem(item.value, cpv.division(item.value), item.count) for item in facet.items)
    elif name in _CODES:
        items = tuple(FacetItem(i.value, i.value.replace("-", " ").capitalize(), i.count) for i in facet.items)
    else:
        return facet
    return replace(facet, items=items)


def names(session: Reading, publishers: Iterable[str]) -> dict[str, str]:
    """What publishers call themselves in their own organisation records."""
    rows = scan.telling(session, list(publishers))
    return {row.publisher: str(orjson.loads(row.data).get("name", row.publisher)) for row in rows if row.data}


def state(session: Reading | Glance) -> str:
    """Changes whenever a row that a list shows could: with the log's latest number, and with what marks records."""
    rows = glance.asking(session).ask(_STATE)
    nodes = ".".join(f"{node}{mark[:1]}" for _, _, node, mark, _ in rows if node is not None)
    return f"{rows[0][0]}-{rows[0][1] or 0}-{rows[0][4] or 0}.{nodes}" if rows else "0."


_MARKING = f"""
SELECT c.n, m.value, n.id, {_NODE_MARK}, u.value
FROM counter AS c
LEFT JOIN meta AS m ON m.key = 'removals'
LEFT JOIN meta AS u ON u.key = '{relations.KEY}'
LEFT JOIN node AS n ON {_NODE_MARK} IS NOT NULL
ORDER BY n.id
"""  # noqa: S608 - our own words alone
_STATE = texts(_MARKING)


def last_changed(session: Reading) -> datetime | None:
    """When the log last changed: the time of a feed without entries."""
    chosen = select(_record.c.changed).order_by(_record.c.number.desc()).limit(1)
    return session.connection().execute(chosen).scalar_one_or_none()
