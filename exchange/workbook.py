"""An XLSX workbook as sheets of text rows, parsed in a child process after its archive was looked at."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from exchange.tabular import MOST_COLUMNS, MOST_ROWS, Row, Sheet
from schema.errors import Malformed

MOST_MEMBERS = 50
MOST_BYTES = 200 * 1024 * 1024
HIGHEST_RATIO = 100
SMALL = 100_000
WALL_SECONDS = 90.0
UNREADABLE = 3
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"
_ROOT = Path(__file__).resolve().parent.parent


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
        if code:
            raise Malformed(_epitaph(code, told.read(300).decode("utf-8", "replace")))
        out.seek(0)
        return _sheets(json.loads(line) for line in out)


def _run(spool: IO[bytes], out: IO[bytes], told: IO[bytes]) -> int:
    environment = {"PYTHONPATH": str(_ROOT), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", "-m", "exchange.workbook_child"]
    try:
        # Our own module under our own interpreter; the foreign bytes go in by standard input only.
        done = subprocess.run(  # noqa: S603
            command, stdin=spool, stdout=out, stderr=told, env=environment, timeout=WALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return -signal.SIGXCPU
    return done.returncode


def _epitaph(code: int, told: str) -> str:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "The workbook took longer to read than any register should. Save it as CSV."
    if code == UNREADABLE:
        return f"The workbook cannot be read: {told.strip() or 'it is damaged'}."
    return "The workbook needs more memory than any register should: it may be sparse or damaged. Save it as CSV."


def _sheets(messages: Iterable[dict[str, Any]]) -> list[Sheet]:
    sheets: list[Sheet] = []
    rows: list[Row] = []
    for message in messages:
        if "end" in message:
            return sheets
        if "sheet" in message:
            formulas, rows = {(row, column) for row, column in message["formulas"]}, []
            sheets.append(Sheet(message["sheet"], rows, message["visible"], formulas))
        else:
            _append(rows, sheets[-1].name, message["row"], message["cells"])
    raise Malformed("The workbook could not be read to its end.")


def _append(rows: list[Row], sheet: str, number: int, cells: list[str]) -> None:
    if number > MOST_ROWS or len(cells) > MOST_COLUMNS:
        raise Malformed(f"The sheet '{sheet}' has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns.")
    last = rows[-1].number if rows else 0
    rows.extend(Row(gap, (), sheet) for gap in range(last + 1, number))
    rows.append(Row(number, cells, sheet))
