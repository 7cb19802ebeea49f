"""What of a record can be filtered by, counted and sorted by, and from which member each is read. Pure.

Every record of an index comes by here, so each member is read in few steps. What JSON gives is of exactly the types
asked for, and to ask for the type is the cheapest question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

import orjson

from federation.documents import Document
from federation.forms import cpv_beginnings, day, lgsl_number, money_bits, name_key, organisation_key, pack

Data = Mapping[str, Any]
_KNOWN, _SHORT = 8_192, 400
"""How many suppliers are remembered, and of how many characters at most."""


def text(data: Data, name: str) -> str:
    """A member, where it is text; else nothing."""
    value = data.get(name)
    return value if type(value) is str else ""


def _objects(value: object) -> list[Data]:
    return [one for one in value if type(one) is dict] if type(value) is list else []


def _strings(value: object) -> list[str]:
    return [one for one in value if type(one) is str] if type(value) is list else []


def _code(name: str, made: Document, data: Data) -> None:
    value = data[name]
    if type(value) is str:
        made.add(name, value)


def _suppliers(made: Document, data: Data) -> None:
    for supplier in _objects(data["suppliers"]):
        name, identifiers = text(supplier, "name"), supplier.get("identifiers")
        told = orjson.dumps(identifiers) if identifiers else b"[]"
        keys = _remembered(name, told) if len(name) + len(told) <= _SHORT else _supplier(name, told)
        if keys:
            made.add("supplier", keys[0], name)
            made.alias("any_supplier", keys)


def _supplier(name: str, identifiers: bytes) -> tuple[str, ...]:
    """The keys of a supplier, each once: the first of its identifiers, the others, its name."""
    keys = dict.fromkeys((*_identifier_keys(orjson.loads(identifiers)), name_key(name)))
    return tuple(key for key in keys if key)


_remembered = lru_cache(_KNOWN)(_supplier)
"""Registers repeat their suppliers: to find the keys of one takes longer than all else that is done with it."""


def _identifier_keys(identifiers: object) -> Iterator[str]:
    for identifier in _objects(identifiers):
        yield organisation_key(text(identifier, "scheme"), text(identifier, "id"))


def _vendor(made: Document, data: Data) -> None:
    vendor = text(data, "vendor")
    if key := name_key(vendor):
        made.add("supplier", key, vendor)
        made.alias("any_supplier", (key,))


def _services(made: Document, data: Data) -> None:
    for service in _strings(data["services"]):
        number = lgsl_number(service)
        if service:
            made.add("service", service, f"LGSL {number}" if number else "")
            made.alias("any_service", (service, number) if number else (service,))


def _areas(made: Document, data: Data) -> None:
    for area in _strings(data["serviceAreas"]):
        if key := name_key(area):
            made.add("service", key, area)
            made.alias("any_service", (key,))


def _links(made: Document, data: Data) -> None:
    for link in _strings(data["tools"]):
        if link:
            made.alias("any_tool", (link,))


def tool(made: Document) -> None:
    """Let a tool be found by its own name and id, as those that use it are."""
    title = made.members["title"]
    if key := name_key(title):
        made.add("tool", key, title)
        made.alias("any_tool", (key,))
    made.alias("any_tool", (made.id,))


def _classifications(made: Document, data: Data) -> None:
    for classification in _objects(data["classifications"]):
        if text(classification, "scheme").upper() == "CPV":
            beginnings = cpv_beginnings(text(classification, "id")[:8])
            if beginnings:
                made.add("cpv", beginnings[0])
                made.alias("any_cpv", beginnings)


def _date(sort: str, kind: str, name: str, made: Document, data: Data) -> None:
    written = data[name]
    if made.kind == kind and type(written) is str:
        ordinal, year = day(written)
        if ordinal:
            made.keys[sort] = pack(ordinal, made.row)
            if sort == "end":
                made.add("endYear", year)


def _value(made: Document, data: Data) -> None:
    value = data["value"]
    if type(value) is dict:
        amount = value.get("amount")
        one = type(amount) is float or type(amount) is int
        _bounds(made, *(amount, amount) if one else (value.get("minimum"), value.get("maximum")))


def _budget(made: Document, data: Data) -> None:
    budget = data["budget"]
    if type(budget) is dict and type(data.get("value")) is not dict:
        _bounds(made, budget.get("min"), budget.get("max"))


def _bounds(made: Document, low: Any, high: Any) -> None:
    """Where a sum lies. It is sorted by the first that is known."""
    if not (type(low) is float or type(low) is int):
        low = high
    if not (type(high) is float or type(high) is int):
        high = low
    if type(low) is float or type(low) is int:
        low, high = float(low), float(high)
        made.keys["value"] = pack(money_bits(low), made.row)
        made.members["low"], made.members["high"] = (low, high) if low <= high else (high, low)


TAKEN: Mapping[str, Callable[[Document, Data], None]] = {
    **{code: partial(_code, code) for code in ("phase", "status", "stage", "collaboration")},
    "suppliers": _suppliers,
    "vendor": _vendor,
    "services": _services,
    "serviceAreas": _areas,
    "tools": _links,
    "classifications": _classifications,
    "value": _value,
    "budget": _budget,
    **{
        name: partial(_date, sort, kind, name)
        for kind, names in {
            "contract": ("startDate", "endDate"),
            "roadmap-item": ("start", "end"),
            "tool": ("since", "until"),
        }.items()
        for sort, name in zip(("start", "end"), names, strict=True)
    },
}
"""What is read from which member."""
