"""A list as a feed: JSON Feed 1.1 and Atom (RFC 4287). Pure writers; the same list gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

import orjson

from schema.entry import stamp

JSON_FEED = "https://jsonfeed.org/version/1.1"
ATOM = "http://www.w3.org/2005/Atom"
# What XML 1.0 cannot carry, even escaped. The C0 controls are refused before they are stored.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Feed:
    """The feed as a whole. `url` is its own address, `next` that of older entries, `home` a page for people."""

    title: str
    url: str
    home: str
    site: str
    license: str
    updated: datetime
    language: str = "en"
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of it. `id` is the record's id, which is also where it is read; `record` its list item as JSON."""

    id: str
    title: str
    text: str
    author: str
    tag: str
    published: str
    updated: datetime
    record: bytes


def json_feed(feed: Feed, entries: Sequence[Entry]) -> bytes:
    """A JSON Feed; the whole record stands in the extension `_folkmoot`."""
    made: dict[str, Any] = {
        "version": JSON_FEED,
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.url,
        "language": feed.language,
        "authors": [{"name": feed.site}],
        "_folkmoot": {"license": feed.license},
    }
    if feed.next:
        made["next_url"] = feed.next
    made["items"] = [_json_item(entry) for entry in entries]
    return orjson.dumps(made)


def _json_item(entry: Entry) -> Mapping[str, Any]:
    return {
        "id": entry.id,
        "url": entry.id,
        "title": entry.title,
        "content_text": entry.text or entry.title,
        "date_published": entry.published,
        "date_modified": stamp(entry.updated),
        "authors": [{"name": entry.author}],
        "tags": [entry.tag],
        "_folkmoot": orjson.Fragment(entry.record),
    }


def atom(feed: Feed, entries: Sequence[Entry]) -> bytes:
    """An Atom feed of plain text."""
    root = ET.Element("feed", {"xmlns": ATOM, "xml:lang": feed.language})
    _text(root, "title", feed.title)
    _text(root, "id", feed.url)
    _text(root, "updated", stamp(feed.updated))
    _text(root, "rights", feed.license)
    _text(ET.SubElement(root, "author"), "name", feed.site)
    _link(root, "self", feed.url, "application/atom+xml")
    _link(root, "alternate", feed.home, "text/html")
    _link(root, "license", feed.license)
    if feed.next:
        _link(root, "next", feed.next, "application/atom+xml")
    for entry in entries:
        _atom_entry(root, entry)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _atom_entry(root: ET.Element, entry: Entry) -> None:
    made = ET.SubElement(root, "entry")
    _text(made, "title", entry.title)
    _text(made, "id", entry.id)
    _text(made, "updated", stamp(entry.updated))
    _text(made, "published", entry.published)
    _text(ET.SubElement(made, "author"), "name", entry.author)
    _link(made, "alternate", entry.id)
    ET.SubElement(made, "category", {"term": entry.tag})
    _text(made, "summary", entry.text)


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = _NOT_XML.sub("\ufffd", text)


def _link(parent: ET.Element, rel: str, url: str, media: str | None = None) -> None:
    ET.SubElement(parent, "link", {"rel": rel, "href": url} | ({"type": media} if media else {}))
