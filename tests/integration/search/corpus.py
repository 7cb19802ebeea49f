"""Small corpora of records, and a brute-force reading of them that shares no code with the index.

A corpus is what three publishers say: contracts, roadmap items and tools with members missing here and there, so
that equal values, absent values and several values all occur.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

import orjson
from hypothesis import strategies as st

from federation import log, publishers
from federation.database import Database
from schema.identifiers import id_prefix, organisation_id, record_id
from tests.services import NOW

URL = "http://moot.test"
NODE = f"{URL}/.well-known/folkmoot"
PLACES = {
    "GB-LAE-EXA": ("Exampleshire", "Wessex"),
    "GB-LAE-MID": ("Middleton", "Mercia"),
    "GB-LAE-NOR": ("Norhaven", ""),
}
WORDS = ["parking", "parks", "planning", "software", "café", "waste", "housing", "repairs", "library", "licensing"]
SUPPLIERS: Sequence[dict[str, Any]] = (
    {"name": "Acme Digital Ltd", "identifiers": [{"scheme": "GB-COH", "id": "01234567"}]},
    {"name": "ACME DIGITAL LIMITED", "identifiers": [{"scheme": "GB-COH", "id": "1234567"}]},
    {"name": "Borough & Sons"},
    {"name": "BOROUGH AND SONS LTD."},
    {"name": "Crane plc"},
)
CPV = ["48000000", "48211000", "72000000", "90500000"]
SERVICES = ["http://id.esd.org.uk/service/485", "http://id.esd.org.uk/service/57"]
DAY = date(2026, 1, 1)


@dataclass(frozen=True)
class Made:
    """A record as it was published."""

    id: str
    kind: str
    publisher: str
    data: dict[str, Any]


def records(random: Random, count: int) -> list[Made]:
    """As many records, the same for the same randomness."""
    return [_made(_spec(random, number), number) for number in range(count)]


def corpora(most: int = 25) -> st.SearchStrategy[list[Made]]:
    """Corpora of up to so many records."""
    specs = st.randoms(use_true_random=False).map(lambda random: lambda number: _spec(random, number))
    sizes = st.integers(min_value=0, max_value=most)
    return st.builds(lambda spec, size: [_made(spec(number), number) for number in range(size)], specs, sizes)


def _maybe(random: Random, value: Any) -> Any:
    return value if random.random() < 0.7 else None


def _spec(random: Random, number: int) -> dict[str, Any]:
    kind = random.choice(["contract", "contract", "contract", "roadmap-item", "tool"])
    first, last = DAY + timedelta(days=random.randint(0, 5)), DAY + timedelta(days=random.randint(300, 800))
    words = " ".join(random.choices(WORDS, k=random.randint(1, 4)))
    data: dict[str, Any] = {"reference": f"R-{number}", "name" if kind == "tool" else "title": words}
    if kind == "contract":
        data |= {
            "description": _maybe(random, " ".join(random.choices(WORDS, k=5))),
            "stage": _maybe(random, random.choice(["active", "ended", "tender"])),
            "suppliers": _maybe(random, random.sample(SUPPLIERS, k=random.randint(1, 2))),
            "classifications": _maybe(random, [{"scheme": "CPV", "id": code} for code in random.sample(CPV, k=2)]),
            "value": _maybe(random, random.choice(_VALUES)),
            "startDate": _maybe(random, first.isoformat()),
            "endDate": _maybe(random, last.isoformat()),
            "services": _maybe(random, random.sample(SERVICES, k=1)),
        }
    elif kind == "roadmap-item":
        data |= {
            "phase": _maybe(random, random.choice(["alpha", "live"])),
            "status": _maybe(random, random.choice(["active", "planned"])),
            "collaboration": _maybe(random, random.choice(["none", "seeking-partners"])),
            "budget": _maybe(random, random.choice([{"min": 50, "max": 100}, {"max": 5000}])),
            "start": _maybe(random, first.isoformat()),
            "end": _maybe(random, last.isoformat()),
        }
    else:
        data |= {"vendor": _maybe(random, "Crane PLC"), "serviceAreas": _maybe(random, ["Planning", "Waste"])}
    kept = {name: value for name, value in data.items() if value is not None}
    return {"kind": kind, "publisher": random.choice(sorted(PLACES)), "data": kept}


_VALUES: Sequence[dict[str, Any]] = (
    {"amount": 100}, {"amount": 100.5}, {"amount": 0}, {"amount": -20}, {"minimum": 50, "maximum": 200},
    {"minimum": 90}, {"amount": 1_000_000}, {"currency": "GBP"},
)  # fmt: skip


def _made(spec: Mapping[str, Any], number: int) -> Made:
    prefix = id_prefix(URL, spec["publisher"])
    return Made(record_id(prefix, spec["kind"], f"R-{number}"), spec["kind"], spec["publisher"], spec["data"])


def organisation(publisher: str, name: str, region: str) -> dict[str, Any]:
    """The data of an organisation record."""
    scheme, _, code = publisher.rpartition("-")
    told = {"name": name, "identifiers": [{"scheme": scheme, "id": code}], "nation": "England"}
    return told | ({"region": region} if region else {})


def found(database: Database) -> list[Made]:
    """Publish for the three publishers. Gives their organisation records."""
    made = []
    with database.write() as session:
        for publisher, (name, region) in PLACES.items():
            data = organisation(publisher, name, region)
            publishers.add(session, public_url=URL, organisation=data, now=NOW)
            own = organisation_id(id_prefix(URL, publisher), publisher)
            made.append(Made(own, "organisation", publisher, data))
    return made


def publish(database: Database, made: Iterable[Made]) -> None:
    """Append records to the log."""
    drafts = [log.Draft(one.id, one.kind, one.publisher, orjson.dumps(one.data)) for one in made]
    with database.write() as session:
        log.append(session, drafts, node=NODE, now=NOW)


def withdraw(database: Database, made: Iterable[Made]) -> None:
    """Append tombstones to the log."""
    drafts = [log.Draft(one.id, one.kind, one.publisher, None, "ended") for one in made]
    with database.write() as session:
        log.append(session, drafts, node=NODE, now=NOW)


# From here on: the brute-force reading.


def plain(name: str) -> str:
    """A supplier's name without case, punctuation, `&` and legal form."""
    words = re.sub(r"[^a-z0-9]+", " ", name.lower().replace("&", "and").replace("é", "e")).split()
    return "-".join(words[:-1] if words[-1] in ("ltd", "limited", "plc") else words)


