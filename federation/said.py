"""What a record says in words: every text in it but codes, dates and addresses. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SILENT = frozenset(
    {
        "basis", "collaboration", "currency", "documentType", "email", "format", "gss", "language", "noticeType",
        "phase", "rel", "scheme", "stage", "status", "title", "name", "type", "withheld",
    }
)  # fmt: skip
_UNSAID = re.compile(r"https?://\S*|\d{4}-\d\d-\d\d(T\S*)?")


def said(data: Mapping[str, Any]) -> list[str]:
    """Every text in a record, unknown members included; `data` is JSON as it was read. Its own name is left out."""
    found: list[str] = []
    _members(data, found)
    return found


def _members(data: Mapping[str, Any], found: list[str]) -> None:
    # What JSON gives is of exactly these types, and asking for the type is the cheapest question.
    for name, value in data.items():
        if name in _SILENT:
            continue
        kind = type(value)
        if kind is str:
            if not ((value[4:5] == "-" or value[:4] == "http") and _UNSAID.fullmatch(value)):
                found.append(value)
        elif kind is list:
            _items(value, found)
        elif kind is dict:
            _named(value, found)


def _items(values: list[Any], found: list[str]) -> None:
    for value in values:
        kind = type(value)
        if kind is dict:
            _named(value, found)
        elif kind is str:
            if not ((value[4:5] == "-" or value[:4] == "http") and _UNSAID.fullmatch(value)):
                found.append(value)
        elif kind is list:
            _items(value, found)


def _named(value: Mapping[str, Any], found: list[str]) -> None:
    """What stands in a member: there a title or a name is a word like others."""
    _members(value, found)
    title, name = value.get("title"), value.get("name")
    if type(title) is str:
        found.append(title)
    if type(name) is str:
        found.append(name)
