"""References of the same publisher where the schema wants ids of records."""

from __future__ import annotations

import re
from collections.abc import Mapping

from schema.errors import Invalid
from schema.identifiers import record_id

# Members that hold ids of other records, and the kinds of those; the first is meant where a reference names none.
LINKS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "contract": {"tools": ("tool",), "replaces": ("contract",), "replacedBy": ("contract",)},
    "tool": {"contract": ("contract",), "replaces": ("tool",), "replacedBy": ("tool",)},
    "roadmap-item": {"replaces": ("contract", "tool"), "produces": ("asset",)},
}
_WEB = re.compile(r"https?://")


def linked(text: str, kinds: tuple[str, ...], prefix: str) -> str | None:
    """Make the id of a record of a reference, bare or as `kind/reference`; an id stays; None where it is neither."""
    if _WEB.match(text):
        return text
    named, _, rest = text.partition("/")
    kind, reference = (named, rest) if named in kinds and rest else (kinds[0], text)
    try:
        return record_id(prefix, kind, reference)
    except Invalid:
        return None


def guessed(text: str, kinds: tuple[str, ...]) -> str:
    """Name the kind that was guessed for a reference that does not say which of several it is of; else ""."""
    told = len(kinds) == 1 or _WEB.match(text) or text.partition("/")[0] in kinds
    return "" if told else kinds[0]
