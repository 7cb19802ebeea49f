"""What a JSON reader lets through and a record may not hold, found on the bytes.

Members given twice (every reader keeps the last in silence), control characters and numbers that do not survive in
members nobody knows, nesting without end. Each search is cheap on the bytes; the walk through the record is taken
only where they give cause.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from schema.base import MAX_BYTES, MAX_DEPTH, MAX_NUMBER
from schema.errors import Fault, Invalid
from schema.faults import MAX_FAULTS, pointer, shown

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ESCAPED_CONTROL = re.compile(rb"\\(?:[bf]|u00[01]|u007[fF])")
_SHAPES = bytes(
    ord("0") if chr(code) in "0123456789" else ord("e") if chr(code) in "eE" else code if code == ord("+") else 32
    for code in range(256)
)
_LONG = b"0" * 16

Path = tuple[str | int, ...]


class _Doubled(dict[str, Any]):
    """An object in whose text a member stands twice; `name` is the first of those."""

    name: str


def read(data: bytes) -> Any:
    """Read JSON that any reader would read alike. Raises `Invalid` with a fault for each place that it would not.

    At most 256 KB of UTF-8 without BOM, 32 levels deep, numbers within ±(2^53-1), no control characters but tab and
    line breaks, each member once.
    """
    if len(data) > MAX_BYTES:
        raise Invalid([Fault("", "The record is too large.", f"{len(data)} bytes", f"at most {MAX_BYTES} bytes")])
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Invalid([Fault("", f"This is not JSON: {error.msg}.", None, "one JSON object, in UTF-8")]) from error
    if _gives_cause(data):
        _raise_all(_faults(value))
    if orjson.dumps(value) != data:  # equal bytes prove that no member was given twice: what was dumped is a dict
        _raise_all(_doubles(data))
    return value


def _gives_cause(data: bytes) -> bool:
    shapes = data.translate(_SHAPES)
    return (
        b"\x7f" in data
        or (b"\\" in data and _ESCAPED_CONTROL.search(data) is not None)
        or _LONG in shapes
        or b"0e0" in shapes
        or b"0e+" in shapes
        or data.count(b"{") + data.count(b"[") > MAX_DEPTH
    )


def _raise_all(faults: Iterator[Fault]) -> None:
    found = [fault for fault, _ in zip(faults, range(MAX_FAULTS), strict=False)]
    if found:
        raise Invalid(found)


def _walk(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every value with its place, the record itself first; no deeper than one level below what is allowed."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        place, here = waiting.pop()
        yield place, here
        if len(place) > MAX_DEPTH:
            continue
        if isinstance(here, dict):
            waiting.extend(((*place, name), member) for name, member in reversed(here.items()))
        elif isinstance(here, list):
            waiting.extend(((*place, at), entry) for at, entry in reversed(list(enumerate(here))))


def _faults(value: Any) -> Iterator[Fault]:
    for place, here in _walk(value):
        at = pointer(place)
        if len(place) >= MAX_DEPTH and isinstance(here, dict | list):
            yield Fault(at[:200], "It is nested too deeply.", None, f"at most {MAX_DEPTH} levels")
            return
        if isinstance(here, str) and _CONTROL.search(here):
            yield Fault(at, "It holds a control character.", shown(here), "text; tabs and line breaks are allowed")
        elif isinstance(here, int | float) and not -MAX_NUMBER <= here <= MAX_NUMBER:
            yield Fault(at, "The number is too large.", here, "a number within ±(2^53-1)")
        elif isinstance(here, dict) and any(_CONTROL.search(name) for name in here):
            yield Fault(at, "The name of a member holds a control character.", None, "a name of plain text")


def _doubles(data: bytes) -> Iterator[Fault]:
    for place, here in _walk(json.loads(data, object_pairs_hook=_members)):
        if isinstance(here, _Doubled):
            yield Fault(pointer((*place, here.name)), "The member is given twice.", here.name, "each member once")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    doubled, seen = _Doubled(members), set[str]()
    doubled.name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return doubled
