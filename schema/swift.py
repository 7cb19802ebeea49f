"""A quick yes: most records are plainly valid, and to say so costs a fifth of what building the model does.

From each model's own core schema a msgspec type is derived that takes no more than the model does. A record that it
takes is valid; of one that it does not take nothing is known, and the model must be asked (`kinds.check`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel

from schema.base import LINE, LINES

Node = Mapping[str, Any]
Check = Callable[[Any], object]
_BOUNDS = ("min_length", "max_length", "ge", "le")
_SCALARS: Mapping[str, type] = {"bool": bool, "date": date, "str": str, "float": float, "int": int}


def take(model: type[BaseModel], data: bytes) -> Any | None:
    """Give the members of a record that is valid by this model, as attributes; None where that is not plain.

    Only for bytes that passed `guard.check_json`. Texts without an escape hold no control character, so that the
    patterns against them need not be asked; where there is an escape, or a text that begins blank, nothing is said.
    """
    if b"\\" in data or b"\x7f" in data or b'" ' in data:
        return None
    try:
        return _decoder(model).decode(data)
    except msgspec.ValidationError:
        return None


@cache
def _decoder(model: type[BaseModel]) -> msgspec.json.Decoder[Any]:
    schema = _node(model.__pydantic_core_schema__)
    known: dict[str, Node] = {}
    if schema["type"] == "definitions":
        known = {each["ref"]: each for each in schema["definitions"]}
        schema = schema["schema"]
    return msgspec.json.Decoder(_Types(known).of(schema))


def _node(schema: Any) -> Node:
    """Let a core schema be read as the mapping it is: which members a node has depends on its type alone."""
    found: Node = schema
    return found


class _Types:
    """The msgspec types of one core schema; `known` are its definitions by name."""

    def __init__(self, known: Mapping[str, Node]) -> None:
        self._known = known
        self._made: dict[type, Any] = {}

    def of(self, node: Node) -> Any:
        """Give the type of a node. Raises `TypeError` for a sort of node that no model of ours has."""
        kind = node["type"]
        if kind in _SCALARS:
            return _bounded(_SCALARS[kind], node)
        if kind == "list":
            return _bounded(list[self.of(node["items_schema"])], node)  # type: ignore[misc]
        if kind == "literal":
            return Literal[tuple(node["expected"])]
        if kind == "definition-ref":
            return self.of(self._known[node["schema_ref"]])
        if kind == "function-before":
            return self.of(node["schema"])  # what it would turn into something valid is left to the model
        if kind in ("model", "function-after") and (model := _model(node)):
            return self._struct(model, node.get("function"))
        raise TypeError(f"no quick type for {kind}")

    def _struct(self, node: Node, last: Node | None) -> Any:
        if node["cls"] not in self._made:
            self._made[node["cls"]] = self._define(node, last)
        return self._made[node["cls"]]

    def _define(self, node: Node, last: Node | None) -> Any:
        members, names, checks = [], {}, []
        for name, field in node["schema"]["fields"].items():
            inner, absent = field["schema"], field["schema"]["type"] == "default"
            inner = inner["schema"] if absent else inner
            if inner["type"] == "function-after" and not _model(inner):
                checks.append((name, inner["function"]["function"]))
                inner = inner["schema"]
            names[name] = field["validation_alias"]
            members.append((name, self.of(inner), None) if absent else (name, self.of(inner)))
        space = {"__post_init__": _all(checks, last["function"] if last else None)} if checks or last else {}
        return msgspec.defstruct(node["cls"].__name__, members, rename=names, namespace=space, kw_only=True, gc=False)


def _model(node: Node) -> Node | None:
    if node["type"] == "function-after":
        node = node["schema"]
    return node if node["type"] == "model" else None


def _bounded(base: Any, node: Node) -> Any:
    bounds = {name: node[name] for name in _BOUNDS if name in node}
    if node.get("pattern") not in (None, LINE, LINES):
        bounds["pattern"] = node["pattern"]
    return Annotated[base, msgspec.Meta(**bounds)] if bounds else base


def _all(checks: list[tuple[str, Check]], last: Check | None) -> Check:
    if last is not None and not checks:
        return last

    def check(made: Any) -> None:
        for name, one in checks:
            value = getattr(made, name)
            if value is not None:
                one(value)
        if last is not None:
            last(made)

    return check
