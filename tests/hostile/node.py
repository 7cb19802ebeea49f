"""A well-behaved node at an address of its own on loopback, as plain documents that a behaviour may bend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
OGL = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"
WELL_KNOWN = "/.well-known/folkmoot"
FEED = "/v1/changes"
Document = dict[str, Any]


@dataclass(slots=True)
class Node:
    """One node with so many contracts; `net` is the first half of its address, `n` the second."""

    n: int
    port: int
    net: str = "127.41"
    contracts: int = 3
    scheme: str = "http"
    items: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Publish the organisation and the contracts."""
        self.put("organisation", self.publisher, self.organisation())
        for number in range(1, self.contracts + 1):
            self.contract(f"C-{number}")

    @property
    def address(self) -> str:
        """Its address, which ends neither in 0 nor in 255."""
        return f"{self.net}.{self.n // 200 + 1}.{self.n % 200 + 1}"

    @property
    def url(self) -> str:
        """Its public URL."""
        return f"{self.scheme}://{self.address}:{self.port}"

    @property
    def id(self) -> str:
        """Its manifest's URL."""
        return self.url + WELL_KNOWN

    @property
    def key(self) -> str:
        """Its key in an aggregator's lists."""
        return f"{self.address}_{self.port}"

    @property
    def publisher(self) -> str:
        """Its publisher's id."""
        n = self.n
        return f"GB-LAE-{LETTERS[n // 676 % 26]}{LETTERS[n // 26 % 26]}{LETTERS[n % 26]}"

    @property
    def prefix(self) -> str:
        """The prefix of its ids."""
        return f"{self.url}/id/{self.publisher}/"

    def organisation(self) -> Document:
        """Its organisation's data."""
        return {"name": f"Council {self.n}", "identifiers": [{"scheme": "GB-LAE", "id": self.publisher[7:]}]}

    def contract(self, reference: str) -> Document:
        """Publish a contract; gives its item."""
        return self.put("contract", reference, {"reference": reference, "title": f"Contract {reference}"})

    def put(self, kind: str, reference: str, data: Document) -> Document:
        """Publish a record; gives its item."""
        number = len(self.items) + 1
        item: Document = {"state": "updated", "kind": kind, "id": f"{self.prefix}{kind}/{reference}"}
        origin = {"node": self.id, "publisher": self.publisher, "seq": number, "time": "2026-11-02T09:00:00Z"}
        self.items.append(item | {"modified": number, "data": data, "origin": origin})
        return self.items[-1]

    def manifest(self) -> Document:
        """Its manifest."""
        feed = {"url": self.url + FEED, "protocol": "rpde", "ordering": "changeNumber", "minPollSeconds": 300}
        return {
            "folkmoot": "1.0",
            "role": "node",
            "id": self.id,
            "epoch": "first",
            "publishers": [{"idPrefix": self.prefix, "relation": "own"} | self.organisation()],
            "contact": {"name": "Team", "email": "team@exampleshire.example"},
            "license": OGL,
            "feeds": [feed],
        }

    def page(self, after: int) -> Document:
        """The page after a change number."""
        found = [dict(item) for item in self.items if item["modified"] > after][:500]
        page: Document = {"next": self.at(found[-1]["modified"] if found else after), "license": OGL, "epoch": "first"}
        return page | {"items": found} | ({} if found else {"latest": len(self.items)})

    def at(self, number: int) -> str:
        """The URL of the page after a change number."""
        return f"{self.url}{FEED}?afterChangeNumber={number}"
