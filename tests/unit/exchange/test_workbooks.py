"""Workbooks: read in a child process after a look at the archive."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import resource
import zipfile
from datetime import date
from typing import Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]

from exchange import workbook, workbook_child
from exchange.workbook_child import as_text, lines, main, marks, sheet_parts
from schema.errors import Malformed
from tests.unit.exchange.making import csv_of, live, one, problem, read, row, xlsx_of

HEADER = list(row())
CELLS: list[Any] = ["EXA-1", "Grounds maintenance", "Acme Lawns Ltd", date(2025, 4, 1), date(2027, 3, 31), 12000]


def test_the_same_register_from_csv_and_from_a_workbook_is_the_same() -> None:
    """Dates, numbers, flags and unknown columns are the same records, under the same ids, from either file."""
    more = {"SMESupplier": "TRUE", "CompaniesHouseRegistrationNumber": "00123456", "Reviewed on": "28/03/2025"}
    book = xlsx_of({"Register": [[*HEADER, *more], [*CELLS, True, 123456, date(2025, 3, 28)]]})
    assert live(read(book)) == live(read(csv_of([row(**more)])))
    assert one(read(book))["value"]["amount"] == 12000


def test_visible_sheets_with_one_header_are_one_register() -> None:
    """Sheets with the same header are read together, hidden and other sheets are named as ignored."""
    second = ["EXA-2", *CELLS[1:4], "TBC", 5]
    book = xlsx_of(
        {
            "2025": [HEADER, CELLS],
            "2026": [HEADER, second],
            "Notes": [["About", "this"]],
            "Old": [HEADER, ["EXA-9", *CELLS[1:]]],
        },
        hidden=["Old"],
    )
    reading = read(book)
    assert [r.reference for r in reading.records] == ["EXA-1", "EXA-2"]
    assert reading.ignored_sheets == ["Notes", "Old"]
    assert [f.value for f in reading.report.problems if f.code == "ignored-sheet"] == ["Notes", "Old"]
    assert "2026" in str(problem(reading, "EndDate").as_dict()["message"])
    assert reading.report.warned == 1


def test_serials_and_computed_and_broken_cells_are_told() -> None:
    """A serial in a date column is a date; a formula gives its stored result and is told; #REF! is left out."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet()
    sheet.write_row(2, 1, HEADER)
    sheet.write_row(3, 1, ["EXA-1", "Grounds", "Acme", 45748])
    broken: Any = "#DIV/0!"
    sheet.write_formula(3, 5, "=1/0", None, broken)
    sheet.write_formula(3, 6, "=6000*2", None, 12000)
    book.close()
    reading = read(out.getvalue())
    data = one(reading)
    assert (data["startDate"], data["value"]["amount"], data.get("endDate")) == ("2025-04-01", 12000, None)
    assert problem(reading, "ContractValue").code == "computed"
    assert {f.code for f in reading.report.problems if f.column == "EndDate"} == {"computed", "error-cell"}


def _archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"\xd0\xcf\x11\xe0" + bytes(100), "old .xls"),
        (xlsx_of({"A": [HEADER, CELLS]})[:-40], "damaged"),
        (_archive({"word/document.xml": b"<x/>"}), "not an XLSX"),
        (_archive({"xl/workbook.xml": b"<x/>"} | {f"p{n}": b"" for n in range(60)}), "parts"),
        (_archive({"xl/workbook.xml": b"<x/>", "bomb": bytes(50_000_000)}), "100 to 1"),
        (_archive({"xl/workbook.xml": b"<workbook/>"}), "cannot be read"),
    ],
)
def test_refuses_archives_that_are_no_registers(body: bytes, sentence: str) -> None:
    """Old, cut-off, foreign, crowded and over-packed archives are refused with a sentence that says which."""
    with pytest.raises(Malformed, match=sentence):
        read(body)


def test_refuses_an_archive_that_claims_to_be_huge(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a workbook would unpack to is bounded before anything is unpacked."""
    monkeypatch.setattr(workbook, "MOST_BYTES", 1_000)
    with pytest.raises(Malformed, match="200 MB"):
        read(xlsx_of({"A": [HEADER, CELLS]}))


def test_a_sparse_workbook_kills_only_its_child() -> None:
    """Two cells at the corners of a sheet would fill the memory: the child dies of it, the reader says so."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, HEADER)
    sheet.write(1_048_575, 16_383, "far")
    book.close()
    with pytest.raises(Malformed, match="memory"):
        read(out.getvalue())


def test_a_child_that_hangs_or_breaks_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too long a reading, and an answer without its end, are Malformed too."""
    book = xlsx_of({"A": [HEADER, CELLS]})
    monkeypatch.setattr(workbook, "WALL_SECONDS", 0.001)
    with pytest.raises(Malformed, match="longer"):
        read(book)
    monkeypatch.setattr(workbook, "_run", lambda _spool, _out, _told: os.EX_OK)
    with pytest.raises(Malformed, match="to its end"):
        read(book)


def test_finds_marks_and_parts_in_the_raw_sheets() -> None:
    """Formulas and error cells are found by their place; sheets are found by their relations."""
    xml = b'<c r="B2"><f>A1</f><v>3</v></c><c r="AA10" t="e"><v>#N/A</v></c><c r="C3"/>'
    assert marks(xml) == ([(2, 1)], {(10, 26): "#N/A"})
    with zipfile.ZipFile(io.BytesIO(xlsx_of({"One": [["a"]], "Two": [["b"]]}))) as archive:
        assert sheet_parts(archive) == ["xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"]
    with zipfile.ZipFile(io.BytesIO(_archive({"xl/workbook.xml": b"<sheets/>"}))) as archive:
        assert sheet_parts(archive) == []


def test_cells_are_the_same_text_whatever_their_format() -> None:
    """Whole numbers have no point, midnight has no time, truth is TRUE."""
    midnight, later = (dt.datetime.combine(date(2027, 3, 31), time) for time in (dt.time(), dt.time(9, 5)))
    values = [True, 12.0, 0.1, 1e20, midnight, later, dt.time(9, 5), "x"]
    told = ["TRUE", "12", "0.1", "1e+20", "2027-03-31", "2027-03-31T09:05:00", "09:05:00", "x"]
    assert [as_text(value) for value in values] == told


class _Pipe:
    def __init__(self, body: bytes) -> None:
        self.buffer = io.BytesIO(body)


def test_the_child_sets_its_limits_before_it_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Memory, processor time, output and core are bounded; the answer ends with an end, or with a code and a reason."""
    limits: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    book = xlsx_of({"A": [["a", 1], ["", ""], ["b", date(2027, 3, 31)]], "B": [["x"]]}, hidden=["B"])
    monkeypatch.setattr("sys.stdin", _Pipe(book))
    assert main() == 0
    out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (
        out
        == list(lines(book))
        == [
            {"sheet": "A", "visible": True, "formulas": []},
            {"row": 1, "cells": ["a", "1"]},
            {"row": 3, "cells": ["b", "2027-03-31"]},
            {"sheet": "B", "visible": False, "formulas": []},
            {"end": True},
        ]
    )
    assert limits[resource.RLIMIT_AS][0] == 1 << 30
    assert limits[resource.RLIMIT_CPU][0] == 60
    monkeypatch.setattr("sys.stdin", _Pipe(b"PK"))
    assert main() == 3
    assert capsys.readouterr().err

    def _greedy(_body: bytes) -> list[dict[str, object]]:
        raise MemoryError

    monkeypatch.setattr("sys.stdin", _Pipe(b""))
    monkeypatch.setattr(workbook_child, "lines", _greedy)
    assert main() == 4
