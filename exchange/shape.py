"""The schema of a kind as a tree that a column name can be looked up in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from exchange.cells import heading
from schema.kinds import KINDS

Sort = Literal["text", "line", "date", "flag", "whole", "number", "list", "object", "unknown"]
_LONG = 5_000
_PLACE = re.compile(r"\s*[0-9]{1,3}\s*")


@dataclass(frozen=True, slots=True)
class Leaf:
    """Where a column leads: member names and list places, the sort of value that stands there, and its codes.

    For a list without a place, `item` is the sort of its entries, and the codes are theirs. `members` are those of an
    object, or of the objects in a list.
    """

    path: tuple[str | int, ...]
    sort: Sort
    codes: tuple[str, ...] = ()
    item: Sort = "unknown"
    members: tuple[str, ...] = ()

    @property
    def pointer(self) -> str:
        """Write the path as an RFC 6901 pointer."""
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self.path)


@lru_cache(maxsize=16)
def tree(kind: str) -> dict[str, Any]:
    """Give the JSON Schema of a kind."""
    return KINDS[kind].model_json_schema(by_alias=True)


def required(kind: str) -> list[str]:
    """Name the members that a record of the kind must have."""
    return [str(name) for name in tree(kind)["required"]]


@lru_cache(maxsize=4_096)
def leaf(kind: str, title: str) -> Leaf | None:
    """Look a column up by its dotted name (`suppliers.0.name`), whatever its case and spacing; None if unknown."""
    path: list[str | int] = []
    node = tree(kind)
    for step in title.replace("/", ".").split("."):
        node = _opened(kind, node)
        if node.get("type") == "array" and _PLACE.fullmatch(step):
            path.append(int(step.strip()))
            node = node.get("items", {})
            continue
        names = {heading(name): name for name in node.get("properties", {})}
        name = names.get(heading(step))
        if name is None:
            return None
        path.append(name)
        node = node["properties"][name]
    node = _opened(kind, node)
    inner = _opened(kind, node.get("items", {})) if node.get("type") == "array" else node
    return Leaf(
        tuple(path), _sort(node), tuple(inner.get("enum", ())), _sort(inner), tuple(inner.get("properties", ()))
    )


def _opened(kind: str, node: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return dict(tree(kind)["$defs"][str(node["$ref"]).rpartition("/")[2]])
    return dict(node)


def _sort(node: Mapping[str, Any]) -> Sort:
    if node.get("format") == "date":
        return "date"
    if node.get("type") == "string":
        return "text" if node.get("maxLength", 0) > _LONG else "line"
    sorts: dict[str, Sort] = {
        "boolean": "flag",
        "integer": "whole",
        "number": "number",
        "array": "list",
        "object": "object",
    }
    return sorts.get(str(node.get("type")), "line" if "enum" in node or "const" in node else "unknown")
