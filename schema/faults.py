"""From pydantic's errors to faults that a council officer understands: where, what, what was expected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schema.errors import Fault, Invalid

MAX_FAULTS = 100
_QUOTED = re.compile(r"'([^']*)'")

# pydantic's type of error -> (what is wrong, what would be right); {..} is filled from the error's context.
_SENTENCES: Mapping[str, tuple[str, str]] = {
    "missing": ("It is missing.", "a value"),
    "json_invalid": ("This is not JSON: {error}.", "a JSON object"),
    "model_type": ("It is not an object.", "an object"),
    "model_attributes_type": ("It is not an object.", "an object"),
    "string_type": ("It is not a text.", "a text"),
    "string_too_short": ("It is empty.", "at least {min_length} character(s)"),
    "string_too_long": ("It is too long.", "at most {max_length} characters"),
    "int_type": ("It is not a whole number.", "a whole number"),
    "int_from_float": ("It is not a whole number.", "a whole number"),
    "int_parsing_size": ("The number is too large.", "a number within ±(2^53-1)"),
    "float_type": ("It is not a number.", "a number, without quotation marks, signs or commas"),
    "finite_number": ("It is not a number.", "a number"),
    "bool_type": ("It is neither true nor false.", "true or false"),
    "date_type": ("It is not a date.", "a date such as 2026-11-01"),
    "date_parsing": ("It is not a date.", "a date such as 2026-11-01"),
    "list_type": ("It is not a list.", "a list"),
    "too_short": ("The list is empty.", "at least {min_length} entry"),
    "too_long": ("The list is too long.", "at most {max_length} entries"),
    "greater_than_equal": ("The number is too small.", "{ge} or more"),
    "less_than_equal": ("The number is too large.", "{le} or less"),
}
# What each pattern of schema/base.py asks for, by the words that tell it apart.
_PATTERNS: tuple[tuple[str, str, str], ...] = (
    ("(https?://)?", "This is no address of a node.", "an address such as https://moot.exampleshire.example"),
    ("https?://", "It is no web address.", "an address that begins with http:// or https://"),
    ("@", "It is no e-mail address.", "the mailbox of a team, such as digital@exampleshire.example"),
    (r"[0-9]{8}", "It is no GSS code.", "a capital letter and 8 digits, such as E10000099"),
    (r"[A-Z]{3}$", "It is no currency code.", "three capital letters, such as GBP"),
    (r"{2,8}", "It is no language tag.", "a tag such as en or cy"),
    (r"\x0b", "It holds a control character.", "text; tabs and line breaks are allowed"),
    (r"\x00-\x1f\x7f]*$", "It is blank, or holds a line break or a control character.", "text on one line"),
    ("T[0-9]", "It is no time in UTC.", "a time such as 2026-11-02T09:00:00Z"),
    ("[A-Za-z0-9-]{0,39}", "It is no name of a scheme.", "letters, digits and hyphens, such as GB-COH"),
    (r"^1\.", "This is no version of the protocol that is read here.", "1.0, or another version 1.x"),
    ("a-z-]{0,39}", "It is no name of a kind.", "lower-case letters and hyphens, at most 40"),
)


def invalid(error: ValidationError) -> Invalid:
    """Turn what pydantic found into `Invalid`, one fault a place."""
    details = error.errors(include_url=False)
    return Invalid([fault(detail) for detail in details[:MAX_FAULTS]])


def pointer(place: Iterable[str | int]) -> str:
    """Write a place as an RFC 6901 JSON pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)


def shown(value: Any) -> Any:
    """What stood there, short enough to be shown."""
    if isinstance(value, str):
        return value if len(value) <= 200 else value[:199] + "…"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def fault(detail: ErrorDetails) -> Fault:
    """Tell one of pydantic's errors in plain words."""
    where, found = pointer(detail["loc"]), detail["input"]
    context: dict[str, Any] = detail.get("ctx", {})
    kind = detail["type"]
    if kind == "folkmoot":
        seen = shown(context.get("found", found))
        return Fault(where + context["at"], context["sentence"], seen, context["expected"])
    if kind == "missing":
        return Fault(where, "It is missing.", None, "a value")
    if found is None:
        return Fault(where, "It is null. A member without a value is left out.", None, "a value, or nothing at all")
    if kind in {"literal_error", "enum"}:
        return _code(where, found, _QUOTED.findall(context["expected"]))
    if kind == "string_pattern_mismatch":
        message, expected = _pattern(context["pattern"])
        return Fault(where, message, shown(found), expected)
    message, expected = _SENTENCES.get(kind, (detail["msg"] + ".", ""))
    return Fault(where, message.format_map(context), shown(found), expected.format_map(context))


def _code(where: str, found: Any, allowed: list[str]) -> Fault:
    near = nearest(found, allowed) if isinstance(found, str) else None
    hint = f" Did you mean '{near}'?" if near else ""
    return Fault(where, f"It is none of the values of this list.{hint}", shown(found), "one of " + ", ".join(allowed))


def nearest(found: str, allowed: Iterable[str]) -> str | None:
    """Name the allowed value that was probably meant, if one is near."""
    forms = {re.sub(r"[^a-z0-9]+", "-", value.lower()): value for value in allowed}
    form = re.sub(r"[^a-z0-9]+", "-", found[:100].lower()).strip("-")
    close = difflib.get_close_matches(form, forms, n=1, cutoff=0.6)
    return forms[close[0]] if close else None


def _pattern(pattern: str) -> tuple[str, str]:
    for mark, message, expected in _PATTERNS:
        if mark in pattern:
            return message, expected
    return "It is not of the form that is asked for.", f"text that matches {pattern}"
