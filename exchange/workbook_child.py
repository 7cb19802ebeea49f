"""The process that opens somebody else's workbook: limited in memory and time, so that it dies alone.

Run as `python -m exchange.workbook_child PID` by the process of that number: the workbook comes on standard input, JSON
lines go out: {"sheet": name, "visible": bool, "formulas": [[row, column], ...], "unstored": [[row, column], ...]}, then
{"row": n, "cells": [...]} for each row of that sheet that is not blank, and {"end": true} when all was read. Every cell
is text: a date is ISO 8601, a whole number has no point. `unstored` are formulas whose result the file does not hold:
they read as empty.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterable
from typing import Any, NamedTuple

from exchange import children
from exchange.tabular import MOST_COLUMNS, MOST_ROWS

MEMORY = 1 << 30
CPU_SECONDS = 60
OUTPUT = 256 << 20
# Each looks at a byte once, whatever stands there: a sheet of half-open tags must not cost more than a long one.
# Some programs give each name a prefix (<x:c>).
_CELL = re.compile(rb"<(?:\w{1,20}:)?c\b([^<>]*)>([^<]*(?:<(?!/?(?:\w{1,20}:)?c\b)[^<]*)*)")
_PLACE = re.compile(rb'\br="([A-Z]{1,3})([0-9]{1,7})"')
_FORMULA = re.compile(rb"<(?:\w{1,20}:)?f[\s/>]")
_VALUE = re.compile(rb"<(?:\w{1,20}:)?v\b[^<>]*>([^<]*)")
_ERROR = re.compile(rb"#.{1,20}", re.DOTALL)
_SHEET = re.compile(r"<(?:\w+:)?sheet\b[^<>]*>")
_RELATION = re.compile(r"<(?:\w+:)?Relationship\b[^<>]*>")


def as_text(value: Any) -> str:
    """Write a cell's value as text, the same whatever number format the sheet shows it in."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time()
        return value.date().isoformat() if midnight else value.isoformat(timespec="seconds")
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return str(value)


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return found.group(1) if found else ""


def sheet_parts(archive: zipfile.ZipFile) -> list[str]:
    """Name the member of the archive that holds each sheet, in the workbook's order ("" where it is not told)."""
    book = archive.read("xl/workbook.xml").decode("utf-8", "replace")
    try:
        relations = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
    except KeyError:
        return []
    targets = {_attribute(tag, "Id"): _attribute(tag, "Target") for tag in _RELATION.findall(relations)}
    wanted = [targets.get(_attribute(tag, "r:id"), "") for tag in _SHEET.findall(book)]
    return [t.removeprefix("/") if t.startswith("/") else f"xl/{t}" for t in wanted]


class Marks(NamedTuple):
    """What the reader does not tell of cells, by (row from 1, column from 0)."""

    formulas: list[tuple[int, int]]
    unstored: list[tuple[int, int]]
    errors: dict[tuple[int, int], str]


def marks(xml: bytes) -> Marks:
    """Find computed cells, those of them whose result is not in the file, and error cells (`#REF!`)."""
    found = Marks([], [], {})
    if b"<f" not in xml and b":f" not in xml and b't="e"' not in xml:
        return found
    for cell in _CELL.finditer(xml):
        tag, inner = cell.groups()
        formula = _FORMULA.search(inner)
        if formula is None and b">#" not in inner:
            continue
        named = _PLACE.search(tag)
        if named is None or tag.endswith(b"/"):
            continue
        column = 0
        for letter in named[1]:
            column = column * 26 + letter - 64
        place = (int(named[2]), column - 1)
        value = _VALUE.search(inner)
        text = value[1].strip() if value else b""
        if formula:
            # An empty text is a result too, and then the cell says that it holds a text.
            stored = text or (value and b't="str"' in tag)
            (found.formulas if stored else found.unstored).append(place)
        if _ERROR.fullmatch(text):
            found.errors[place] = text.decode("ascii", "replace")
    return found


def lines(body: bytes) -> Iterable[dict[str, Any]]:
    """Yield the messages of the module's docstring for one workbook."""
    # Imported here: the limits must stand before the library loads.
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum  # noqa: PLC0415

    book = CalamineWorkbook.from_filelike(io.BytesIO(body))
    archive = zipfile.ZipFile(io.BytesIO(body))
    parts = sheet_parts(archive)
    for place, meta in enumerate(book.sheets_metadata):
        if meta.typ != SheetTypeEnum.WorkSheet:
            continue
        part = parts[place] if place < len(parts) else ""
        formulas, unstored, errors = marks(archive.read(part) if part in archive.namelist() else b"")
        visible = meta.visible == SheetVisibleEnum.Visible
        yield {"sheet": meta.name, "visible": visible, "formulas": formulas, "unstored": unstored}
        if visible:
            sheet = book.get_sheet_by_index(place)
            # Before a list of each is made. What the library calls the whole height is the place of the last row.
            if sheet.total_height >= MOST_ROWS or sheet.total_width >= MOST_COLUMNS:
                raise ValueError(f"the sheet '{meta.name}' has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns")
            rows = sheet.to_python(skip_empty_area=False)
            for number, cells in enumerate(rows, 1):
                texts = [errors.get((number, column)) or as_text(cell) for column, cell in enumerate(cells)]
                if any(texts):
                    yield {"row": number, "cells": texts}
    yield {"end": True}


def main() -> int:
    """Set the limits, read standard input, write standard output. Gives 0, or how it ended and says why on stderr."""
    children.confine(memory=MEMORY, seconds=CPU_SECONDS, output=OUTPUT)
    body = sys.stdin.buffer.read()
    try:
        for message in lines(body):
            sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - a parser in Rust panics with what is no `Exception`
        sys.stderr.write(str(error)[:300])
        return children.ending(error) or children.UNREADABLE
    return 0


if __name__ == "__main__":
    children.end_with_parent()
    children.leave(main())
