"""Hypothesis strategies for what councils may publish: valid records of each kind, made from their JSON Schema.

Whatever the JSON Schema allows, the models must take; so every test that uses these also holds the two together.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

from hypothesis import strategies as st

from schema.base import MAX_NUMBER
from schema.jsonschema import json_schema
from schema.kinds import KINDS

Json = Any
_CONTROL = [chr(code) for code in (*range(0x20), 0x7F)]
_FIXED = re.compile(r"\\x00")  # patterns that only forbid control characters are met by the alphabet instead


def lines(min_size: int = 1, max_size: int = 20) -> st.SearchStrategy[str]:
    """Text on one line, not blank."""
    letters = st.characters(exclude_categories=["Cs"], exclude_characters=_CONTROL)
    return st.text(letters, min_size=min_size, max_size=max_size).filter(lambda text: text.strip(" ") != "")


def prose(max_size: int = 60) -> st.SearchStrategy[str]:
    """Text that may hold tabs and line breaks."""
    allowed = [char for char in _CONTROL if char not in "\t\n\r"]
    return st.text(st.characters(exclude_categories=["Cs"], exclude_characters=allowed), min_size=1, max_size=max_size)


def references() -> st.SearchStrategy[str]:
    """References as councils write them, in NFC: slashes, spaces and letters of any script."""
    return (
        st.one_of(lines(max_size=30), st.from_regex(r"[A-Z]{2,4}/[0-9]{4} [0-9]{1,3}", fullmatch=True))
        .map(lambda text: unicodedata.normalize("NFC", text))
        .filter(lambda text: text not in (".", "..") and len(text) <= 200)
    )


def identifiers() -> st.SearchStrategy[dict[str, Json]]:
    """Identifiers under the known schemes, in forms that normalise, and under others."""
    known = {
        "GB-COH": r"(0?[1-9][0-9]{6}|[sS][cC][0-9]{6}|OC[0-9]{4}|NI ?[0-9]{6})",
        "GB-CHC": r"[1-9][0-9]{6}(-[1-9])?",
        "GB-SC": r"SC0[0-9]{5}",
        "GB-NIC": r"(NIC)?1[0-9]{5}",
        "GB-LAE": r"[A-Za-z]{3}",
        "GB-LAS": r"[A-Z]{3}",
        "GB-PLA": r"[A-Z]{3}",
        "GB-LANI": r"[A-Z]{3,4}",
    }
    pairs = [st.tuples(st.just(scheme), st.from_regex(form, fullmatch=True)) for scheme, form in known.items()]
    other = st.tuples(st.sampled_from(["GB-PPON", "XI-LEI", "duns", "local"]), lines())
    return st.one_of(*pairs, other).map(lambda pair: {"scheme": pair[0], "id": pair[1]})


def urls() -> st.SearchStrategy[str]:
    """Addresses of pages."""
    return st.from_regex(
        r"https?://[a-z]{1,9}(\.[a-z]{2,5}){1,2}(:[1-9][0-9]{1,3})?(/[A-Za-z0-9._~%-]{0,9}){0,3}(\?q=[a-z]{0,5})?",
        fullmatch=True,
    )


def unknown_values() -> st.SearchStrategy[Json]:
    """Any JSON that a record may carry in a member that nobody knows."""
    whole = st.integers(min_value=-MAX_NUMBER, max_value=MAX_NUMBER)
    leaves = st.one_of(st.none(), st.booleans(), whole, st.floats(allow_nan=False, allow_infinity=False), prose())
    return st.recursive(
        leaves, lambda inner: _lists(inner) | st.dictionaries(prose(10), inner, max_size=3), max_leaves=6
    )


def _lists(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[list[Json]]:
    return st.lists(inner, max_size=3)


@cache
def records(kind: str, *, unknown: bool = True) -> st.SearchStrategy[dict[str, Json]]:
    """Valid `data` of a kind as a dict, with members that nobody knows unless `unknown` is false."""
    schema = json_schema(kind, KINDS[kind])
    return _object(schema, schema.get("$defs", {}), unknown=unknown)


def any_record(*, unknown: bool = True) -> st.SearchStrategy[tuple[str, dict[str, Json]]]:
    """(kind, data) of any of the six kinds."""
    return st.one_of(
        *(st.tuples(st.just(kind), records(kind, unknown=unknown)) for kind in KINDS),
    )


def _object(
    schema: Mapping[str, Json], parts: Mapping[str, Json], *, unknown: bool
) -> st.SearchStrategy[dict[str, Json]]:
    members = {name: _value(member, parts, unknown=unknown, name=name) for name, member in schema["properties"].items()}
    required = {name: members.pop(name) for name in schema.get("required", ())}
    known = st.fixed_dictionaries(required, optional=members)
    if not unknown:
        return known
    names = prose(10).filter(lambda name: name not in schema["properties"])
    extra = st.one_of(st.just({}), st.dictionaries(names, unknown_values(), max_size=2))
    return st.tuples(extra, known).map(lambda pair: pair[0] | pair[1])


def _value(
    schema: Mapping[str, Json], parts: Mapping[str, Json], *, unknown: bool, name: str = ""
) -> st.SearchStrategy[Json]:
    if "$ref" in schema:
        part = schema["$ref"].rpartition("/")[2]
        return identifiers() if part == "Identifier" else _object(parts[part], parts, unknown=unknown)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "array":
        items = _value(schema["items"], parts, unknown=unknown)
        return st.lists(items, min_size=schema.get("minItems", 0), max_size=2)
    if schema["type"] == "string":
        return references() if name == "reference" else _text(schema)
    return _scalar(schema)


def _text(schema: Mapping[str, Json]) -> st.SearchStrategy[str]:
    if schema.get("format") == "date":
        return st.dates(min_value=date(1, 1, 1)).map(date.isoformat)
    if schema.get("format") == "uri":
        return urls()
    pattern = schema["pattern"]
    if not _FIXED.search(pattern):
        return st.from_regex(pattern.removeprefix("^").removesuffix("$"), fullmatch=True).filter(
            lambda text: len(text) <= schema.get("maxLength", 2000)
        )
    return lines() if pattern.count(r"\x00") > 1 else prose()


def _scalar(schema: Mapping[str, Json]) -> st.SearchStrategy[Json]:
    if schema["type"] == "boolean":
        return st.booleans()
    low, high = schema.get("minimum"), schema.get("maximum")
    whole = st.integers(min_value=low and int(low), max_value=high and int(high))
    if schema["type"] == "integer":
        return whole | whole.filter(lambda number: abs(number) < 2**52).map(float)
    return whole | st.floats(min_value=low, max_value=high, allow_nan=False, allow_infinity=False)
