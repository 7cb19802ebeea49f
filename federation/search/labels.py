"""What people call the values of a facet: as the newest records that have them say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

import orjson
import tantivy

from federation.forms import spelling
from federation.search.queries import Builder
from federation.search.store import Snapshot, stored

_SPELLINGS = 50
SAID = frozenset({"publisher", "supplier", "region", "nation", "service", "tool"})
"""The fields whose values have a name that records say; those of the others are told elsewhere, or are their own."""


def labeller(snapshot: Snapshot, build: Builder, name: str) -> Callable[[str], str]:
    """What names the values of a facet: of many it is the value itself, and of most others it is known."""
    return partial(label, snapshot, build, name) if name in SAID else str


def label(snapshot: Snapshot, build: Builder, name: str, value: str) -> str:
    """What the newest record with this value calls it; the value itself where no record says.

    Where that is all in capitals, the newest few records are asked, and their commonest plain spelling is taken.
    """
    if name not in SAID:
        return value
    known = snapshot.labels.get((name, value))
    if known is None:
        lately = build.newest(name, value, snapshot.reached.number)
        ever = build.term(name, value)
        known = next(chain(*(_spellings(snapshot, q, (name, value), 1) for q in (lately, ever))), value)
        if known.isupper() and known != value:
            known = spelling(_spellings(snapshot, ever, (name, value), _SPELLINGS)) or known
        snapshot.labels[name, value] = known
    return known


def _spellings(snapshot: Snapshot, matching: tantivy.Query, key: tuple[str, str], count: int) -> Iterator[str]:
    newest_first = snapshot.searcher.search(
        matching, count, count=False, order_by_field="number", order=tantivy.Order.Desc
    ).hits
    for _, address in newest_first:
        said = orjson.loads(stored(snapshot.searcher, address)).get("labels", {}).get(key[0], {}).get(key[1])
        if said:
            yield str(said)
