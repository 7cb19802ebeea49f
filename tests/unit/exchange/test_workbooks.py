"""Workbooks: read in a child process after a look at the archive."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import resource
import zipfile
from datetime import date
from typing import IO, Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]

from exchange import children, drafts, workbook, workbook_child
from exchange.tabular import MOST_COLUMNS, MOST_ROWS
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
    computed = problem(reading, "ContractValue")
    assert (computed.row, computed.code) == (4, "computed")
    assert (problem(reading, "EndDate").row, problem(reading, "EndDate").code) == (4, "error-cell")


def test_a_computed_cell_is_told_at_its_own_row() -> None:
    """Once a column and sheet, at the first cell of which nothing else is told; others are named by their rows."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    for name, references in {"2025": ["A", "B", "C"], "2026": ["D"]}.items():
        sheet = book.add_worksheet(name)
        sheet.write_row(0, 0, HEADER)
        for place, reference in enumerate(references, 1):
            sheet.write_row(place, 0, [reference, *CELLS[1:3]])
            value: Any = "much" if reference == "A" else 5
            sheet.write_formula(place, 5, "=2+3", None, value)
    book.close()
    reading = read(out.getvalue())
    assert [(f.sheet, f.row, f.column, f.code) for f in reading.report.problems] == [
        ("2025", 2, "ContractValue", "money"),
        ("2025", 3, "ContractValue", "computed"),
        ("2026", 2, "ContractValue", "computed"),
    ]
    assert reading.report.problems[1].message == "2 computed cell(s), in row 3, 4: the stored result was taken."
    assert reading.report.warned == 3


def test_a_sheet_that_is_a_chart_is_passed_over() -> None:
    """A chart among the sheets is no register and moves none: formulas and rows stay with their own sheet."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    chart = book.add_chartsheet("Spending")
    sheet = book.add_worksheet("Register")
    sheet.write_row(0, 0, HEADER)
    sheet.write_row(1, 0, CELLS[:3])
    sheet.write_formula(1, 5, "=6000*2", None, 12000)
    bars: Any = book.add_chart({"type": "column"})
    bars.add_series({"values": "=Register!$F$2:$F$2"})
    chart.set_chart(bars)
    book.close()
    told = list(lines(out.getvalue()))
    assert [message["sheet"] for message in told if "sheet" in message] == ["Register"]
    assert told[0]["formulas"] == [(2, 5)]
    reading = read(out.getvalue())
    assert one(reading)["value"]["amount"] == 12000
    assert problem(reading, "ContractValue").code == "computed"


def test_a_formula_beyond_the_header_is_nobodys_column() -> None:
    """A computed cell right of the last column, in which nothing is shown, is neither told nor a fault of its row."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, HEADER)
    sheet.write_row(1, 0, CELLS[:3])
    nothing: Any = ""
    sheet.write_formula(1, 5, "=6000*2", None, 12000)
    sheet.write_formula(1, len(HEADER) + 2, '=IF(1,"")', None, nothing)
    book.close()
    reading = read(out.getvalue())
    assert one(reading)["value"]["amount"] == 12000
    assert [(f.column, f.code, f.message) for f in reading.report.problems] == [
        ("ContractValue", "computed", "1 computed cell(s), in row 2: the stored result was taken.")
    ]


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
    monkeypatch.setattr(workbook, "_run", lambda _spool, _out, _told: children.NO_ROOM)
    with pytest.raises(OSError, match="disk"):
        read(book)


def test_the_rows_of_a_workbook_wait_as_they_came() -> None:
    """They are read anew each time, the blank ones between them too, each sheet its own; none is kept as a row."""
    said: list[dict[str, object]] = [
        {"sheet": "A", "visible": True, "formulas": [], "unstored": []},
        {"row": 2, "cells": ["x"]}, {"row": 4, "cells": ["y"]},
        {"sheet": "B", "visible": True, "formulas": [[1, 0]], "unstored": [[3, 1]]},
        {"row": 1, "cells": ["z"]}, {"end": True},
    ]  # fmt: skip
    one_, two = workbook._sheets(json.dumps(message).encode() for message in said)
    for _ in range(2):
        assert [(row_.number, list(row_.cells)) for row_ in one_.rows] == [(1, []), (2, ["x"]), (3, []), (4, ["y"])]
        assert [tuple(row_) for row_ in two.rows] == [(1, ["z"], "B")]
    assert not isinstance(one_.rows, list)
    assert (two.formulas, two.unstored) == ({(1, 0)}, {(3, 1)})


