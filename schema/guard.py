"""What a JSON reader lets through and a record may not hold, found before the schema looks at it.

Members given twice (every reader keeps the last in silence), control characters and integers that do not survive in
members nobody knows, nesting without end. The searches on the bytes are cheap; the record is read once more, with
Python's own reader, only where they give cause or where its bytes are not what we would have written ourselves.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from schema.base import MAX_BYTES, MAX_DEPTH, MAX_NUMBER
from schema.errors import Fault, Invalid
from schema.faults import MAX_FAULTS, pointer, shown

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ESCAPED_CONTROL = re.compile(rb"\\(?:[bf]|u00[01]|u007[fF])")

Path = tuple[str | int, ...]


def check_json(data: bytes, limit: int = MAX_BYTES) -> None:
    """Make sure that any reader would read these bytes alike. Raises `Invalid` with a fault a place where not.

    At most `limit` bytes of UTF-8 without BOM, 32 levels deep, integers within ±(2^53-1), no control characters but tab
    and line breaks, each member once.
    """
    if len(data) > limit:
        raise Invalid([Fault("", "It is too large.", f"{len(data)} bytes", f"at most {limit} bytes")])
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Invalid([Fault("", f"This is not JSON: {error.msg}.", None, "one JSON object, in UTF-8")]) from error
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _deeper(value, MAX_DEPTH):
        raise Invalid([Fault("", "It is nested too deeply.", None, f"at most {MAX_DEPTH} levels")])
    if _has_control(data) or not _is_ours(value, data):
        _read_slowly(data)


def _deeper(value: Any, levels: int) -> bool:
    if levels == 0:
        return isinstance(value, dict | list)
    inner = value.values() if isinstance(value, dict) else value
    return any(_deeper(part, levels - 1) for part in inner if isinstance(part, dict | list))


def _has_control(data: bytes) -> bool:
    """Whether a control character may be in there. Raw ones below 0x20 are no JSON, so they are escaped or DEL."""
    return b"\x7f" in data or (b"\\" in data and _ESCAPED_CONTROL.search(data) is not None)


def _is_ours(value: Any, data: bytes) -> bool:
    """Whether these are the bytes that we would write: proof that no member was given twice and no integer lost."""
    try:
        return orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER) == data
    except orjson.JSONEncodeError:
        return False


class _Doubled(dict[str, Any]):
    """An object in whose text members stand twice; `names` are those."""

    names: list[str]


def _read_slowly(data: bytes) -> None:
    suspects = _has_control(data)

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal suspects
        once = dict(pairs)
        if len(once) == len(pairs):
            return once
        suspects = True
        doubled, times = _Doubled(once), Counter(name for name, _ in pairs)
        doubled.names = [name for name in once if times[name] > 1]
        return doubled

    def whole(digits: str) -> int:
        nonlocal suspects
        number = int(digits)
        suspects = suspects or abs(number) > MAX_NUMBER
        return number

    tree = json.loads(data, object_pairs_hook=members, parse_int=whole)
    if suspects:
        faults = [fault for fault, _ in zip(_faults(tree), range(MAX_FAULTS), strict=False)]
        if faults:
            raise Invalid(faults)


def _faults(tree: Any) -> Iterator[Fault]:
    for place, here in _walk(tree):
        if isinstance(here, str) and _CONTROL.search(here):
            yield Fault(
                pointer(place), "It holds a control character.", shown(here), "text; tabs and line breaks are allowed"
            )
        elif isinstance(here, int) and abs(here) > MAX_NUMBER:
            yield Fault(pointer(place), "The number is too large.", shown(str(here)), "an integer within ±(2^53-1)")
        elif isinstance(here, dict) and any(_CONTROL.search(name) for name in here):
            yield Fault(pointer(place), "The name of a member holds a control character.", None, "plain text")
        if isinstance(here, _Doubled):
            for name in here.names:
                yield Fault(pointer((*place, name)), "The member is given twice.", name, "each member once")


def _walk(tree: Any) -> Iterator[tuple[Path, Any]]:
    """Every value with its place, in the order of the text."""
    waiting: list[tuple[Path, Any]] = [((), tree)]
    while waiting:
        place, here = waiting.pop()
        yield place, here
        if isinstance(here, dict):
            waiting.extend(((*place, name), member) for name, member in reversed(here.items()))
        elif isinstance(here, list):
            waiting.extend(((*place, at), entry) for at, entry in reversed(list(enumerate(here))))
