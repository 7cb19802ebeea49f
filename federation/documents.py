"""A record as the index sees it: words, terms, dates and money. Pure; knows neither database nor engine.

Nothing here depends on today's date, and nothing raises: whatever a record holds, there is a document for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeGuard

import orjson

from federation.forms import (
    cpv_beginnings,
    day,
    lgsl_number,
    microseconds,
    money_bits,
    name_key,
    organisation_key,
    pack,
)
from federation.said import said
from schema.kinds import KINDS

Data = Mapping[str, Any]
Members = dict[str, Any]

FACETS = (
    "publisher", "region", "nation", "kind", "supplier", "cpv", "service", "tool", "phase", "status", "stage",
    "collaboration", "endYear",
)  # fmt: skip
"""What can be counted. A record has any number of values of each."""
FILTERS = (*(name for name in FACETS if name != "endYear"), "signature")
"""What can be filtered by value. `supplier`, `service` and `tool` also find by their other names."""

_KNOWN, _SHORT = 8_192, 400
"""How many suppliers are remembered, and of how many characters at most."""


class Source(NamedTuple):
    """A record as the database holds it; a tombstone has no data."""

    row: int
    id: str
    kind: str
    publisher: str
    number: int
    data: bytes | None
    changed: datetime
    signature: str = "absent"


@dataclass(frozen=True, slots=True)
class Place:
    """What a publisher's organisation record says for all of its records."""

    name: str = ""
    region: str = ""
    nation: str = ""


@dataclass(slots=True)
class Document:
    """What the index holds of one record.

    `members` are what every engine stores under the same names: what facets count (`FACETS`), what is only filtered by
    (`any_supplier` and the like), what spans compare (`low`, `high`), `text` with the title in it, so that one field
    says what matches. `labels` say what a person calls a value; `keys` are the packed sort keys.
    """

    id: str
    kind: str
    row: int
    number: int
    members: Members
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, value: str, label: str = "") -> None:
        """Give the record a value of a field, once."""
        if value and _once(self.members, name, value) and label and label != value:
            self.labels.setdefault(name, {})[value] = label

    def alias(self, name: str, value: str) -> None:
        """Let a filter find the record by another name of a value."""
        if value:
            _once(self.members, f"any_{name}", value)


def _once(members: Members, name: str, value: str) -> bool:
    known = members.get(name)
    if known is None:
        members[name] = [value]
        return True
    if value in known:
        return False
    known.append(value)
    return True


def document(source: Source, place: Place | None) -> Document | None:
    """Make the document of a record.

    None for a tombstone, and for a kind that this version does not know, which is not indexed.
    """
    if source.data is None:
        return None
    data = orjson.loads(source.data)
    if source.kind not in KINDS or type(data) is not dict:
        return None
    common, labels = _common(source.kind, source.publisher, source.signature, place or _NOWHERE)
    members = common.copy()
    made = Document(source.id, source.kind, source.row, source.number, members, labels.copy())
    members["id"], members["row"], members["number"] = source.id, source.row, source.number
    members["changed"] = microseconds(source.changed)
    _words(members, data, place)
    for member, take in _TAKEN.items():
        if member in data:
            take(made, data)
    if source.kind == "tool":
        _tool(made)
    return made


@lru_cache(4_096)
def _common(kind: str, publisher: str, signature: str, place: Place) -> tuple[Members, dict[str, dict[str, str]]]:
    """What the documents of a publisher's records of a kind all hold, and its labels. It is copied, never changed."""
    made = Document("", kind, 0, 0, {})
    made.add("kind", kind)
    made.add("publisher", publisher, place.name)
    made.add("region", name_key(place.region), place.region)
    made.add("nation", name_key(place.nation), place.nation)
    made.add("signature", signature)
    return made.members, made.labels


def _words(members: Members, data: Data, place: Place | None) -> None:
    title, name = _text(data, "title"), _text(data, "name")
    members["title"] = title or name
    texts = [title or name, *said(data)]
    if title:  # a record with both is called by the first and found by the second
        texts.append(name)
    texts.append(place.name if place else "")
    members["text"] = texts


def place_of(data: bytes) -> Place:
    """Read what an organisation record says for the records of its publisher."""
    found = orjson.loads(data)
    found = found if isinstance(found, dict) else {}
    return Place(_text(found, "name"), _text(found, "region"), _text(found, "nation"))


def _text(data: Data, name: str) -> str:
    value = data.get(name)
    return value if type(value) is str else ""


