"""What one cell of a file from elsewhere is worth as text, and how our own cells are kept from becoming formulas."""

from __future__ import annotations

import re
import unicodedata

_TRIGGER = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_SPACES = re.compile(r"[ \t\f\v\u00a0\u2000-\u200b\u202f\u205f\u3000\ufeff]+")
_BREAKS = re.compile(r" ?(?:\r\n|\r|\n) ?")


def guarded(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula; `unguarded` takes it off again."""
    return "'" + text if _TRIGGER.match(text) else text


def unguarded(text: str) -> str:
    """Take off the apostrophe that `guarded`, or a spreadsheet, put before text."""
    return text[1:] if _GUARDED.match(text) else text


def tidy(text: str) -> str:
    """Give a cell's text: NFC, runs of blanks one space, line breaks one LF, nothing at either end."""
    if text.isascii() and text.isalnum():
        return text
    text = unicodedata.normalize("NFC", unguarded(text.strip()))
    return _BREAKS.sub("\n", _SPACES.sub(" ", text)).strip()


def bare(text: str) -> str:
    """Give the letters and digits alone, in one case: what two spellings of one thing have in common.

    Where nothing is left (a title of signs alone) the folded text itself stands, so that it stays distinct.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(c for c in folded if c.isalnum() or unicodedata.category(c).startswith("M"))
    return letters or "".join(folded.split())


def heading(text: str) -> str:
    """Give a column header as it is compared: letters and digits in one case."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())