def _far(row_: int, column: int) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet("Register")
    sheet.write_row(0, 0, HEADER)
    sheet.write(row_, column, "far")
    book.close()
    return out.getvalue()


@pytest.mark.parametrize(("row_", "column"), [(20, 0), (1, 10)])
def test_a_sheet_beyond_what_is_read_is_told_before_it_is_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], row_: int, column: int
) -> None:
    """The child names the sheet that has too many rows or columns, and gives none of them."""
    monkeypatch.setattr(workbook_child, "MOST_ROWS", 20)
    monkeypatch.setattr(workbook_child, "MOST_COLUMNS", 10)
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr("sys.stdin", _Pipe(_far(row_, column)))
    assert main() == children.UNREADABLE
    told = capsys.readouterr()
    assert told.err == "the sheet 'Register' has more than 20 rows or 10 columns"
    assert [json.loads(line) for line in told.out.splitlines()] == [
        {"sheet": "Register", "visible": True, "formulas": [], "unstored": []}
    ]


def test_one_column_more_than_is_read_is_too_many() -> None:
    """A sheet as wide as is read is read; with one column more it is refused by its name and by the bounds."""
    assert len(read(_far(1, MOST_COLUMNS - 1)).refused) == 1  # the row has no title
    with pytest.raises(Malformed, match=r"sheet 'Register' has more than 500000 rows or 1000 columns\.$"):
        read(_far(1, MOST_COLUMNS))


@pytest.mark.parametrize(("number", "width"), [(MOST_ROWS + 1, 1), (1, MOST_COLUMNS + 1)])
def test_what_the_child_says_is_bounded_too(monkeypatch: pytest.MonkeyPatch, number: int, width: int) -> None:
    """A child that a workbook has taken over cannot fill the memory of the server with rows and columns."""

    def taken_over(_spool: IO[bytes], out: IO[bytes], _told: IO[bytes]) -> int:
        said = (
            {"sheet": "R", "visible": True, "formulas": [], "unstored": []},
            {"row": number, "cells": ["x"] * width},
            {"end": True},
        )
        out.writelines(json.dumps(message).encode() + b"\n" for message in said)
        return os.EX_OK

    monkeypatch.setattr(workbook, "_run", taken_over)
    with pytest.raises(Malformed, match=r"^The sheet 'R' has more than 500000 rows or 1000 columns\.$"):
        read(xlsx_of({"R": [HEADER, CELLS]}))


def test_finds_marks_and_parts_in_the_raw_sheets() -> None:
    """Formulas and error cells are found by their place; sheets are found by their relations."""
    xml = b'<c r="B2"><f>A1</f><v>3</v></c><c r="AA10" t="e"><v>#N/A</v></c><c r="C3"/>'
    assert marks(xml) == ([(2, 1)], [], {(10, 26): "#N/A"})
    xml = b'<x:c r="A2"><x:f>B1</x:f><x:v>3</x:v></x:c><x:c r="B2" t="e"><x:f>1/0</x:f><x:v>#DIV/0!</x:v></x:c>'
    assert marks(xml) == ([(2, 0), (2, 1)], [], {(2, 1): "#DIV/0!"})
    xml = b'<c r="A2" t="inlineStr"><is><r><rPr><family val="2"/></rPr><t>a typeface is no formula</t></r></is></c>'
    assert marks(xml) == ([], [], {})


