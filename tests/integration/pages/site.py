"""Two councils, one of them with a faulty record, crawled into an aggregator whose pages are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.testclient import TestClient

from api.app import create_app
from api.services import Services
from federation.database import Database
from tests.integration.crawl.world import Aggregator, FakeNode, World
from tests.services import client, make_services

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ACME = {"name": "Acme Digital Ltd", "identifiers": [{"scheme": "GB-COH", "id": "01234567"}], "sme": True}
INLINE = frozenset({"a", "b", "code", "mark", "span", "strong", "time"})
VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})


def contract(number: int, end: str, **members: Any) -> dict[str, Any]:
    """Return a contract that ends on this day."""
    return {
        "reference": f"C-{number}",
        "title": f"Planning system {number}",
        "description": "Case management for the planning department, with a public register of applications.",
        "suppliers": [ACME],
        "value": {"amount": 1234.5 * number, "currency": "GBP", "basis": "total"},
        "stage": "active",
        "startDate": "2024-01-01",
        "endDate": end,
        "classifications": [{"scheme": "CPV", "id": "48000000"}],
    } | members


def exampleshire() -> FakeNode:
    """Return a council with two records of which one is withdrawn, one refused, and one of each other kind."""
    node = FakeNode("exa.example", "EXA", size=100)
    node.put("organisation", node.publisher, node.organisation() | {"region": "Wessex", "type": "county"})
    for number, end in enumerate(("2026-11-20", "2026-12-31", "2027-01-01", "2027-06-30", "2028-09-30", "2031-01-01")):
        node.put("contract", f"C-{number}", contract(number, end))
    node.put("contract", "C-old", contract(7, "2024-06-30", reference="C-old"))
    node.put("contract", "C-bad", {"reference": "C-bad", "title": 7})
    node.put("contract", "C-gone", contract(8, "2027-01-01", reference="C-gone"))
    node.delete("contract", "C-gone", "personal-data")
    node.put(
        "roadmap-item", "R-1", summary="Apply online.", phase="alpha", status="active", collaboration="seeking-partners"
    )
    tool = {
        "reference": "T-1",
        "name": "PlanRight",
        "vendor": "Acme Digital Ltd",
        "contract": node.prefix + "contract/C-1",
    }
    node.put("tool", "T-1", tool)
    node.put("asset", "A-1", {"reference": "A-1", "name": "Missed bin form", "type": "pattern", "licence": "MIT"})
    node.put("skill", "S-1", {"reference": "S-1", "name": "Service design", "offers": ["training"]})
    return node


def fernbury() -> FakeNode:
    """Return a second council that buys from the same supplier."""
    node = FakeNode("fer.example", "FER", size=100)
    node.key("2026-1")
    node.all_again()
    node.put("contract", "C-0", contract(0, "2027-02-01", title="Parking permits"))
    return node


@dataclass(frozen=True, slots=True)
class Site:
    """A served application and what a browser makes of it."""

    services: Services
    client: TestClient

    def get(self, path: str, status: int = 200) -> Page:
        """Open a page as a browser does."""
        reply = self.client.get(path, headers=BROWSER)
        assert reply.status_code == status, reply.text[:2000]
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        return Page(reply.text)

    def record(self, record_id: str, status: int = 200) -> Page:
        """Open the page of a record."""
        return self.get(f"/records?id={quote(record_id, safe='')}", status)


class Page(HTMLParser):
    """A page taken apart as a browser would: its tags with their attributes, its text, its links."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.links: dict[str, str] = {}
        self.open: list[str] = []
        self.pieces: list[str] = []
        self._href = ""
        self._words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in INLINE:
            self.pieces.append(" ")
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "a":
            self._href, self._words = dict(attrs).get("href") or "", []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> does not close what is open"
        if tag == "a":
            self.links[" ".join("".join(self._words).split())] = self._href

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)
        self._words.append(data)

    @property
    def text(self) -> str:
        """All text, with plain spaces."""
        return " ".join("".join(self.pieces).split())

    @property
    def title(self) -> str:
        """What the browser's tab says."""
        return self.html.partition("<title>")[2].partition("</title>")[0]

    def all(self, tag: str) -> Iterator[dict[str, str]]:
        """The attributes of every element of this name."""
        return (attributes for name, attributes in self.tags if name == tag)


def served(services: Services) -> Iterator[Site]:
    """Yield the site of these services, its index at the log's end."""
    with client(create_app(services)) as opened:
        services.follower.catch_up()
        yield Site(services, opened)


def aggregator(database: Database, tmp_path: Path) -> Services:
    """Return the services of an aggregator that has crawled both councils."""
    world = World()
    moot = Aggregator(database, world)
    for node in (exampleshire(), fernbury()):
        world.servers[node.url] = node
        moot.add(node)
    moot.crawl()
    return make_services(database, tmp_path, "aggregator", moot.url, organisation=None)
