"""A list as an Atom feed (RFC 4287). A pure writer; the same list gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from exchange.feeds import Entry, Feed
from schema.entry import stamp

ATOM = "http://www.w3.org/2005/Atom"
# What XML 1.0 cannot carry, even escaped. The C0 controls are refused before they are stored.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def atom(feed: Feed, entries: Sequence[Entry]) -> bytes:
    """An Atom feed of plain text."""
    root = ET.Element("feed", {"xmlns": ATOM, "xml:lang": feed.language})
    _text(root, "title", feed.title)
    if feed.about:
        _text(root, "subtitle", feed.about)
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
