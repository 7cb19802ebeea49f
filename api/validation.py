"""What the framework found wrong with a request, in plain words: the place, what was found, what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_EXPECTED: Mapping[str, str] = {
    "string_too_short": "{min_length} or more characters",
    "string_too_long": "{max_length} or fewer characters",
    "string_pattern_mismatch": "text of the form {pattern}",
    "string_type": "text",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "literal_error": "one of {expected}",
    "enum": "one of {expected}",
    "list_type": "a list",
    "dict_type": "an object",
    "model_attributes_type": "an object",
    "too_long": "at most {max_length} of them",
    "too_short": "at least {min_length} of them",
    "extra_forbidden": "no such member",
}


def sentence(fault: Mapping[str, Any]) -> str:
    """What is wrong with one place: its name, what was found there and what was expected, in plain words."""
    place, *path = fault["loc"]
    names = {"body": "Member", "header": "Header", "path": "The address's part"}
    what = f"{names.get(str(place), 'Parameter')} '{'/'.join(map(str, path))}'" if path else "The body"
    if fault["type"] == "missing":
        return f"{what} is missing; it is needed."
    found = fault.get("input")
    told = f" is {str(found)[:80]!r}" if isinstance(found, str | int | float) else " cannot be read"
    return f"{what}{told}; expected {expected(fault)}."


def expected(fault: Mapping[str, Any]) -> str:
    """What the place should hold."""
    limits: Mapping[str, Any] = fault.get("ctx") or {}
    if fault["type"] in _EXPECTED:
        return _EXPECTED[fault["type"]].format(**limits)
    said = str(fault["msg"])
    return said[:1].lower() + said[1:]
