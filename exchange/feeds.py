"""A list as a feed: JSON Feed 1.1 here, Atom in atom.py. Pure writers; the same list gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from schema.entry import stamp

JSON_FEED = "https://jsonfeed.org/version/1.1"


@dataclass(frozen=True, slots=True)
class Feed:
    """The feed as a whole. `url` is its own address, `next` that of older entries, `home` a page for people.

    `about` is what it says of its subject for people, `figures` the same for programs (a JSON Feed alone has them).
    """

    title: str
    url: str
    home: str
    site: str
    license: str
    updated: datetime
    language: str = "en"
    next: str | None = None
    about: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


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
        "_folkmoot": {"license": feed.license, **feed.figures},
    }
    if feed.about:
        made["description"] = feed.about
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
