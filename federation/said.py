"""What a record says in words: every text in it but codes, dates and addresses. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

_SILENT_WITHIN = frozenset(
    {
        "basis", "collaboration", "currency", "documentType", "email", "format", "gss", "language", "noticeType",
        "phase", "rel", "scheme", "stage", "status", "type", "withheld",
    }
)  # fmt: skip
_SILENT = _SILENT_WITHIN | {"title", "name"}
_UNSAID = re.compile(r"https?://\S*|\d{4}-\d\d-\d\d(T\S*)?")
_FIFTH = frozenset("-:s")
"""The fifth character of every text that `_UNSAID` takes: to ask for it first is quicker."""


def said(data: Mapping[str, Any]) -> list[str]:
    """Every text in a record, unknown members included; `data` is JSON as it was read. Its own name is left out."""
    found: list[str] = []
    _members(data, _SILENT, found)
    return found


def _members(data: Mapping[str, Any], silent: Collection[str], found: list[str]) -> None:
    # What JSON gives is of exactly these types, and asking for the type is the cheapest question.
    for name, value in data.items():
        kind = type(value)
        if kind is str:
            if name not in silent and not (value[4:5] in _FIFTH and _UNSAID.fullmatch(value)):
                found.append(value)
        elif kind is list:
            if name not in silent:
                _items(value, found)
        elif kind is dict and name not in silent:
            _members(value, _SILENT_WITHIN, found)


def _items(values: list[Any], found: list[str]) -> None:
    for value in values:
        kind = type(value)
        if kind is dict:
            _members(value, _SILENT_WITHIN, found)
        elif kind is str:
            if not (value[4:5] in _FIFTH and _UNSAID.fullmatch(value)):
                found.append(value)
        elif kind is list:
            _items(value, found)
