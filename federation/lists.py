"""A query's answer: what the index found, put together from the rows of the database.

The index says which and in what order; the database says what. A record that was withdrawn since the index looked is
left out, so a page may hold fewer items than it was asked for; it never holds what is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import and_, bindparam, select

from exchange import cpv
from federation import log
from federation.database import Reading, table
from federation.index import Facet, FacetItem, Hits, Index, Matcher, Query
from schema.change import Entry, record_json
from schema.tables import Counter, Node, Origin, Publisher, Record

_record, _node, _origin, _publisher = table(Record), table(Node), table(Origin), table(Publisher)
_counter = table(Counter)
_CHUNK = 500
_NODE_MARKS = ("stale", "retired")
_TEXTS = ("title", "name", "description", "summary", "problem", "ask", "users", "department", "category")
_AROUND, _FRAGMENT, _SHOWN = 60, 240, 2
_CODES = frozenset({"kind", "phase", "status", "stage", "collaboration"})


@dataclass(frozen=True, slots=True)
class Held:
    """A record as a list shows it. `changed` is when it changed here; `marks` are those of protocol section 5."""

    row: int
    entry: Entry
    publisher: str
    changed: datetime
    signature: str
    marks: tuple[str, ...] = ()
    highlight: tuple[Mapping[str, Any], ...] = ()

    @property
    def data(self) -> dict[str, Any]:
        """The record's own data, read."""
        return _read(self.entry.data)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a list."""

    items: list[Held]
    hits: Hits


def find(session: Reading, index: Index, query: Query) -> Found:
    """Run a query: a page of records in order, with facets that say what a person calls each value."""
    hits = index.search(query)
    matches = index.matcher(query.words) if query.words.strip() else None
    return Found(list(held(session, hits.rows, matches)), replace(hits, facets=labelled(hits.facets)))


def held(session: Reading, rows: Sequence[int], matches: Matcher | None = None) -> Iterator[Held]:
    """The records of these row numbers, in this order, those that still live; with `matches` what it finds in them."""
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        read = session.connection().execute(_OF_ROWS, {"rows": list(chunk)})
        found = {row[0]: row for row in read}
        yield from (_held(found[number], matches) for number in chunk if number in found)


def by_id(session: Reading, record: str) -> Held | None:
    """A live record by its id; None where there is none."""
    found = session.connection().execute(_OF_ID, {"id": record}).one_or_none()
    return None if found is None else _held(found)


def _marked() -> Any:
    """One statement for live records and all that marks them."""
    own = and_(_publisher.c.id == _record.c.publisher, _record.c.node_id.is_(None))
    return (
        select(
            _record.c.row,
            _record.c.publisher,
            _record.c.changed,
            _record.c.signature,
            _node.c.state,
            _publisher.c.relation,
            _origin.c.vouched_by,
            *log.ENTRY,
        )
        .outerjoin(_node, _node.c.id == _record.c.node_id)
        .outerjoin(_publisher, own)
        .outerjoin(_origin, _origin.c.id == _record.c.origin_node)
        .where(~_record.c.deleted)
    )


# Made once: to put a statement together takes longer than to run it.
_OF_ROWS = _marked().where(_record.c.row.in_(bindparam("rows", expanding=True)))
_OF_ID = _marked().where(_record.c.id == bindparam("id"))


def _held(columns: Any, matches: Matcher | None = None) -> Held:
    row, publisher, changed, signature, state, relation, vouched_by, *entry = columns
    marks = [state] if state in _NODE_MARKS else []
    marks += ["unofficial"] if relation == "unofficial" else []
    marks += ["vouched"] if vouched_by else []
    said = Entry(*entry)
    found = highlight(matches, _read(said.data)) if matches is not None else ()
    return Held(row, said, publisher, changed, signature, tuple(marks), found)


def _read(data: bytes | None) -> dict[str, Any]:
    found = orjson.loads(data or b"{}")
    return found if isinstance(found, dict) else {}


def item_json(item: Held) -> bytes:
    """One item of a list: {id, kind, data, origin, via?, signature?, marks?, highlight?}."""
    extra: dict[str, object] = {}
    if item.signature != "absent":
        extra["signature"] = item.signature
    if item.marks:
        extra["marks"] = item.marks
    if item.highlight:
        extra["highlight"] = item.highlight
    return record_json(item.entry, extra)


def highlight(matches: Matcher, data: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Where the words of a query stand in a record: {field, text, matches: [[from, to], ...]}, in characters.

    Two members at most, the title first. The text is plain: whoever shows it as HTML escapes it.
    """
    shown: list[Mapping[str, Any]] = []
    for name in _TEXTS:
        text = data.get(name)
        if isinstance(text, str):
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
    chosen = (
        select(_record.c.publisher, _record.c.id, _record.c.data)
        .where(_record.c.publisher.in_(list(publishers)), _record.c.kind == "organisation", ~_record.c.deleted)
        .order_by(_record.c.row.desc())
    )
    rows = session.connection().execute(chosen)
    own = (row for row in rows if row.id.endswith(f"/organisation/{row.publisher}"))
    return {row.publisher: str(orjson.loads(row.data).get("name", row.publisher)) for row in own}


def state(session: Reading) -> str:
    """Changes whenever a row that a list shows could: the log's latest number and the nodes that mark records."""
    rows = session.connection().execute(_STATE).all()
    nodes = ".".join(f"{row.id}{row.state[:1]}" for row in rows if row.id is not None)
    return f"{rows[0].n if rows else 0}.{nodes}"


_STATE = (
    select(_counter.c.n, _node.c.id, _node.c.state)
    .outerjoin(_node, _node.c.state.in_(_NODE_MARKS))
    .order_by(_node.c.id)
)


def last_changed(session: Reading) -> datetime | None:
    """When the log last changed: the time of a feed without entries."""
    chosen = select(_record.c.changed).order_by(_record.c.number.desc()).limit(1)
    return session.connection().execute(chosen).scalar_one_or_none()
