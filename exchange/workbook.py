"""An XLSX workbook as sheets of text rows, parsed in a child process after its archive was looked at."""

from __future__ import annotations

import io
import signal
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO

import orjson

from exchange import children
from exchange.spool import Spool
from exchange.tabular import MOST_COLUMNS, MOST_ROWS, Row, Sheet
from schema.errors import Malformed

MOST_MEMBERS = 50
MOST_BYTES = 200 * 1024 * 1024
HIGHEST_RATIO = 100
SMALL = 100_000
WALL_SECONDS = 90.0
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"


def looks_like_workbook(body: bytes) -> bool:
    """Tell a zip archive or an old Office file from text."""
    return body.startswith((b"PK\x03\x04", b"PK\x05\x06", _OLD_OFFICE))


def checked_archive(body: bytes) -> None:
    """Refuse what no honest register needs, before anything is unpacked: Malformed with the reason."""
    if body.startswith(_OLD_OFFICE):
        raise Malformed("This is an old .xls workbook or one with a password. Save it as .xlsx or CSV.")
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, RuntimeError) as error:
        raise Malformed("The workbook is damaged or cut off: it is not a whole zip archive.") from error
    if not any(member.filename == "xl/workbook.xml" for member in members):
        raise Malformed("This archive is not an XLSX workbook. Save it as .xlsx or CSV.")
    if len(members) > MOST_MEMBERS:
        raise Malformed(f"The workbook has {len(members)} parts; at most {MOST_MEMBERS} are read.")
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise Malformed("The workbook unpacks to more than 200 MB.")
    for member in members:
        if member.file_size > SMALL and member.file_size > HIGHEST_RATIO * max(1, member.compress_size):
            raise Malformed(f"The workbook's part {member.filename[:60]!r} is packed more than 100 to 1.")
        if member.flag_bits & 1:
            raise Malformed("The workbook is encrypted. Save it without a password.")


def read_workbook(body: bytes) -> list[Sheet]:
    """Read every sheet, hidden ones without rows. Malformed when the child dies, breaks off or finds no workbook."""
    checked_archive(body)
    with tempfile.TemporaryFile() as spool, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        spool.write(body)
        spool.seek(0)
        code = _run(spool, out, told)
        told.seek(0)
        if code == children.NO_ROOM:
            raise children.no_room()
        if code:
            raise Malformed(_epitaph(code, told.read(300).decode("utf-8", "replace")))
        out.seek(0)
        return _sheets(out)


def _run(spool: IO[bytes], out: IO[bytes], told: IO[bytes]) -> int:
    return children.run("exchange.workbook_child", spool, out, told, seconds=WALL_SECONDS)


def _epitaph(code: int, told: str) -> str:
    if code == -signal.SIGXCPU:
        return "The workbook took longer to read than any register should. Save it as CSV."
    if code == children.UNREADABLE:
        return f"The workbook cannot be read: {told.strip() or 'it is damaged'}."
    return "The workbook needs more memory than any register should: it may be sparse or damaged. Save it as CSV."


def _sheets(lines: Iterable[bytes]) -> list[Sheet]:
    """Take what the child says, a line at a time: its rows wait as they came, and few of them are in memory at once."""
    sheets, spool = list[Sheet](), Spool()
    rows = _SheetRows("", spool)
    for line in lines:
        message = orjson.loads(line)
        if "end" in message:
            return sheets
        if "sheet" in message:
            rows = _SheetRows(message["sheet"], spool)
            formulas, unstored = ({(row, column) for row, column in message[name]} for name in ("formulas", "unstored"))
            sheets.append(Sheet(message["sheet"], rows, message["visible"], formulas, unstored))
        else:
            rows.add(line, message["row"], len(message["cells"]))
    raise Malformed("The workbook could not be read to its end.")


class _SheetRows:
    """The rows of one sheet, put away as the child wrote them and read anew each time; blank ones between them too."""

    def __init__(self, sheet: str, spool: Spool) -> None:
        self._sheet = sheet
        self._spool = spool
        self._lines: list[int] = []

    def add(self, line: bytes, number: int, width: int) -> None:
        """Put a row away. Malformed where it lies beyond what is read."""
        if number > MOST_ROWS or width > MOST_COLUMNS:
            raise Malformed(f"The sheet '{self._sheet}' has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns.")
        self._lines.append(self._spool.put(line))

    def __iter__(self) -> Iterator[Row]:
        last = 0
        for place in self._lines:
            message = orjson.loads(self._spool.get(place))
            number = message["row"]
            yield from (Row(gap, (), self._sheet) for gap in range(last + 1, number))
            yield Row(number, message["cells"], self._sheet)
            last = number
