"""Records as flat rows: dotted columns (`value.amount`, `suppliers.0.name`) for CSV and workbooks.

A member of `data` is a column of its own name; `id`, `kind`, `publisher` and what is around the record come first. A
text that a spreadsheet would run as a formula gets an apostrophe before it; numbers never do, so -5 stays -5.

Every row is as long as the header, so one record with 20,000 members would make a million others longer. A table has
`MOST` columns at most: those that most records have. A member that does not fit stands whole in the last, `more`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import orjson

from exchange.cells import csv_line, guarded
from schema.kinds import KINDS

Row = dict[str, str]
AROUND = ("id", "kind", "publisher", "published", "marks")
MORE = "more"
"""The last column, where there are members that fit into no other: these by name, as a JSON object."""
MOST = 1_000
"""Columns that a table has at most: as many as an import reads (`exchange/tabular.py`)."""
LONGEST = 250
"""Characters that the name of a column has at most."""
_RESERVED = frozenset((*AROUND, MORE))
_REMEMBERED = 20_000
"""Names of columns to remember; above it, all but the `MOST` most frequent are forgotten."""
_IN_MEMORY = 8_000_000
_AT_ONCE = 60_000
_LONG = 10
"""Digits of a place in a list that are no longer a number to sort by."""


def row(item: Mapping[str, Any]) -> Row:
    """One record, a list item {id, kind, data, origin, marks?}, as cells by column."""
    return {column: _cell(value) for column, value in values(item).items()}


def values(item: Mapping[str, Any]) -> dict[str, Any]:
    """One record's plain values (texts, numbers, booleans; {} and [] where nothing is in them) by column."""
    origin = item.get("origin") or {}
    found: dict[str, Any] = {
        "id": item.get("id"),
        "kind": item.get("kind"),
        "publisher": origin.get("publisher"),
        "published": origin.get("time"),
        "marks": " ".join(item.get("marks", ())),
    }
    _fill(found, item.get("data") or {}, "")
    return found


def _fill(found: dict[str, Any], value: Any, path: str) -> None:
    """Put a member, and all that is in it, under its columns; what is in one whose name is too long stays together."""
    opens = value and len(path) <= LONGEST
    if opens and isinstance(value, dict):
        for name, inner in value.items():
            _fill(found, inner, f"{path}.{name}" if path else name)
    elif opens and isinstance(value, list):
        for position, inner in enumerate(value):
            _fill(found, inner, f"{path}.{position}" if path else str(position))
    elif path:
        found[f"data.{path}" if path in _RESERVED else path] = value


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return guarded(value)
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode()


def order(columns: Iterable[str]) -> list[str]:
    """Columns as people look for them: what is around the record, members as the schema orders them, then the rest."""
    ranks = _ranks()

    def rank(column: str) -> tuple[int, tuple[tuple[int, str], ...]]:
        head = column.partition(".")[0]
        parts = tuple(
            (int(part), "") if part.isdecimal() and len(part) < _LONG else (-1, part) for part in column.split(".")
        )
        return ranks.get(column, ranks.get(head, len(ranks))), parts

    return sorted(set(columns), key=rank)


def _ranks() -> dict[str, int]:
    names = list(AROUND)
    for model in KINDS.values():
        names += [field.alias or name for name, field in model.model_fields.items()]
    return {name: position for position, name in enumerate(dict.fromkeys(names))}


def csv_lines(items: Iterable[bytes]) -> Iterator[bytes]:
    """A CSV of list items (JSON), its header first. The columns are known when all items were seen, so the items wait.

    They wait in memory, or in a temporary file when there is much of them.
    """
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as waiting:
        columns = gathered(items, waiting)
        yield b"\xef\xbb\xbf"
        yield from encoded([_cell(column) for column in columns], _rows(laid_out(waiting, columns), columns))


def gathered(items: Iterable[bytes], waiting: IO[bytes]) -> list[str]:
    """Put list items (JSON) by, a line each, and give the columns of their table in order."""
    seen: Counter[str] = Counter(AROUND)
    left_out = False
    for item in items:
        read = orjson.loads(item)
        waiting.write(orjson.dumps(read) + b"\n")
        found = values(read)
        fitting = [name for name in found if len(name) <= LONGEST]
        seen.update(fitting)
        left_out = left_out or len(fitting) < len(found)
        if len(seen) > _REMEMBERED:
            seen, left_out = Counter(dict(seen.most_common(MOST))), True
    waiting.seek(0)
    columns = order(seen)
    if len(columns) <= MOST and not left_out:
        return columns
    most_frequent = sorted(columns, key=lambda name: -seen[name])[: MOST - 1]  # of equals, what people look for first
    return [*order(most_frequent), MORE]


def laid_out(waiting: Iterable[bytes], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give the values of each item that was put by, by column."""
    known = frozenset(columns)
    for line in waiting:
        item = orjson.loads(line)
        found = values(item)
        if MORE in known:
            found[MORE] = _beyond(item.get("data") or {}, known)
        yield found


def _beyond(data: Mapping[str, Any], columns: frozenset[str]) -> str:
    """The members of which not all has a column, as JSON; nothing where there are none."""
    left: dict[str, Any] = {}
    for name, member in data.items():
        parts: dict[str, Any] = {}
        _fill(parts, member, name)
        if not parts.keys() <= columns:
            left[name] = member
    return orjson.dumps(left).decode() if left else ""


def _rows(items: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[list[str]]:
    for item in items:
        cells = {name: _cell(value) for name, value in item.items()}
        yield [cells.get(name, "") for name in columns]


def encoded(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Write rows as CSV (RFC 4180, UTF-8), many at a time."""
    lines, size = [csv_line(header)], 0
    for cells in rows:
        lines.append(csv_line(cells))
        size += len(lines[-1])
        if size > _AT_ONCE:
            yield "".join(lines).encode()
            lines, size = [], 0
    yield "".join(lines).encode()
