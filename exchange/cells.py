"""What one cell of a file from elsewhere is worth as text, and how our own cells are kept from becoming formulas."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

SHORT = 200
"""Cells up to this length are remembered: a register says the same few things over and over."""
_FORMULA = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""What begins a formula in some spreadsheet: the signs, their full-width forms, and blanks that are passed over."""
_TRIGGER = re.compile(f"'*[{_FORMULA}]")
_SUSPECT = frozenset("'" + _FORMULA.replace("\\", ""))
_GUARDED = re.compile(f"'+[{_FORMULA}]")
_SPLITS = re.compile('[,;\t"\r\n]')
_SPACES = re.compile(r"[ \t\f\v\u00a0\u2000-\u200b\u202f\u205f\u3000\ufeff]+")
_SIGNS = re.compile(r"[^\w\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u0900-\u0dff]+|_+")
_BREAKS = re.compile(r" ?(?:\r\n|\r|\n) ?")


def guarded(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula; `unguarded` takes it off again."""
    return "'" + text if text and text[0] in _SUSPECT and _TRIGGER.match(text) else text


def runs(text: str) -> bool:
    """Whether some spreadsheet would run the text as a formula, were it typed into a cell."""
    return bool(text) and text[0] in _SUSPECT and text[0] != "'"


def unguarded(text: str) -> str:
    """Take off the apostrophe that `guarded`, or a spreadsheet, put before text."""
    return text[1:] if _GUARDED.match(text) else text


def csv_line(cells: Iterable[str]) -> str:
    """Write cells as a line of CSV (RFC 4180).

    A semicolon or a tab is quoted as a comma is: some spreadsheets split at these too, and what stands behind one in a
    text would be a cell of its own, a formula maybe.
    """
    return ",".join([_quoted(cell) if cell and _SPLITS.search(cell) else cell for cell in cells]) + "\r\n"


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def tidy(text: str) -> str:
    """Give a cell's text: NFC, runs of blanks one space, line breaks one LF, nothing at either end."""
    return _tidied(text) if len(text) <= SHORT else _tidied.__wrapped__(text)


@lru_cache(maxsize=32_768)
def _tidied(text: str) -> str:
    if text.isascii() and text.isalnum():
        return text
    text = unicodedata.normalize("NFC", unguarded(text.strip()))
    return _BREAKS.sub("\n", _SPACES.sub(" ", text)).strip()


def bare(text: str) -> str:
    """Give the letters and digits alone, in one case: what two spellings of one thing have in common.

    Where nothing is left (a title of signs alone) the folded text itself stands, so that it stays distinct.
    """
    return _bared(text) if len(text) <= SHORT else _bared.__wrapped__(text)


@lru_cache(maxsize=32_768)
def _bared(text: str) -> str:
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return _SIGNS.sub("", folded) or "".join(folded.split())


@lru_cache(maxsize=4_096)
def heading(text: str) -> str:
    """Give a column header as it is compared: letters and digits in one case."""
    return _SIGNS.sub("", unicodedata.normalize("NFKC", text).casefold())
