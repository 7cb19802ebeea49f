"""Facets: one pass over what matches for all facets that share a query, one more for each that is filtered by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import tantivy

from federation.index import FACET_SIZE, Facet, FacetItem

_FETCHED, _ALL = 100, 65_000
_TOTAL = "#"
_KEY, _COUNT = itemgetter("key"), itemgetter("doc_count")
Label = Callable[[str], str]


def count(
    searcher: tantivy.Searcher, matching: tantivy.Query, names: Sequence[str], *, total: bool = True
) -> tuple[int | None, Mapping[str, Any]]:
    """Count what matches, if the `total` is asked for, and the values of these fields among it: in one pass, exactly.

    The engine leaves the order of equal counts open. Where that could decide which values are shown, all are fetched.
    """
    if not names:
        return searcher.search(matching, 1).count, {}  # type: ignore[attr-defined]  # the stub forgets it
    found = _pass(searcher, matching, names, _FETCHED, total=total)
    number = int(found.pop(_TOTAL)["value"]) if total else None
    vague = [name for name, counted in found.items() if _tied(counted["buckets"])]
    return number, found | _pass(searcher, matching, vague, _ALL) if vague else found


def _pass(
    searcher: tantivy.Searcher, matching: tantivy.Query, names: Iterable[str], size: int, *, total: bool = False
) -> dict[str, Any]:
    asked: dict[str, Any] = {name: {"terms": {"field": name, "size": size, "segment_size": _ALL}} for name in names}
    if total:
        asked[_TOTAL] = {"value_count": {"field": "number"}}  # every record has one
    found: dict[str, Any] = searcher.aggregate(matching, asked)
    return found


def _tied(buckets: list[Mapping[str, Any]]) -> bool:
    return len(buckets) == _FETCHED and buckets[FACET_SIZE - 1]["doc_count"] == buckets[-1]["doc_count"]


def facet(counted: Mapping[str, Any], label: Label) -> Facet:
    """The commonest values, the order of equal counts settled by the value itself."""
    buckets = counted["buckets"]  # the commonest first: those that are rarer than the last one shown are not sorted
    least = buckets[FACET_SIZE - 1]["doc_count"] if len(buckets) > FACET_SIZE else 0
    shown = sorted([one for one in buckets if one["doc_count"] >= least], key=_KEY)
    shown.sort(key=_COUNT, reverse=True)
    del shown[FACET_SIZE:]
    other = sum(map(_COUNT, buckets)) - sum(map(_COUNT, shown)) + counted["sum_other_doc_count"]
    items = tuple([FacetItem(one["key"], label(one["key"]), one["doc_count"]) for one in shown])
    return Facet(items, other, exact=counted["doc_count_error_upper_bound"] == 0)
