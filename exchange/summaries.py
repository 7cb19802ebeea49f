"""A record in a line or two, for feeds and calendars: what a person wants to know before opening it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

_SIGNS = {"GBP": "£", "EUR": "€", "USD": "$"}
_TEXTS = ("summary", "description", "problem", "ask")
_LONGEST = 500


def label(data: Mapping[str, Any]) -> str:
    """What the record is called: its title, its name, else its reference."""
    found = (data.get(name) for name in ("title", "name", "reference"))
    return next((text for text in found if isinstance(text, str) and text), "Untitled")


def summary(data: Mapping[str, Any]) -> str:
    """Facts first (`Supplier: Acme Ltd. Value: £120,000. Ends 31 October 2029.`), then the beginning of the text."""
    text = next((data[name] for name in _TEXTS if isinstance(data.get(name), str)), "")
    cut = text if len(text) <= _LONGEST else text[:_LONGEST].rsplit(" ", 1)[0] + " …"
    return " ".join([*(f"{fact}." for fact in _facts(data)), cut]).strip()


def day(text: object) -> str:
    """A date as people write it: `31 October 2029`; nothing where it is none."""
    try:
        found = date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    return f"{found.day} {found:%B} {found.year}" if found else ""


def money(value: object) -> str:
    """An amount or a range: `£120,000`, `£100,000 to £150,000`."""
    if not isinstance(value, dict):
        return ""
    sign = _SIGNS.get(str(value.get("currency")), "")
    amounts = [value.get("amount")] if _is_number(value.get("amount")) else _range(value)
    told = [f"{sign}{amount:,.2f}".removesuffix(".00") for amount in amounts if _is_number(amount)]
    return " to ".join(dict.fromkeys(told))


def _range(value: Mapping[str, Any]) -> list[Any]:
    return [value.get("minimum", value.get("min")), value.get("maximum", value.get("max"))]


def _names(value: object) -> list[str]:
    parts = [part.get("name") for part in value if isinstance(part, dict)] if isinstance(value, list) else []
    return [name for name in parts if isinstance(name, str) and name]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _facts(data: Mapping[str, Any]) -> Iterator[str]:
    suppliers = _names(data.get("suppliers"))
    named = {
        "Supplier": ", ".join(suppliers[:3]) + (" and others" if len(suppliers) > 3 else ""),
        "Vendor": data.get("vendor"),
        "Value": money(data.get("value")),
        "Budget": money(data.get("budget")),
        "Phase": data.get("phase"),
        "Status": data.get("status"),
        "Stage": data.get("stage"),
        "Collaboration": data.get("collaboration"),
    }
    for name, told in named.items():
        if isinstance(told, str) and told:
            yield f"{name}: {told}"
    for verb, members in {"Starts": ("startDate", "start"), "Ends": ("endDate", "end")}.items():
        told = next((text for text in map(day, (data.get(member) for member in members)) if text), "")
        if told:
            yield f"{verb} {told}"
