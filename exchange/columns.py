"""Records as flat rows: dotted columns (`value.amount`, `suppliers.0.name`) for CSV.

A member of `data` is a column of its own name; `id`, `kind`, `publisher` and what is around the record come first. A
text that a spreadsheet would run as a formula gets an apostrophe before it; numbers never do, so -5 stays -5.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from tempfile import SpooledTemporaryFile
from typing import Any

import orjson

from exchange.cells import guarded
from schema.kinds import KINDS

Row = dict[str, str]
AROUND = ("id", "kind", "publisher", "published", "marks")
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
    """Put a member, and all that is in it, under its columns."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            _fill(found, inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for position, inner in enumerate(value):
            _fill(found, inner, f"{path}.{position}" if path else str(position))
    elif path:
        found[f"data.{path}" if path in AROUND else path] = value


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
    """A CSV of list items (JSON), its header first. The columns are known when all items were seen, so the rows wait.

    They wait in memory, or in a temporary file when there is much of them.
    """
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as waiting:
        places = {name: place for place, name in enumerate(AROUND)}
        for item in items:
            cells = row(orjson.loads(item))
            for name in cells.keys() - places.keys():
                places[name] = len(places)
            waiting.write(orjson.dumps([cells.get(name, "") for name in places]) + b"\n")
        waiting.seek(0)
        header = order(places)
        yield b"\xef\xbb\xbf"
        yield from encoded([_cell(column) for column in header], _ordered(waiting, [places[name] for name in header]))


def _ordered(lines: Iterable[bytes], places: Sequence[int]) -> Iterator[Sequence[str]]:
    """Give the cells that wait, each row as long as all columns are many, in the order of the places."""
    ordered = itemgetter(*places)
    for line in lines:
        cells = orjson.loads(line)
        cells += [""] * (len(places) - len(cells))
        yield ordered(cells)


def encoded(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Write rows as CSV (RFC 4180, UTF-8), many at a time."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    for cells in rows:
        writer.writerow(cells)
        if text.tell() > _AT_ONCE:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()
