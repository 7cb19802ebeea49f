"""Records as flat rows: dotted columns (`value.amount`, `suppliers.0.name`) for CSV.

A member of `data` is a column of its own name; `id`, `kind`, `publisher` and what is around the record come first. A
text that a spreadsheet would run as a formula gets an apostrophe before it; numbers never do, so -5 stays -5.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import Any

import orjson

from schema.kinds import KINDS

Row = dict[str, str]
AROUND = ("id", "kind", "publisher", "published", "marks")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_IN_MEMORY = 8_000_000


def row(item: Mapping[str, Any]) -> Row:
    """One record, a list item {id, kind, data, origin, marks?}, as cells by column."""
    origin = item.get("origin") or {}
    cells: Row = {
        "id": _cell(item.get("id")),
        "kind": _cell(item.get("kind")),
        "publisher": _cell(origin.get("publisher")),
        "published": _cell(origin.get("time")),
        "marks": " ".join(item.get("marks", ())),
    }
    for name, value in _flat(item.get("data") or {}, ""):
        cells[f"data.{name}" if name in AROUND else name] = _cell(value)
    return cells


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for position, inner in enumerate(value):
            yield from _flat(inner, f"{path}.{position}" if path else str(position))
    elif path:
        yield path, value


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
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
        parts = tuple((int(part), "") if part.isdecimal() else (-1, part) for part in column.split("."))
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
        columns: set[str] = set(AROUND)
        for item in items:
            cells = row(orjson.loads(item))
            columns.update(cells)
            waiting.write(orjson.dumps(cells) + b"\n")
        waiting.seek(0)
        header = order(columns)
        yield b"\xef\xbb\xbf" + _line([_cell(column) for column in header])
        for line in waiting:
            cells = orjson.loads(line)
            yield _line([cells.get(column, "") for column in header])


def _line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