@pytest.mark.parametrize(
    ("cell", "stored"),
    [
        (b'<c r="F2"><f>6000*2</f><v></v></c>', False),
        (b'<c r="F2"><f>6000*2</f><v /></c>', False),
        (b'<c r="F2"><f>6000*2</f></c>', False),
        (b'<c r="F2" t="str"><f>A2</f></c>', False),
        (b'<c r="F2"><f t="shared" si="0"/></c>', False),
        (b'<x:c r="F2"><x:f>6000*2</x:f></x:c>', False),
        (b'<c r="F2" t="str"><f>IF(A2="","","")</f><v></v></c>', True),
        (b'<c r="F2"><f>6000*2</f><v>0</v></c>', True),
        (b'<c r="F2" t="b"><f>TRUE()</f><v>1</v></c>', True),
    ],
)
def test_a_formula_with_a_result_is_known_from_one_without(cell: bytes, *, stored: bool) -> None:
    """A result may be an empty text; where there is none at all, the program that wrote the file computed nothing."""
    assert marks(cell) == (([(2, 5)], [], {}) if stored else ([], [(2, 5)], {}))


def _uncomputed(rows: list[list[Any]], sheet: str = "Register") -> bytes:
    """Write a workbook as a program does that computes nothing: what begins with = is a formula without a result."""
    with zipfile.ZipFile(io.BytesIO(xlsx_of({sheet: rows}))) as book:
        members = {name: book.read(name) for name in book.namelist()}
    part = "xl/worksheets/sheet1.xml"
    members[part] = members[part].replace(b"</f><v>0</v>", b"</f><v></v>")
    return _archive(members)


def test_a_formula_without_its_result_is_told_at_its_cell() -> None:
    """It is not taken for an empty cell: each is told with what to do, in columns of the layout and in others."""
    more = [*CELLS[:5], "=6000*2", "=F2/2"]
    reading = read(_uncomputed([[*HEADER, "Spend"], more, ["EXA-2", *more[1:]], ["EXA-3", *CELLS[1:], 7]]))
    told = [(f.row, f.column, f.severity, f.code) for f in reading.report.problems if f.code != "extra-column"]
    assert told == [(row_, name, "warning", "no-result") for row_ in (2, 3) for name in ("ContractValue", "Spend")]
    (sentence,) = {f.message for f in reading.report.problems if f.code == "no-result"}
    assert sentence.startswith("A formula whose result the file does not hold: nothing is taken of it. Open the file")
    assert (reading.report.accepted, reading.report.warned) == (3, 2)
    assert ["value" in data for data in live(reading).values()] == [False, False, True]


def test_a_row_that_is_refused_for_such_a_formula_says_so() -> None:
    """Where the title is a formula without its result, that is what the error says, and not that there is no title."""
    reading = read(_uncomputed([HEADER, ["EXA-1", "=A2", *CELLS[2:]], [*["=A9"] * len(HEADER)]]))
    (error,) = [fault for fault in reading.report.problems if fault.severity == "error"]
    assert (error.row, error.column, error.code) == (2, "ContractTitle", "no-result")
    assert (reading.report.refused, reading.report.accepted) == (1, 0)
    # A row of nothing else is no row of the register, but is told of.
    assert {f.column for f in reading.report.problems if f.row == 3} == set(HEADER)


def test_a_header_of_such_formulas_is_told() -> None:
    """Where even the header is formulas without results, the error says why none was found."""
    with pytest.raises(Malformed, match=r"there is: nothing\. The file holds formulas without their results\. Open"):
        read(_uncomputed([["=A9"] * len(HEADER), ["=A9"] * len(HEADER)]))


def test_more_such_formulas_than_can_be_told_refuse_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence then says what is wrong with all of them."""
    monkeypatch.setattr(drafts, "MOST_PROBLEMS", 5)
    with pytest.raises(Malformed, match=r"^The file holds 6 formulas without their results\. Open the file"):
        read(_uncomputed([HEADER, *([f"EXA-{n}", *CELLS[1:5], "=1+1"] for n in range(6))]))
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
            {"sheet": "A", "visible": True, "formulas": [], "unstored": []},
            {"row": 1, "cells": ["a", "1"]},
            {"row": 3, "cells": ["b", "2027-03-31"]},
            {"sheet": "B", "visible": False, "formulas": [], "unstored": []},
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
