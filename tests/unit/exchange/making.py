"""Registers made for tests: rows of cells in, a `Reading` out, by way of the bytes of a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import xlsxwriter  # type: ignore[import-untyped]

from exchange.identity import Published
from exchange.reading import PublisherFacts, Reading, read_register
from exchange.report import RowFault

EXA = PublisherFacts("GB-LAE-EXA", "Exampleshire County Council", "https://moot.exampleshire.example/id/GB-LAE-EXA/")
CONTRACT = f"{EXA.id_prefix}contract/"
Rows = Sequence[Mapping[str, str]]


def csv_of(rows: Rows, delimiter: str = ",", header: Sequence[str] | None = None) -> str:
    """Write rows as CSV text; the header is all their names unless given."""
    names = list(header or dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return out.getvalue()


def xlsx_of(sheets: Mapping[str, Sequence[Sequence[Any]]], hidden: Sequence[str] = ()) -> bytes:
    """Write sheets of cells as a workbook; dates become Excel dates, texts that begin with = formulas."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "dd/mm/yyyy"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for place, cells in enumerate(rows):
            sheet.write_row(place, 0, cells)
        if name in hidden:
            sheet.hide()
    book.close()
    return out.getvalue()


def read(body: bytes | str, *, kind: str = "contract", published: Published | None = None, **more: Any) -> Reading:
    """Read bytes, or text as UTF-8, as Exampleshire's register."""
    data = body.encode() if isinstance(body, str) else body
    return read_register(
        data, filename=more.pop("filename", "register.csv"), kind=kind, publisher=EXA, published=published, **more
    )


def read_rows(rows: Rows, **more: Any) -> Reading:
    """Read rows by way of CSV."""
    return read(csv_of(rows), **more)


def row(**cells: str) -> dict[str, str]:
    """Make a row of the LGA layout that lacks nothing; each cell can be given by its column's name."""
    return {
        "ContractReference": "EXA-1",
        "ContractTitle": "Grounds maintenance",
        "SupplierName": "Acme Lawns Ltd",
        "StartDate": "01/04/2025",
        "EndDate": "31/03/2027",
        "ContractValue": "12,000.00",
    } | cells


def one(reading: Reading) -> dict[str, Any]:
    """Give the data of the only record."""
    assert len(reading.records) == 1, reading.report.problems
    return reading.records[0].data


def problem(reading: Reading, column: str) -> RowFault:
    """Give the only problem of a column."""
    found = [fault for fault in reading.report.problems if fault.column == column]
    assert len(found) == 1, reading.report.problems
    return found[0]


def live(reading: Reading) -> dict[str, dict[str, Any]]:
    """Give what would be published after this reading: id -> data."""
    return {record.id: record.data for record in reading.records}
