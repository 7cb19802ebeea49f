"""A register with the schema's own field names: a table with dotted columns (`suppliers.0.name`), JSON or NDJSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from exchange.cells import heading
from exchange.columns import AROUND
from exchange.drafts import Draft, Problems, PublisherFacts, RowReader
from exchange.extras import Extras
from exchange.links import LINKS, guessed, linked
from exchange.money import read_money
from exchange.shape import Leaf, leaf
from exchange.suppliers import read_flag
from exchange.table import Columns, Table
from schema.base import MAX_NUMBER

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_SEPARATOR = re.compile(r"\s*[;|\n]\s*")
_MONEY = frozenset({"amount", "minimum", "maximum", "min", "max", "irrecoverableVat"})
_MISSING = object()


def score(header: Sequence[str], kind: str) -> int:
    """Score a header, two for each of its columns that the kind knows, one more where all are spelt as in the schema.

    0 where neither a title nor a name is among them.
    """
    found = [(title.strip(), known) for title in header if title.strip() and (known := leaf(kind, title))]
    if not any(known.path in {("title",), ("name",)} for _, known in found):
        return 0
    exact = all(title == ".".join(map(str, known.path)) for title, known in found)
    return 2 * len({known.path for _, known in found}) + exact


def read(table: Table, kind: str, publisher: PublisherFacts, problems: Problems) -> list[Draft]:
    """Read every row of a table."""
    leaves: dict[str, Leaf] = {}
    places: dict[str, list[int]] = {}
    for place, title in enumerate(table.header):
        known = leaf(kind, title) if title.strip() else None
        if known:
            leaves[known.pointer] = known
            places.setdefault(known.pointer, []).append(place)
    columns = Columns(table, places)
    around = set(range(len(AROUND))) if table.header[: len(AROUND)] == AROUND else set()  # a file of our own export
    extras = Extras(table, around.union(*places.values()), problems)
    return [_row(RowReader(columns, row, problems, publisher), kind, leaves, extras) for row in table.rows]


def _row(reader: RowReader, kind: str, leaves: dict[str, Leaf], extras: Extras) -> Draft:
    values: dict[tuple[str | int, ...], Any] = {}
    columns: dict[tuple[str | int, ...], str] = {}
    for name, known in leaves.items():
        if known.path == ("reference",):
            reader.draft.reference = reader.line(name, "/reference")
            continue
        if known.path in {("title",), ("name",)}:
            reader.draft.fed[known.pointer] = reader.columns.header(name)
        value = _value(reader, kind, name, known)
        if value is not _MISSING:
            values[known.path] = value
            columns[known.path] = reader.columns.header(name)
    _spread(values)
    data, paths = _grown(values)
    reader.draft.data = data
    for path, at in paths.items():
        if path in columns:
            reader.draft.fed[at] = columns[path]
    extras.keep(reader, data)
    return reader.draft


def _spread(values: dict[tuple[str | int, ...], Any]) -> None:
    """Put a range that stood in the amount's column where ranges stand."""
    amount = values.get(("value", "amount"))
    if isinstance(amount, dict):
        del values["value", "amount"]
        values.update({("value", name): number for name, number in amount.items()})


def _grown(values: dict[tuple[str | int, ...], Any]) -> tuple[dict[str, Any], dict[tuple[str | int, ...], str]]:
    """Build the record; list places that no cell fills are closed up. Gives also path -> JSON pointer as built."""
    used: dict[tuple[str | int, ...], list[int]] = {}
    for path in values:
        for depth, step in enumerate(path):
            if isinstance(step, int) and step not in used.setdefault(path[:depth], []):
                used[path[:depth]].append(step)
    data: dict[str, Any] = {}
    pointers = {}
    for path, value in values.items():
        steps = [sorted(used[path[:d]]).index(s) if isinstance(s, int) else s for d, s in enumerate(path)]
        _plant(data, steps, value)
        pointers[path] = "".join(f"/{step}" for step in steps)
    return _listed(data), pointers


def _plant(node: dict[Any, Any], steps: list[Any], value: Any) -> None:
    for step in steps[:-1]:
        node = node.setdefault(step, {})
    node[steps[-1]] = value