def values(one: Made, name: str) -> set[str]:
    """The values of a facet that a record has."""
    return set(_VALUES_OF[name](one))


def _suppliers(one: Made) -> Iterable[str]:
    for supplier in one.data.get("suppliers", ()):
        known = supplier.get("identifiers")
        yield f"GB-COH-{int(known[0]['id']):08}" if known else plain(supplier["name"])
    if "vendor" in one.data:
        yield plain(one.data["vendor"])


def _services(one: Made) -> Iterable[str]:
    yield from one.data.get("services", ())
    yield from (area.lower() for area in one.data.get("serviceAreas", ()))


def _code(name: str) -> Callable[[Made], Iterable[str]]:
    return lambda one: [one.data[name]] if name in one.data else []


_VALUES_OF: Mapping[str, Callable[[Made], Iterable[str]]] = {
    "kind": lambda one: [one.kind],
    "publisher": lambda one: [one.publisher],
    "region": lambda one: [r.lower() for r in [PLACES[one.publisher][1]] if r],
    "nation": lambda _: ["england"],
    "supplier": _suppliers,
    "cpv": lambda one: [c["id"][:2] for c in one.data.get("classifications", ())],
    "service": _services,
    "tool": lambda one: ["-".join(one.data["name"].replace("é", "e").split())] if one.kind == "tool" else [],
    "endYear": lambda one: [day[:4] for day in [end(one)] if day],
    **{name: _code(name) for name in ("phase", "status", "stage", "collaboration")},
}


def start(one: Made) -> str:
    """First day, or nothing."""
    return str(one.data.get("startDate", one.data.get("start", "")))


def end(one: Made) -> str:
    """Last day, or nothing."""
    return str(one.data.get("endDate", one.data.get("end", "")))


def bounds(one: Made) -> tuple[float, float] | None:
    """The least and the most that a record is worth."""
    value, budget = one.data.get("value", {}), one.data.get("budget", {})
    if "amount" in value:
        return value["amount"], value["amount"]
    known = [v for v in (*map(value.get, ("minimum", "maximum")), *map(budget.get, ("min", "max"))) if v is not None]
    return (min(known), max(known)) if known else None


def counted(made: Iterable[Made], name: str) -> Counter[str]:
    """How many records have each value of a facet."""
    return Counter(value for one in made for value in values(one, name))


STEMS = {"parking": "park", "parks": "park", "planning": "plan", "housing": "hous", "repairs": "repair"}


def says(one: Made, word: str) -> bool:
    """Whether a word of the vocabulary, in any of its forms, stands in what the record says or its publisher's name."""
    said = [one.data.get("title"), one.data.get("name"), one.data.get("description"), PLACES[one.publisher][0]]
    said += [s["name"] for s in one.data.get("suppliers", ())] + list(one.data.get("serviceAreas", ()))
    words = {STEMS.get(w, w) for text in said if text for w in re.findall(r"[a-zé]+", text.lower())}
    return STEMS.get(word, word) in words
