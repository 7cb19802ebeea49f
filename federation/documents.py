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

FACETS = (
    "publisher", "region", "nation", "kind", "supplier", "cpv", "service", "tool", "phase", "status", "stage",
    "collaboration", "endYear",
)  # fmt: skip
"""What can be counted. A record has any number of values of each."""
FILTERS = (*(name for name in FACETS if name != "endYear"), "signature")
"""What can be filtered by value. `supplier`, `service` and `tool` also find by their other names."""


_KNOWN, _SHORT = 8_192, 400
_DATES = {
    "contract": (("start", "startDate"), ("end", "endDate")),
    "roadmap-item": (("start", "start"), ("end", "end")),
    "tool": (("start", "since"), ("end", "until")),
}


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

    `values` are counted and filtered by, `aliases` only filtered by; `labels` say what a person calls a value;
    `keys` are the packed sort keys and `numbers` what spans are compared with.
    """

    id: str
    kind: str
    row: int
    number: int
    title: str
    texts: list[str]
    values: dict[str, list[str]] = field(default_factory=dict)
    aliases: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    changed: int = 0

    def add(self, name: str, value: str, label: str = "") -> None:
        """Give the record a value of a field, once."""
        if value and _once(self.values, name, value) and label and label != value:
            self.labels.setdefault(name, {})[value] = label

    def members(self) -> dict[str, object]:
        """What every engine stores under the same names. `text` holds the title too: one field says what matches."""
        found: dict[str, object] = {
            "id": self.id,
            "title": self.title,
            "text": [self.title, *self.texts],
            "row": self.row,
            "number": self.number,
            "changed": self.changed,
        }
        found |= self.values
        found |= self.numbers
        for name, values in self.aliases.items():
            found[f"any_{name}"] = values
        return found

    def alias(self, name: str, value: str) -> None:
        """Let a filter find the record by another name of a value."""
        if value:
            _once(self.aliases, name, value)


def _once(fields: dict[str, list[str]], name: str, value: str) -> bool:
    known = fields.get(name)
    if known is None:
        fields[name] = [value]
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
    if source.kind not in KINDS or not isinstance(data, dict):
        return None
    place = place or _NOWHERE
    title, name = data.get("title"), data.get("name")
    called = title if type(title) is str else ""
    named = name if type(name) is str else ""
    texts = said(data)
    if called:  # a record with both is called by the first and found by the second
        texts.append(named)
    texts.append(place.name)
    values, labels = _standing(source.kind, source.publisher, source.signature, place)
    made = Document(
        source.id, source.kind, source.row, source.number, called or named,
        texts=texts, values=values.copy(), labels=labels.copy(), changed=microseconds(source.changed),
    )  # fmt: skip
    for member, take in _TAKEN.items():
        if member in data:
            take(made, data)
    _dates(made, data)
    if source.kind == "tool":
        _tool(made)
    return made


@lru_cache(4_096)
def _standing(
    kind: str, publisher: str, signature: str, place: Place
) -> tuple[dict[str, list[str]], dict[str, dict[str, str]]]:
    """The values that all records of a kind and publisher have, and their labels. They are copied and not changed."""
    made = Document("", kind, 0, 0, "", texts=[])
    made.add("kind", kind)
    made.add("publisher", publisher, place.name)
    made.add("region", name_key(place.region), place.region)
    made.add("nation", name_key(place.nation), place.nation)
    made.add("signature", signature)
    return made.values, made.labels


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
        if "supplier" in made.aliases:
            for alias in keys:
                made.alias("supplier", alias)
        elif keys[0]:
            made.aliases["supplier"] = [*keys]


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
    made.add("tool", name_key(made.title), made.title)
    made.alias("tool", name_key(made.title))
    made.alias("tool", made.id)


def _classifications(made: Document, data: Data) -> None:
    for classification in _objects(data, "classifications"):
        if _text(classification, "scheme").upper() == "CPV":
            beginnings = cpv_beginnings(_text(classification, "id")[:8])
            if beginnings:
                made.add("cpv", beginnings[0])
                for beginning in beginnings if "cpv" in made.aliases else ():
                    made.alias("cpv", beginning)
                made.aliases.setdefault("cpv", [*beginnings])


def _dates(made: Document, data: Data) -> None:
    for sort, name in _DATES.get(made.kind, ()):
        written = data.get(name)
        if type(written) is str:
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
        made.numbers["low"], made.numbers["high"] = min(known), max(known)
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
}
"""What is read from which member. Most records have few of them."""
_NOWHERE = Place()