def _listed(node: Any) -> Any:
    """Turn objects whose members are list places into lists."""
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(name, int) for name in node):
        return [_listed(node[place]) for place in sorted(node)]
    return {name: _listed(member) for name, member in node.items()}


def _value(reader: RowReader, kind: str, name: str, known: Leaf) -> Any:
    """Read one cell as the sort of value that its column leads to; _MISSING where it is empty or left out."""
    if known.sort == "date":
        return reader.date(name, known.pointer) or _MISSING
    if known.sort in {"text", "line"}:
        text = _text(reader, name, known)
        return _link(reader, kind, name, known, _code(text, known)) if text else _MISSING
    text = reader.cell(name)
    if not text:
        return _MISSING
    value = _typed(reader, kind, name, known, text)
    if value is _MISSING:
        reader.warn(
            name, "It cannot be read; it is left out.", value=text, pointer=known.pointer, expected=_expected(known)
        )
    return value


def _expected(known: Leaf) -> str:
    if known.members:
        path = ".".join(map(str, (*known.path, 0) if known.sort == "list" else known.path))
        return f"a column for each part: {', '.join(f'{path}.{name}' for name in known.members)}"
    told = {"flag": "Yes or No", "number": "a number", "whole": "a whole number"}
    return told.get(known.sort, known.sort)


def _text(reader: RowReader, name: str, known: Leaf) -> str:
    if known.path[-1] == "email":  # judged with the whole contact, by exchange/candidates.py
        return reader.cell(name)
    return reader.text(name, known.pointer) if known.sort == "text" else reader.line(name, known.pointer)


def _code(text: str, known: Leaf) -> str:
    """Give a code of a closed list in its own spelling."""
    return {heading(code): code for code in known.codes}.get(heading(text), text)


def _typed(reader: RowReader, kind: str, name: str, known: Leaf, text: str) -> Any:
    if known.sort == "flag":
        flag = read_flag(text)
        return _MISSING if flag is None else flag
    if known.sort == "whole":
        number = float(text) if _NUMBER.fullmatch(text) else 0.5
        return int(number) if number.is_integer() and abs(number) <= MAX_NUMBER else _MISSING
    if known.sort == "number":
        return _number(reader, name, known, text)
    if text[0] in "[{":
        return _json(text, list if known.sort == "list" else dict)
    if known.sort == "list" and known.item in {"line", "text"}:
        parts = [_code(part, known) for part in _SEPARATOR.split(text) if part]
        linked = [_link(reader, kind, name, known, part) for part in parts]
        return [part for part in linked if part is not _MISSING]
    return _MISSING


def _number(reader: RowReader, name: str, known: Leaf, text: str) -> Any:
    if _NUMBER.fullmatch(text):
        number = float(text)
        value: Any = int(number) if number.is_integer() and abs(number) < 2**53 else number
    elif known.path[-1] in _MONEY and (money := read_money(text)):
        value = money.amount
        if value is None and known.path == ("value", "amount"):
            return {k: v for k, v in (("minimum", money.minimum), ("maximum", money.maximum)) if v is not None}
    else:
        return _MISSING
    if value is not None and value < 0 and known.path == ("value", "amount"):
        reader.warn(name, "The value is negative; it is kept as told.", value=text, expected="0 or more",
                    pointer=known.pointer, code="negative")  # fmt: skip
    return _MISSING if value is None else value


def _json(text: str, wanted: type) -> Any:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _MISSING
    return value if isinstance(value, wanted) else _MISSING


def _link(reader: RowReader, kind: str, name: str, known: Leaf, text: str) -> Any:
    """Make the id of a record from a reference of the same publisher; an id stays as it is."""
    kinds = LINKS.get(kind, {}).get(str(known.path[0]))
    if not kinds or known.path[2:]:
        return text
    found = linked(text, kinds, reader.publisher.id_prefix)
    expected = "an id, or " + " or ".join(f"{one}/reference" for one in kinds)
    if found is None:
        reader.warn(name, "This is neither an id nor a reference; it is left out.", value=text, pointer=known.pointer,
                    expected=expected, code="link")  # fmt: skip
    elif kind_ := guessed(text, kinds):
        reader.warn(name, f"It is taken for the reference of a {kind_}.", value=text, pointer=known.pointer,
                    expected=expected, code="link")  # fmt: skip
    return _MISSING if found is None else found
