"""A record made into the document that the index holds. Pure.

Nothing here depends on today's date, and nothing raises: whatever a record holds, there is a document for it.
"""

from __future__ import annotations

from functools import lru_cache

import orjson

from federation.documents import Document, Members, Place, Source
from federation.forms import microseconds, name_key
from federation.said import said
from federation.values import TAKEN, Data, text, tool
from schema.kinds import KINDS

_NOWHERE = Place()


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
    for member in data:
        if member in TAKEN:
            TAKEN[member](made, data)
    if source.kind == "tool":
        tool(made)
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
    title, name = text(data, "title"), text(data, "name")
    members["title"] = title or name
    texts = [title or name, *said(data)]
    if title and name:  # a record with both is called by the first and found by the second
        texts.append(name)
    if place and place.name:
        texts.append(place.name)
    members["text"] = texts


def place_of(data: bytes) -> Place:
    """Read what an organisation record says for the records of its publisher."""
    found = orjson.loads(data)
    found = found if isinstance(found, dict) else {}
    return Place(text(found, "name"), text(found, "region"), text(found, "nation"))
