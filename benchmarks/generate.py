"""Registers of made-up councils as pages of our change feed, of any size and always the same.

The shape is that of real registers (docs/performance.md, "The data"): 350 publishers, 8,000 suppliers, 990 CPV codes
in 45 divisions, values that are log-normal, 1.1 KB a record. A page is made from its own number alone: any page can be
made without those before it, and a smaller register is the beginning of a larger one with as many feeds.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import orjson

from benchmarks.words import SEED, draw, names
from exchange.cpv import DIVISIONS
from federation.sign import Signer, payload
from schema.identifiers import id_prefix, publisher_id, record_id

SIZES: Mapping[str, int] = {"ci": 100_000, "10k": 10_000, "50k": 50_000, "100k": 100_000, "1m": 1_000_000}
PAGE, FEEDS = 500, 10
PUBLISHERS, SUPPLIERS, CODES_A_DIVISION = 350, 8_000, 22
EPOCH, TIME = "bench1", "2026-11-02T09:00:00Z"
OGL = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"
REGIONS = ("Norland", "Estmark", "Midvale", "Sundmark", "Westerlea", "Highmoor", "Fenland", "Downshire", "Coastmark")
STAGES = ("active", "ended", "tender", "pipeline", "terminated")
_STAGE_WEIGHTS = (60, 25, 6, 6, 3)
_FIRST_DAY, _DAYS = date(2021, 1, 1), 2_400
_TERMS = (365, 730, 1_095, 1_095, 1_460, 1_825, 2_555)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a feed as it is sent. `records` counts contracts; `next` is the number that the next page is after."""

    after: int
    next: int
    records: int
    body: bytes

    def packed(self, level: int = 6) -> bytes:
        """Give the page compressed, always as the same bytes."""
        return gzip.compress(self.body, level, mtime=0)


