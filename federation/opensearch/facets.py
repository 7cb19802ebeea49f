"""Facets as terms aggregations, made exact, and the labels of their values.

A shard names only so many of its values. Where one has more than that, the cluster says by how much a count may be
wrong, and the facet is asked for again with as many as it may name at all; what is wrong even then is not `exact`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from federation.forms import spelling
from federation.index import FACET_SIZE, Facet, FacetItem
from federation.opensearch.cluster import Found
from federation.opensearch.queries import term
from federation.opensearch.template import LABELLED

MOST, ALL = 10_000, 65_000
"""Values that a shard names of a facet: at first, and where those were not enough."""
_SPELLINGS = 50
Known = dict[tuple[str, str], str]


def aggregations(names: Iterable[str], most: int) -> dict[str, Any]:
    """Count the commonest values of these fields; of equally common ones the first by value."""
    return {name: {"terms": {"field": name, "size": FACET_SIZE, "shard_size": most}} for name in names}


def facet(name: str, found: Mapping[str, Any], known: Known) -> Facet:
    """The facet of one aggregation. A value without a label is called by itself."""
    counts = [(str(bucket["key"]), int(bucket["doc_count"])) for bucket in found["buckets"]]
    items = tuple(FacetItem(value, known.get((name, value), value), count) for value, count in counts)
    return Facet(items, found["sum_other_doc_count"], exact=found["doc_count_error_upper_bound"] == 0)


def unlabelled(counted: Mapping[str, Mapping[str, Any]], known: Known) -> list[tuple[str, str]]:
    """(field, value) of what must be asked what it is called."""
    return [
        (name, bucket["key"])
        for name, found in counted.items()
        if name in LABELLED
        for bucket in found["buckets"]
        if (name, bucket["key"]) not in known
    ]


def newest(name: str, value: str, count: int = 1) -> dict[str, Any]:
    """Ask for the labels of the newest records with a value."""
    return {
        "query": term(name, value),
        "sort": [{"number": "desc"}],
        "size": count,
        "track_total_hits": False,
        "stored_fields": ["labels"],
    }


def spellings(name: str, value: str) -> dict[str, Any]:
    """Ask as many records as decide how a value that the newest writes in capitals is spelt."""
    return newest(name, value, _SPELLINGS)


def said(answer: Found, name: str, value: str) -> Iterator[str]:
    """What the records of an answer call a value."""
    for hit in answer["hits"]["hits"]:
        for labels in hit.get("fields", {}).get("labels", ()):
            label = orjson.loads(labels).get(name, {}).get(value)
            if label:
                yield label


def settled(wanted: Sequence[tuple[str, str]], answers: Sequence[Found], *, plain: bool) -> Known:
    """What the values are called by what was answered; `plain` takes the commonest spelling not in capitals."""
    found: Known = {}
    for (name, value), answer in zip(wanted, answers, strict=True):
        names = list(said(answer, name, value))
        found[name, value] = (spelling(names) if plain else next(iter(names), "")) or value
    return found


def shouted(known: Known) -> list[tuple[str, str]]:
    """(field, value) of what is called by a name all in capitals, as far as that is not the value itself."""
    return [pair for pair, label in known.items() if label.isupper() and label != pair[1]]
