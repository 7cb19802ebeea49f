"""What sort of file it is, and its rows or objects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import orjson

from exchange.tabular import MOST_ROWS, Sheet, beginning, encoding_of, read_csv
from exchange.workbook import looks_like_workbook, read_workbook
from schema.errors import Malformed, UnknownFormat

FORMATS = ("csv", "xlsx", "json", "ndjson")
_LOOK = 10_000
LAYOUTS = ("lga", "contracts-finder", "notices", "plain")


@dataclass(frozen=True, slots=True)
class Source:
    """A file opened: either sheets of rows, or numbered objects (a line each in NDJSON)."""

    format: str
    sheets: tuple[Sheet, ...] = ()
    objects: tuple[tuple[int, Any], ...] = ()


def split_format(wanted: str | None) -> tuple[str | None, str | None]:
    """Take what a person asked for as a file format or as a layout. Raises `UnknownFormat`."""
    if wanted is None:
        return None, None
    if wanted not in FORMATS + LAYOUTS:
        raise UnknownFormat("format", wanted, "one of " + ", ".join(FORMATS + LAYOUTS))
    return (wanted, None) if wanted in FORMATS else (None, wanted)


def opened(body: bytes, filename: str, wanted: str | None) -> Source:
    """Open a file by what is in it; its name decides only between JSON and NDJSON."""
    if wanted == "xlsx" or (wanted is None and looks_like_workbook(body)):
        return Source("xlsx", tuple(read_workbook(body)))
    _is_table(body)
    encoding = encoding_of(body)
    first = beginning(body, encoding).lstrip()[:1]
    suffix = PurePath(filename).suffix.lower()
    if wanted == "ndjson" or (wanted is None and suffix in {".ndjson", ".jsonl"}):
        return _ndjson(body.decode(encoding))
    if wanted == "json" or (wanted is None and first in {"{", "["}):
        return _json(body.decode(encoding), lines=wanted is None and suffix != ".json")
    return Source("csv", (read_csv(body, encoding),))


def _is_table(body: bytes) -> None:
    """Refuse what is plainly another sort of file, by its first bytes, with what to do instead."""
    start = body[:_LOOK].lstrip(b"\xef\xbb\xbf \t\r\n")[:400].lower()
    if start.startswith(b"%pdf-"):
        raise Malformed("This is a PDF. Save the table behind it as CSV or Excel.")
    if start.startswith((b"<!doctype html", b"<html")) or (start.startswith(b"<") and b"<html" in start):
        raise Malformed("This is a web page. Download the file that it links to, or save the table as CSV.")


def _ndjson(text: str) -> Source:
    objects: list[tuple[int, Any]] = []
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            _check_count(len(objects) + 1)
            try:
                objects.append((number, orjson.loads(line)))
            except orjson.JSONDecodeError as error:
                where = "It is cut off" if number == len(lines) else f"Line {number} is not JSON"
                raise Malformed(f"{where}: line {number} cannot be read ({error.msg}).") from error
    return Source("ndjson", objects=tuple(objects))


def _json(text: str, *, lines: bool) -> Source:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if lines and error.msg.startswith("unexpected content after document"):
            return _ndjson(text)
        raise Malformed(f"The JSON breaks off or is wrong at line {error.lineno}: {error.msg}.") from error
    if isinstance(value, dict) and "releases" in value:
        raise Malformed("This is an OCDS package. It is not read as a register; give the register itself.")
    if isinstance(value, dict):
        value = value.get("items", [value] if lines or "reference" in value or "name" in value else None)
    if not isinstance(value, list):
        raise Malformed("The JSON is not a list of records, nor an object with 'items'.")
    _check_count(len(value))
    return Source("json", objects=tuple(enumerate(value, 1)))


def _check_count(count: int) -> None:
    """Refuse too many records before anything is made of them."""
    if count > MOST_ROWS:
        raise Malformed(f"The file has more than {MOST_ROWS} records.")