@dataclass(frozen=True, slots=True)
class Feed:
    """One made-up node and its register: `records` contracts after the organisation records of its publishers.

    `number` of `feeds` says which share of the 350 publishers is its own. `base_url` is an origin without a path.
    `signed`: each record bears the signature of the node's key.
    """

    base_url: str
    records: int
    number: int = 0
    feeds: int = 1
    signed: bool = False

    @property
    def node(self) -> str:
        """Give the node's id: its manifest's address."""
        return f"{self.base_url}/.well-known/folkmoot"

    @property
    def publishers(self) -> tuple[Json, ...]:
        """Give the organisations that publish here, as records."""
        return _publishers()[self.number :: self.feeds]

    @property
    def changes(self) -> int:
        """Give the number of the last change: organisations first, then contracts."""
        return len(self.publishers) + self.records

    def url(self, after: int = 0) -> str:
        """Give the address of the page after a change number."""
        return f"{self.base_url}/v1/changes?afterChangeNumber={after}"

    def manifest(self) -> bytes:
        """Give what the node says about itself."""
        found = {
            "folkmoot": "1.0",
            "role": "node",
            "id": self.node,
            "epoch": EPOCH,
            "publishers": [{**one, "idPrefix": self._prefix(one), "relation": "hosted"} for one in self.publishers],
            "contact": {"name": "Digital team", "email": "digital@exampleshire.example"},
            "license": OGL,
            "languages": ["en"],
            "updateFrequency": "P1D",
            "feeds": [
                {"url": f"{self.base_url}/v1/changes", "protocol": "rpde", "version": "1.0",
                 "ordering": "changeNumber", "kinds": ["organisation", "contract"],
                 "tombstones": {"policy": "persistent"}, "minPollSeconds": 300}
            ],
            "keys": [_signer().jwk] if self.signed else [],
            "software": {"name": "folkmoot-bench"},
        }  # fmt: skip
        return orjson.dumps(found)

    def pages(self) -> Iterator[Page]:
        """Give all pages with items, in order."""
        for number in range(-(-self.changes // PAGE)):
            yield self.page(number)

    def page(self, number: int) -> Page:
        """Make one page, its number counted from 0; the one behind the last is the feed's end and has no items."""
        after = min(number * PAGE, self.changes)
        last = min(after + PAGE, self.changes)
        rng = random.Random(f"{SEED}:{self.number}/{self.feeds}:{number}")
        own = self.publishers
        items = [self._item(change, own, rng) for change in range(after + 1, last + 1)]
        head: Json = {"next": self.url(last), "epoch": EPOCH, "license": OGL}
        if not items:
            head["latest"] = self.changes
        body = orjson.dumps(head)[:-1] + b',"items":[' + b",".join(map(orjson.dumps, items)) + b"]}"
        return Page(after, last, max(0, last - max(after, len(own))), body)

    def _item(self, change: int, own: Sequence[Json], rng: random.Random) -> Json:
        if change <= len(own):
            kind, publisher, data = "organisation", own[change - 1], own[change - 1]
            reference = _name(publisher)
        else:
            kind, publisher = "contract", own[int(len(own) * rng.random() ** 2)]
            data = contract(change, publisher, rng)
            reference = data["reference"]
        origin = {"node": self.node, "publisher": _name(publisher), "seq": change, "time": TIME}
        name = record_id(self._prefix(publisher), kind, reference)
        if self.signed:
            said = payload(
                record_id=name,
                kind=kind,
                data=orjson.dumps(data),
                reason=None,
                moved_to=None,
                origin=orjson.dumps(origin),
            )
            origin["sig"] = _signer().sign(said)
        return {"state": "updated", "kind": kind, "id": name, "modified": change, "data": data, "origin": origin}

    def _prefix(self, publisher: Json) -> str:
        return id_prefix(self.base_url, _name(publisher))


def feeds(size: int, bases: Sequence[str], *, signed: bool = False) -> list[Feed]:
    """Share `size` contracts out to as many nodes as there are base URLs."""
    share, rest = divmod(size, len(bases))
    return [Feed(base, share + (k < rest), k, len(bases), signed) for k, base in enumerate(bases)]


def pages(size: int, *, base_url: str, number: int = 0, feeds: int = 1) -> Iterator[Page]:
    """Give the pages of one node with `size` contracts (500 items a page, plain; `Page.packed` compresses)."""
    yield from Feed(base_url, size, number, feeds).pages()


def contract(change: int, publisher: Json, rng: random.Random) -> Json:
    """Make one contract."""
    start = _FIRST_DAY + timedelta(days=rng.randrange(_DAYS))
    end = start + timedelta(days=rng.choice(_TERMS))
    amount = round(min(max(rng.lognormvariate(10.5, 1.6), 100.0), 5e8), 2)
    suppliers = [_supplier(rng) for _ in range(1 if rng.random() < 0.93 else 2)]
    return {
        "reference": f"C-{change:07}",
        "title": " ".join(draw(rng, rng.randint(6, 9))).capitalize(),
        "description": " ".join(draw(rng, rng.randint(30, 50))).capitalize() + ".",
        "department": rng.choice(_departments()),
        "buyers": [{"name": publisher["name"], "identifiers": publisher["identifiers"]}],
        "suppliers": suppliers,
        "contractType": rng.choice(("Single award", "Framework", "Grant")),
        "stage": rng.choices(STAGES, _STAGE_WEIGHTS)[0],
        "value": {"amount": amount, "currency": "GBP", "basis": "total"},
        "startDate": start.isoformat(),
        "endDate": end.isoformat(),
        "reviewDate": (end - timedelta(days=180)).isoformat(),
        "classifications": [{"scheme": "CPV", "id": rng.choice(codes())}],
    }


@cache
def _signer() -> Signer:
    return Signer("bench-1", b"folkmoot bench, no secret at all")


@cache
def codes() -> tuple[str, ...]:
    """Give the 990 CPV codes that are used: the division and 22 made-up places within it."""
    return tuple(f"{division}{place:02}0000" for division in DIVISIONS for place in range(10, 10 + CODES_A_DIVISION))


@cache
def _publishers() -> tuple[Json, ...]:
    called = names(PUBLISHERS + SUPPLIERS)[:PUBLISHERS]
    return tuple(
        {
            "name": f"{name} Council",
            "identifiers": [{"scheme": "GB-LAE", "id": f"ZQ{chr(65 + number // 26)}{chr(65 + number % 26)}"}],
            "type": "unitary",
            "region": REGIONS[number % len(REGIONS)],
            "nation": "England",
        }
        for number, name in enumerate(called)
    )


@cache
def _suppliers() -> tuple[Json, ...]:
    called = names(PUBLISHERS + SUPPLIERS)[PUBLISHERS:]
    return tuple(
        {"name": f"{name} Ltd", "identifiers": [{"scheme": "GB-COH", "id": f"{90_000_001 + number * 7:08}"}],
         "sme": number % 3 > 0, "vcse": number % 40 == 0}
        for number, name in enumerate(called)
    )  # fmt: skip


@cache
def _departments() -> tuple[str, ...]:
    return ("Place", "Resources", "Adults", "Children", "Digital", "Highways", "Housing", "Finance")


def _supplier(rng: random.Random) -> Json:
    return _suppliers()[int(SUPPLIERS * rng.random() ** 3)]


def _name(publisher: Json) -> str:
    one = publisher["identifiers"][0]
    return publisher_id(one["scheme"], one["id"])
