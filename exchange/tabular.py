"""A file of rows as it came: encoding, delimiter, quotes and column count, before anybody asks what it means."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from schema.errors import Malformed

DELIMITERS = (",", ";", "\t", "|")
LONGEST_CELL = 200_000
MOST_ROWS = 500_000
MOST_COLUMNS = 1_000
_PIECE = 1 << 20
_AT_ONCE = 1 << 18
# What UTF-8 makes of the signs that councils use (pound, no-break space, accents, curly quotes, dashes, euro).
_UTF8_WITHIN = re.compile(rb"[\xc2\xc3][\x80-\xbf]|\xe2[\x80\x82][\x80-\xbf]")
_DOS_POUND = re.compile(rb"\x9c\s?\d")
# An apostrophe of an old Macintosh, and four letters beyond ASCII in a row: no English or Welsh in Windows-1252.
_OTHER_ALPHABET = re.compile(rb"[A-Za-z]\xd5[a-z]|(?=([\xa4-\xff])\1*(?!\1)[\xa4-\xff])[\xa4-\xff]{4}")


class Row(NamedTuple):
    """One row as in the file: its number (first line of the sheet = 1), its cells, and its sheet in a workbook."""

    number: int
    cells: Sequence[str]
    sheet: str = ""

    @property
    def blank(self) -> bool:
        """Tell a row without any text."""
        return not any(map(str.strip, self.cells))


class Rows(Protocol):
    """Rows that can be gone through again and again: a list, or a file that is read anew each time."""

    def __iter__(self) -> Iterator[Row]: ...


@dataclass(slots=True)
class Sheet:
    """Rows of one sheet, or of a whole CSV file.

    `formulas` holds (row number, column index) of computed cells, `unstored` of those whose result the file lacks.
    """

    name: str
    rows: Rows
    visible: bool = True
    formulas: set[tuple[int, int]] = field(default_factory=set)
    unstored: set[tuple[int, int]] = field(default_factory=set)

    def first(self, count: int) -> list[Row]:
        """Give the first rows."""
        return list(itertools.islice(self.rows, count))


def encoding_of(body: bytes) -> str:
    """Tell the encoding by byte order mark, else UTF-8, else Windows-1252; anything else is Malformed, never guessed.

    The text is whole in that encoding and holds no NUL.
    """
    if body.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise Malformed("The file is UTF-32 text. Save it as UTF-8.")
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _strict(body, "utf-16", "The file says it is UTF-16 and then breaks off or is damaged")
    if b"\x00" in body:
        raise Malformed("The file holds NUL bytes: it is not text, or UTF-16 without its mark. Save it as UTF-8.")
    if body.startswith(codecs.BOM_UTF8):
        return _strict(body, "utf-8-sig", "The file says it is UTF-8 and is not")
    try:
        _check_whole(body, "utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and error.end - error.start > 1:
            raise Malformed("The file is cut off in the middle of a UTF-8 character.") from error
        return _windows(body)
    return "utf-8"


def _check_whole(body: bytes, encoding: str) -> None:
    """Decode a piece at a time: the text itself may be twice or four times the size of its bytes."""
    decoder = codecs.getincrementaldecoder(encoding)()
    for start in range(0, len(body), _PIECE):
        held = len(decoder.getstate()[0])
        try:
            text = decoder.decode(body[start : start + _PIECE], start + _PIECE >= len(body))
        except UnicodeDecodeError as error:
            at = start - held
            raise UnicodeDecodeError(encoding, body, at + error.start, at + error.end, error.reason) from error
        if "\x00" in text:
            raise Malformed("The file holds NUL characters: it is not a table of text.")


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
        _check_whole(body, encoding)
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Malformed(f"{sentence} (line {line}). Save it as UTF-8.") from error
    return encoding


def read_csv(body: bytes, encoding: str | None = None) -> Sheet:
    """Split delimited text into rows by the delimiter that fits best.

    The rows are read each time that somebody goes through them; what is wrong with them is Malformed then.
    """
    encoding = encoding or encoding_of(body)
    sample = beginning(body, encoding)
    if not sample.strip() and not body.decode(encoding).strip():
        raise Malformed("The file is empty.")
    return Sheet("", CsvRows(body, encoding, _delimiter(sample)))


def beginning(body: bytes, encoding: str) -> str:
    """Give the beginning of a text."""
    return _text(body, encoding).read(200_000)


def _text(body: bytes, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(_Pieces(body), encoding, newline="")


class _Pieces(io.BytesIO):
    """Bytes that are given out in larger pieces than a text asks for: fewer calls for each line."""

    def read1(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002
        """Give the next piece."""
        return super().read1(_AT_ONCE)


class CsvRows:
    """The rows of delimited text, read anew each time."""

    def __init__(self, body: bytes, encoding: str, delimiter: str) -> None:
        self._body = body
        self._encoding = encoding
        self._delimiter = delimiter

    def __iter__(self) -> Iterator[Row]:
        """Go through the rows. Empty lines at the end are none.

        A mark after the last line tells whether a quote was still open there; so each row waits for the next one.
        """
        csv.field_size_limit(LONGEST_CELL)
        lines = itertools.chain(_text(self._body, self._encoding), [_END])
        number, empty, last = 0, 0, None
        try:
            for cells in csv.reader(lines, delimiter=self._delimiter):
                if last:
                    yield Row(number, last)
                elif last is not None:
                    empty += 1
                number += cells != [_END]  # the mark is no row
                if number > MOST_ROWS + 1 or len(cells) > MOST_COLUMNS:
                    raise Malformed(f"The file has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns.")
                if empty and cells and cells != [_END]:
                    yield from (Row(number - back, ()) for back in range(empty, 0, -1))
                    empty = 0
                last = cells
        except csv.Error as error:
            raise Malformed(f"Row {number + 1} cannot be read as a row of a table: {error}.") from error
        if last != [_END]:
            raise Malformed(f"The file is cut off: a quotation mark opened in row {number} is never closed.")


def _delimiter(sample: str) -> str:
    """Choose the delimiter whose first records agree most on a column count; more columns win a tie."""
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