def _objects(data: Data, name: str) -> list[Data]:
    value = data.get(name)
    return [one for one in value if type(one) is dict] if type(value) is list else []


def _strings(data: Data, name: str) -> list[str]:
    value = data.get(name)
    return [one for one in value if type(one) is str] if type(value) is list else []


def _code(name: str, made: Document, data: Data) -> None:
    made.add(name, _text(data, name))


def _suppliers(made: Document, data: Data) -> None:
    for supplier in _objects(data, "suppliers"):
        name, identifiers = _text(supplier, "name"), supplier.get("identifiers")
        told = orjson.dumps(identifiers) if identifiers else b"[]"
        keys = _remembered(name, told) if len(name) + len(told) <= _SHORT else _supplier(name, told)
        made.add("supplier", keys[0], name)
        if "any_supplier" in made.members:
            for alias in keys:
                made.alias("supplier", alias)
        elif keys[0]:
            made.members["any_supplier"] = [*keys]


def _supplier(name: str, identifiers: bytes) -> tuple[str, ...]:
    """The keys of a supplier, each once: the first of its identifiers, the others, its name. At least one, if empty."""
    named = {"identifiers": orjson.loads(identifiers)}
    keys = dict.fromkeys((*_identifier_keys(named), name_key(name)))
    return tuple(key for key in keys if key) or ("",)


_remembered = lru_cache(_KNOWN)(_supplier)
"""Registers repeat their suppliers: to find the keys of one takes longer than all else that is done with it."""


def _vendor(made: Document, data: Data) -> None:
    vendor = _text(data, "vendor")
    made.add("supplier", name_key(vendor), vendor)
    made.alias("supplier", name_key(vendor))


def _identifier_keys(supplier: Data) -> Iterator[str]:
    for identifier in _objects(supplier, "identifiers"):
        scheme, name = _text(identifier, "scheme"), _text(identifier, "id")
        key = organisation_key(scheme, name)
        if key:
            yield key


def _services(made: Document, data: Data) -> None:
    for service in _strings(data, "services"):
        number = lgsl_number(service)
        made.add("service", service, f"LGSL {number}" if number else "")
        made.alias("service", service)
        made.alias("service", number)


def _areas(made: Document, data: Data) -> None:
    for area in _strings(data, "serviceAreas"):
        made.add("service", name_key(area), area)
        made.alias("service", name_key(area))


def _links(made: Document, data: Data) -> None:
    for link in _strings(data, "tools"):
        made.alias("tool", link)


def _tool(made: Document) -> None:
    title = made.members["title"]
    made.add("tool", name_key(title), title)
    made.alias("tool", name_key(title))
    made.alias("tool", made.id)


def _classifications(made: Document, data: Data) -> None:
    for classification in _objects(data, "classifications"):
        if _text(classification, "scheme").upper() == "CPV":
            beginnings = cpv_beginnings(_text(classification, "id")[:8])
            if beginnings:
                made.add("cpv", beginnings[0])
                for beginning in beginnings if "any_cpv" in made.members else ():
                    made.alias("cpv", beginning)
                made.members.setdefault("any_cpv", [*beginnings])


def _date(sort: str, kind: str, name: str, made: Document, data: Data) -> None:
    written = data[name]
    if made.kind == kind and type(written) is str:
        ordinal, year = day(written)
        if ordinal:
            made.keys[sort] = pack(ordinal, made.row)
            if sort == "end":
                made.add("endYear", year)


def _money(made: Document, data: Data) -> None:
    value, budget = data.get("value"), data.get("budget")
    if type(value) is dict:
        amount = value.get("amount")
        bounds = (amount,) if _is_number(amount) else (value.get("minimum"), value.get("maximum"))
    elif type(budget) is dict:
        bounds = (budget.get("min"), budget.get("max"))
    else:
        return
    known = [float(bound) for bound in bounds if _is_number(bound)]
    if known:
        made.members["low"], made.members["high"] = min(known), max(known)
        made.keys["value"] = pack(money_bits(known[0]), made.row)


def _is_number(value: object) -> TypeGuard[float]:
    return type(value) is float or type(value) is int


_TAKEN: Mapping[str, Callable[[Document, Data], None]] = {
    **{code: partial(_code, code) for code in ("phase", "status", "stage", "collaboration")},
    "suppliers": _suppliers,
    "vendor": _vendor,
    "services": _services,
    "serviceAreas": _areas,
    "tools": _links,
    "classifications": _classifications,
    "value": _money,
    "budget": _money,
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
"""What is read from which member. Most records have few of them."""
_NOWHERE = Place()
