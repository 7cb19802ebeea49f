"""How far the records of a node can be trusted to be its own, in words: its signatures and its keys. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.pages import words
from api.pages.cells import Cell
from api.pages.layout import Row

_STATES: Mapping[str, tuple[str, str]] = {
    "valid": ("Valid", "Signed by the node that published them first, and unchanged since."),
    "absent": ("Not signed", "Nothing proves that they came here unchanged."),
    "unknown-key": ("Unknown key", "Signed with a key that the node which published them first has not made known."),
    "invalid": ("Not valid any more", "The key that signed them was revoked since."),
}


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key as its line in the table says it; `since` and `until` are times."""

    name: str
    thumbprint: str
    since: str
    state: str
    tone: str
    until: str | None
    note: str


def signatures(counts: Mapping[str, int]) -> list[Row]:
    """How many records have a signature of each worth, and what that means."""
    return [Row(label, [Cell(f"{counts[state]:,}", note=note)]) for state, (label, note) in _STATES.items()]


def keys(found: Sequence[Mapping[str, Any]]) -> list[KeyLine]:
    """The keys that a node is known by, those that sign now first."""
    lines = [_line(key) for key in found]
    return sorted(lines, key=lambda line: line.until is not None)


def _line(key: Mapping[str, Any]) -> KeyLine:
    state, tone, note = "In use", "good", ""
    if key["revoked"]:
        state, tone = "Revoked", "bad"
        note = " ".join(("It verifies nothing any more.", words.shorten(key["reason"] or ""))).strip()
    elif key["until"]:
        state, tone, note = "Retired", "", "It still verifies what was published before."
    return KeyLine(key["kid"], key["thumbprint"], key["since"], state, tone, key["until"], note)
