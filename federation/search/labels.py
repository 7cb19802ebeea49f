"""What people call the values of a facet: as the newest records that have them say."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import tantivy

from federation.documents import spelling
from federation.search.queries import Builder
from federation.search.store import Snapshot, stored

_SPELLINGS = 50
SAID = frozenset({"publisher", "supplier", "region", "nation", "service", "tool"})
"""The fields whose values have a name that records say; those of the others are told elsewhere, or are their own."""


def label(snapshot: Snapshot, build: Builder, name: str, value: str) -> str:
    """What the newest record with this value calls it; the value itself where no record says.

    Where that is all in capitals, the newest few records are asked, and their commonest plain spelling is taken.
    """
    if name not in SAID:
        return value
    known = snapshot.labels.get((name, value))
    if known is None:
        known = next(_spellings(snapshot, build, name, value, 1), value)
        if known.isupper() and known != value:
            known = spelling(_spellings(snapshot, build, name, value, _SPELLINGS)) or known
        snapshot.labels[name, value] = known
    return known


def _spellings(snapshot: Snapshot, build: Builder, name: str, value: str, count: int) -> Iterator[str]:
    found = snapshot.searcher.search(
        build.term(name, value), count, count=False, order_by_field="number", order=tantivy.Order.Desc
    ).hits
    for _, address in found:
        said = orjson.loads(stored(snapshot.searcher, address)).get("labels", {}).get(name, {}).get(value)
        if said:
            yield str(said)
