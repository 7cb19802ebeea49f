"""What several parts of the LGA layout share: its own words, and web addresses."""

from __future__ import annotations

import re

from exchange.cells import heading
from exchange.drafts import RowReader

_WEB = re.compile(r"https?://\S+")
_WORDS = {
    heading(word): word
    for word in (
        "Single award contract", "Multiple award contract", "Framework agreement", "Dynamic purchasing system",
        "Grant agreement", "Other", "Invitation to quote", "Published invitation to tender", "Voluntary sector",
        "Community sector",
    )
}  # fmt: skip


def official(text: str) -> str:
    """Give a word of the layout in its own spelling, any other text as it stands."""
    return _WORDS.get(heading(text), text)


def url_of(reader: RowReader, name: str, pointer: str) -> str:
    """Read a web address; anything else is told and left out."""
    text = reader.cell(name)
    if text and not _WEB.fullmatch(text):
        reader.warn(name, "This is not a web address; it is left out.", value=text,
                    expected="an address that begins with https://", pointer=pointer, code="url")  # fmt: skip
        return ""
    if text:
        reader.feed(pointer, name)
    return text
