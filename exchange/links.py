"""Links between records of one publisher: a register names the other by its reference, a record by its id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schema.errors import Invalid
from schema.identifiers import record_id

LINKS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "contract": {"tools": ("tool",), "replaces": ("contract",), "replacedBy": ("contract",)},
    "roadmap-item": {"replaces": ("contract", "tool"), "produces": ("asset",)},
    "tool": {"contract": ("contract",), "replaces": ("tool",), "replacedBy": ("tool",)},
}
"""kind -> member -> kinds of record that it may link to, the likeliest first."""


def linked(kind: str, data: dict[str, Any], prefix: str, live: Callable[[str], bool]) -> dict[str, Any]:
    """Make ids of the references that stand in link members, under the publisher's own `prefix` (protocol section 6).

    Where a member may link to several kinds, the one whose record is `live` is meant, else the likeliest. What is a
    URL already, and what is no text or no possible reference, stays for validation to judge.
    """
    members = {name: data[name] for name in LINKS.get(kind, ()) if name in data}
    if not members:
        return data

    def one(value: Any, kinds: tuple[str, ...]) -> Any:
        if not isinstance(value, str) or value.startswith(("https://", "http://")):
            return value
        try:
            ids = [record_id(prefix, target, value) for target in kinds]
        except Invalid:
            return value
        return next((found for found in ids if live(found)), ids[0])

    made = dict(data)
    for name, value in members.items():
        kinds = LINKS[kind][name]
        made[name] = [one(entry, kinds) for entry in value] if isinstance(value, list) else one(value, kinds)
    return made
