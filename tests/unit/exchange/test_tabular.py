"""Bytes to rows: encodings, delimiters, line ends, and files that are cut off."""

from __future__ import annotations

import pytest

from exchange import tabular
from exchange.sources import opened
from exchange.tabular import read_csv
from schema.errors import Malformed
from tests.unit.exchange.making import csv_of, one, problem, read, row

POUND = csv_of([row(ContractTitle="Caf\u00e9 \u2013 \u00a31m lease")])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_reads_the_encodings_that_councils_use(encoding: str) -> None:
    """The same text in UTF-8, UTF-16 with its mark or Windows-1252 is the same record."""
    assert one(read(POUND.encode(encoding)))["title"] == "Caf\u00e9 \u2013 \u00a31m lease"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (POUND.encode("utf-16-le"), "NUL"),
        (POUND.encode("utf-32"), "UTF-32"),
        (POUND.encode() + "\u00a35\r\n".encode("cp1252"), "part UTF-8"),
        (POUND.encode("utf-16")[:-1], "breaks off"),
        ("title,b\r\nx\x00y,1\r\n".encode("utf-16"), "NUL characters: it is not a table of text"),
        (b"\xef\xbb\xbfa,b\r\n\xa3,1\r\n", "not"),
        (b"a,b\r\n\x81,1\r\n", "neither"),
        (b"a,b\r\n\x9c500,1\r\n", "DOS"),
        ("a,b\rthe council\u2019s,1\r".encode("mac-roman"), "neither"),
        ("a,b\r\n\u4e2d\u6587,1\r\n".encode("big5"), "neither"),
        ("a,b\r\n\u0434\u043e\u0433\u043e\u0432\u043e\u0440,1\r\n".encode("cp1251"), "neither"),
        (b"a,b\r\nx,1 \xe2\x82", "cut off"),
        (b"", "empty"),
        (b" \r\n", "empty"),
    ],
)
def test_never_guesses_at_other_encodings(body: bytes, sentence: str) -> None:
    """Bytes that are none of the known encodings are a clear error, never mojibake."""
    with pytest.raises(Malformed, match=sentence):
        list(read_csv(body).rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_finds_the_delimiter(delimiter: str) -> None:
    """The delimiter is found by its consistency, whatever other signs stand in the texts."""
    rows = [row(ContractReference=f"E{n}", ContractTitle="Paper, card; glue | tape") for n in range(3)]
    assert {r.data["title"] for r in read(csv_of(rows, delimiter)).records} == {"Paper, card; glue | tape"}


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_reads_every_line_end(end: str) -> None:
    """CRLF, LF and CR alone end a row; the row's number does not depend on it."""
    text = csv_of([row(), row(ContractReference="EXA-2", EndDate="TBC")]).replace("\r\n", end)
    reading = read(text)
    assert (reading.report.accepted, problem(reading, "EndDate").row) == (2, 3)


def test_counts_rows_as_a_spreadsheet_shows_them() -> None:
    """A line break within quotes does not begin a new row, a blank line in the middle is an empty row."""
    text = csv_of(
        [row(Description="one\r\ntwo"), row(ContractReference="EXA-2"), row(ContractReference="EXA-3", EndDate="TBC")]
    )
    text = text.replace("EXA-2", "\r\nEXA-2")
    reading = read(text)
    assert (reading.report.empty, reading.report.rows, problem(reading, "EndDate").row) == (1, 4, 5)
    assert reading.records[0].data["description"] == "one\ntwo"


@pytest.mark.parametrize("cut", [1, 5, 30, 60])
def test_refuses_a_file_that_ends_in_the_middle_of_a_row(cut: int) -> None:
    """A file whose last row is shorter than its header is cut off, and so is refused whole."""
    text = csv_of(
        [row(), row(ContractReference="EXA-2", ContractValue="1", IrrecoverableVAT="", Description="")],
        header=[*row(), "Description", "CPVCode"],
    )
    short = text[: text.rindex("EXA-2") + cut]
    with pytest.raises(Malformed, match="cut off"):
        read(short)


def test_refuses_a_file_with_an_open_quotation_mark() -> None:
    """A quotation mark that never closes swallows rows: the file is refused as cut off."""
    with pytest.raises(Malformed, match="never closed"):
        read(csv_of([row()]) + '"EXA-2,Lawns,x,,,\r\n' + csv_of([row(ContractValue="1")]))


def test_refuses_a_short_row_in_the_middle() -> None:
    """A row that breaks the file's own column count refuses the file, and the sentence says which row."""
    with pytest.raises(Malformed, match="row 2"):
        read(csv_of([row()]).replace(",31/03/2027", "") + csv_of([row()]).split("\r\n", 1)[1])


def test_refuses_only_the_row_that_has_too_many_cells() -> None:
    """More cells than columns refuses the row, since its cells may have moved; empty ones do no harm."""
    body = csv_of([row(), row(ContractReference="EXA-2")]).replace('"12,000.00"', "12,000.00", 1)
    reading = read(body.rstrip() + ",,\r\n")
    assert (reading.report.accepted, reading.report.refused) == (1, 1)
    assert [(f.row, f.code) for f in reading.report.problems if f.severity == "error"] == [(2, "too-many-cells")]
    assert reading.keeps("https://moot.exampleshire.example/id/GB-LAE-EXA/contract/EXA-1")


def test_passes_over_title_lines_and_repeated_headers() -> None:
    """Lines above the header are no data; a header that stands again further down is told and counted as empty."""
    text = (
        "Contracts register,,,,,\r\nMarch 2027,,,,,\r\n"
        + csv_of([row()])
        + csv_of([row(ContractReference="EXA-2", EndDate="TBC")])
    )
    reading = read(text)
    assert (reading.report.accepted, reading.report.empty, problem(reading, "EndDate").row) == (2, 1, 6)


@pytest.mark.parametrize(("head", "again"), [("", ""), ("", ",,"), (",", ","), (",,", ",")])
def test_a_header_is_the_same_whatever_is_empty_at_its_end(head: str, again: str) -> None:
    """Empty columns after the last title do not make another header of it."""
    header, line = csv_of([row()]).splitlines()
    empty = "," * max(len(head), len(again))
    reading = read(f"{header}{head}\r\n{line}{empty}\r\n{header}{again}{head}\r\n")
    assert (reading.report.accepted, reading.report.empty, reading.report.refused) == (1, 1, 0)
    assert [(fault.row, fault.code) for fault in reading.report.problems] == [(3, "header-again")]


def test_says_what_is_missing_where_no_header_is_found() -> None:
    """A file without any header that is known is refused with the names that were looked for."""
    with pytest.raises(Malformed, match="ContractTitle"):
        read("apples,pears\r\n1,2\r\n")


@pytest.mark.parametrize("text", ["title\x00,b\r\n", "a," + "x" * 300_000 + "\r\n", ",".join("x" * 1_200) + "\r\n"])
def test_bounds_what_a_row_may_be(text: str) -> None:
    """NUL characters, giant cells and thousands of columns are refused with a sentence."""
    with pytest.raises(Malformed):
        list(read_csv(text.encode()).rows)


def test_one_row_more_than_is_read_is_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table with as many data rows as are read is read; with one more the file is refused, and says how many."""
    monkeypatch.setattr(tabular, "MOST_ROWS", 3)
    rows = [row(ContractReference=f"E{n}") for n in range(4)]
    assert len(read(csv_of(rows[:3])).records) == 3
    with pytest.raises(Malformed, match=r"^The file has more than 3 rows or 1000 columns\.$"):
        read(csv_of(rows))


def test_one_column_more_than_is_read_is_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is with columns."""
    monkeypatch.setattr(tabular, "MOST_COLUMNS", len(row()))
    assert len(read(csv_of([row()])).records) == 1
    with pytest.raises(Malformed, match="columns"):
        read(csv_of([row(Description="x")]))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "This is a PDF"),
        (b"\xef\xbb\xbf<!DOCTYPE html><html><head>", "This is a web page"),
        (b"\n<html lang='en'>", "This is a web page"),
        (b"<?xml version='1.0'?>\n<html xmlns='http://www.w3.org/1999/xhtml'>", "This is a web page"),
    ],
)
def test_says_what_a_file_is_that_is_no_table(body: bytes, sentence: str) -> None:
    """A PDF or a web page is named as such, with what to do instead of a complaint about columns."""
    with pytest.raises(Malformed, match=sentence):
        opened(body, "register.csv", None)
