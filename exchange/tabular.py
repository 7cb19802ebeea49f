"""A file of rows as it came: encoding, delimiter, quotes and column count, before anybody asks what it means."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from schema.errors import Malformed

DELIMITERS = (",", ";", "\t", "|")
LONGEST_CELL = 200_000
MOST_ROWS = 500_000
MOST_COLUMNS = 1_000
# What UTF-8 makes of the signs that councils use (pound, no-break space, accents, curly quotes, dashes, euro).
_UTF8_WITHIN = re.compile(rb"[\xc2\xc3][\x80-\xbf]|\xe2[\x80\x82][\x80-\xbf]")
_DOS_POUND = re.compile(rb"\x9c\s?\d")
# An apostrophe of an old Macintosh, and four letters beyond ASCII in a row: no English or Welsh in Windows-1252.
_OTHER_ALPHABET = re.compile(rb"[A-Za-z]\xd5[a-z]|(?=([\xa4-\xff])\1*(?!\1)[\xa4-\xff])[\xa4-\xff]{4}")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as in the file: its number (first line of the sheet = 1), its cells, and its sheet in a workbook."""

    number: int
    cells: tuple[str, ...]
    sheet: str = ""

    @property
    def blank(self) -> bool:
        """Tell a row without any text."""
        return not any(cell.strip() for cell in self.cells)


@dataclass(slots=True)
class Sheet:
    """Rows of one sheet, or of a whole CSV file. `formulas` holds (row number, column index) of computed cells."""

    name: str
    rows: list[Row]
    visible: bool = True
    formulas: set[tuple[int, int]] = field(default_factory=set)


def decoded(body: bytes) -> str:
    """Decode by byte order mark, else UTF-8, else Windows-1252; anything else is Malformed, never guessed at."""
    if body.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise Malformed("The file is UTF-32 text. Save it as UTF-8.")
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _strict(body, "utf-16", "The file says it is UTF-16 and then breaks off or is damaged")
    if b"\x00" in body:
        raise Malformed("The file holds NUL bytes: it is not text, or UTF-16 without its mark. Save it as UTF-8.")
    if body.startswith(codecs.BOM_UTF8):
        return _strict(body, "utf-8-sig", "The file says it is UTF-8 and is not")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and error.end - error.start > 1:
            raise Malformed("The file is cut off in the middle of a UTF-8 character.") from error
        return _windows(body)


def _windows(body: bytes) -> str:
    mixed = _UTF8_WITHIN.search(body)
    if mixed:
        line = body.count(b"\n", 0, mixed.start()) + 1
        raise Malformed(
            f"The file is part UTF-8 and part something else, or was cut off (line {line}). Save it whole as UTF-8."
        )
    if _DOS_POUND.search(body):
        raise Malformed("The file is in an old DOS code page. Save it as UTF-8.")
    other = _OTHER_ALPHABET.search(body)
    if other:
        line = body.count(b"\n", 0, other.start()) + 1
        raise Malformed(f"The file is neither UTF-8 nor Windows-1252 (line {line}). Save it as UTF-8.")
    return _strict(body, "cp1252", "The file is neither UTF-8 nor Windows-1252")


def _strict(body: bytes, encoding: str, sentence: str) -> str:
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Malformed(f"{sentence} (line {line}). Save it as UTF-8.") from error
    if "\x00" in text:
        raise Malformed("The file holds NUL characters: it is not a table of text.")
    return text


def read_csv(text: str) -> Sheet:
    """Split delimited text into rows by the delimiter that fits best. Lines that end the file empty are no rows."""
    if not text.strip():
        raise Malformed("The file is empty.")
    records = list(_records(text, _delimiter(text)))
    while records and not records[-1]:
        records.pop()
    return Sheet("", [Row(number, tuple(cells)) for number, cells in enumerate(records, 1)])


def _delimiter(text: str) -> str:
    """Choose the delimiter whose first records agree most on a column count; more columns win a tie."""
    sample = text[:200_000]
    scores = [(_agreement(sample, delimiter), -place) for place, delimiter in enumerate(DELIMITERS)]
    (_, _), place = max(scores)
    return DELIMITERS[-place]


def _agreement(sample: str, delimiter: str) -> tuple[float, int]:
    counts: Counter[int] = Counter()
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        for _, cells in zip(range(60), reader, strict=False):
            counts[len(cells)] += bool(cells)
    except csv.Error:
        return (0.0, 0)
    columns, times = max(counts.items(), key=lambda pair: (pair[0] > 1, pair[1], pair[0]), default=(0, 0))
    return (times / max(1, counts.total()) if columns > 1 else 0.0, columns)


_END = "\ue000folkmoot-end-of-file\ue000"


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    """Yield the records. A mark after the last one tells whether a quote was still open there."""
    csv.field_size_limit(LONGEST_CELL)
    whole = text if text.endswith(("\r", "\n")) else text + "\n"
    reader = csv.reader(io.StringIO(whole + _END, newline=""), delimiter=delimiter)
    number = 0
    try:
        for cells in reader:
            if cells == [_END]:
                return
            number += 1
            if number > MOST_ROWS or len(cells) > MOST_COLUMNS:
                raise Malformed(f"The file has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns.")
            if any(_END in cell for cell in cells):
                break
            yield cells
    except csv.Error as error:
        raise Malformed(f"Row {number + 1} cannot be read as a row of a table: {error}.") from error
    raise Malformed(f"The file is cut off: a quotation mark opened in row {max(1, number)} is never closed.")


def checked_width(rows: list[Row], width: int) -> None:
    """Refuse a file with a row shorter than its header: it was cut off, or a line break or quote broke it."""
    for place, row in enumerate(rows):
        if len(row.cells) < width and not row.blank:
            where = "ends in the middle of" if place == len(rows) - 1 else "breaks its own column count in"
            raise Malformed(f"The file {where} row {row.number}: {len(row.cells)} of {width} columns. It is cut off.")
