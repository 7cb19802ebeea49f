"""A list as JSON Feed 1.1 and as Atom: what readers need stands there, and the same list gives the same bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import orjson
from hypothesis import given
from hypothesis import strategies as st

from exchange.atom import atom
from exchange.feeds import Entry, Feed, json_feed
from tests.strategies import prose

WHEN = datetime(2026, 11, 2, 9, 0, 0, 123, tzinfo=UTC)
FEED = Feed(
    "Contracts about parking — Wessex Moot", "http://moot.test/v1/contracts?format=atom&q=parking",
    "http://moot.test/search?q=parking", "Wessex Moot", "http://licence.test/", WHEN, "en", "http://moot.test/next",
)  # fmt: skip
ATOM = {"a": "http://www.w3.org/2005/Atom"}


def entry(title: str = "Parking", text: str = "Permits") -> Entry:
    return Entry(
        "http://node.test/id/GB-LAE-EXA/contract/1", title, text, "Exampleshire", "contract", "2026-11-01T00:00:00Z",
        WHEN, b'{"id":"http://node.test/id/GB-LAE-EXA/contract/1","data":{"title":"Parking"}}',
    )  # fmt: skip


def parsed(body: bytes) -> ET.Element:
    return ET.fromstring(body)  # noqa: S314 - our own bytes


def test_a_json_feed_is_one() -> None:
    """Version, title, addresses and items are as JSON Feed 1.1 asks; the whole record stands in the extension."""
    made = orjson.loads(json_feed(FEED, [entry()]))
    assert made["version"] == "https://jsonfeed.org/version/1.1"
    assert made["title"] == FEED.title
    assert (made["home_page_url"], made["feed_url"], made["next_url"]) == (FEED.home, FEED.url, FEED.next)
    item = made["items"][0]
    assert item["id"] == item["url"] == entry().id
    assert item["content_text"] == "Permits"
    assert (item["date_published"], item["date_modified"]) == ("2026-11-01T00:00:00Z", "2026-11-02T09:00:00Z")
    assert item["_folkmoot"]["data"] == {"title": "Parking"}
    assert {type(author) for author in made["authors"]} == {dict}


def test_a_json_item_always_has_content() -> None:
    """An item without text says its title: JSON Feed asks for content in every item."""
    assert orjson.loads(json_feed(FEED, [entry(text="")]))["items"][0]["content_text"] == "Parking"


def test_an_atom_feed_is_one() -> None:
    """Feed and entries have the id, title, updated and author that RFC 4287 asks for, and links to go on by."""
    root = parsed(atom(FEED, [entry()]))
    for node in (root, root.find("a:entry", ATOM)):
        assert node is not None
        assert all(node.findtext(f"a:{name}", None, ATOM) for name in ("id", "title", "updated", "author/a:name"))
    links = {link.get("rel"): link.get("href") for link in root.findall("a:link", ATOM)}
    assert links == {"self": FEED.url, "alternate": FEED.home, "license": FEED.license, "next": FEED.next}


@given(title=prose(), text=st.text(max_size=40))
def test_any_text_makes_well_formed_xml(title: str, text: str) -> None:
    """Whatever a record says, the feed can be parsed, and what XML can carry comes back."""
    root = parsed(atom(FEED, [entry(title, text)]))
    back = root.findtext("a:entry/a:title", None, ATOM)
    if title.isprintable() and title.isascii():
        assert back == title


def test_the_same_list_gives_the_same_bytes() -> None:
    """Nothing of the moment of writing stands in a feed."""
    assert atom(FEED, [entry()]) == atom(FEED, [entry()])
    assert json_feed(FEED, [entry()]) == json_feed(FEED, [entry()])
