"""Filters, sorts and pages in the cluster's language. Pure. What matches is what matches in tantivy."""

from __future__ import annotations

from typing import Any

import tantivy

from federation.forms import MISSING, ROW_BITS
from federation.index import MAX_RELEVANT, Filter, Position, Query, Terms
from federation.opensearch.template import ALIASED, KEYS, LONGEST
from federation.search import words

Clause = dict[str, Any]
_NOTHING: Clause = {"match_none": {}}
_LEAST, _MOST = -(2**63), 2**63 - 1
_ROW = (1 << ROW_BITS) - 1
_TITLE_WEIGHT = 2.0


def matching(analysed: tantivy.TextAnalyzer, asked: Query, *, without: str = "") -> Clause:
    """All that matches, wherever a page starts; `without` leaves the filter of one field out.

    Filters cost no score, and words score only where they order the list.
    """
    clause: Clause = {"filter": [_filter(one) for one in asked.filters if one.name != without]}
    if asked.words.strip():
        ranked = asked.sort == "relevance"
        clause["must" if ranked else "filter"] = [*([] if ranked else clause["filter"]), _said(analysed, asked)]
    return {"bool": clause}


def _said(analysed: tantivy.TextAnalyzer, asked: Query) -> Clause:
    """What was typed: words and phrases that must, may or must not be there (`federation/search/words.py`)."""
    found = [piece for piece, _ in words.tokens(analysed, asked.words)]
    if not found:
        return _NOTHING
    needed = [piece for piece in found if not piece.excluded and not piece.optional]
    clause: dict[str, list[Clause]] = {"must": [], "should": [], "must_not": []}
    for piece in found:
        place = "must_not" if piece.excluded else "should" if piece.optional and needed else "must"
        clause[place].append(_somewhere(piece.text, ranked=asked.sort == "relevance" and not piece.excluded))
    return {"bool": {**clause, "minimum_should_match": 0}}


def _somewhere(text: str, *, ranked: bool) -> Clause:
    said: Clause = {"match_phrase": {"text": text}}
    if not ranked:
        return said
    return {"bool": {"must": [said], "should": [{"match_phrase": {"title": {"query": text, "boost": _TITLE_WEIGHT}}}]}}


def _filter(one: Filter) -> Clause:
    if isinstance(one, Terms):
        field = f"any_{one.name}" if one.name in ALIASED else one.name
        return {"terms": {field: [value for value in one.values if len(value) <= LONGEST]}}
    if one.name not in ("start", "end"):
        return _between(one.name, one.least, one.most)
    least = None if one.least is None else int(one.least) << ROW_BITS
    most = None if one.most is None else ((int(one.most) + 1) << ROW_BITS) - 1
    return _between(KEYS[one.name], least, most)


def _between(field: str, least: float | None, most: float | None) -> Clause:
    ends = {word: end for word, end in (("gte", least), ("lte", most)) if end is not None}
    return {"range": {field: ends}} if ends else {"exists": {"field": field}}


def term(name: str, value: str) -> Clause:
    """Records with this value in a field."""
    return {"bool": {"filter": [{"term": {name: value}}]}}


def numbers(least: int, most: int) -> Clause:
    """Documents whose change number lies in this span."""
    return {"bool": {"filter": [_between("number", least, most)]}}


def page(asked: Query) -> dict[str, Any]:
    """Sort, size and where to start, for one record more than is shown.

    A sort goes by the packed key; what has none comes last, by its row. Relevance has no key to go on from: it is
    paged by offset, and equal scores go by change number.
    """
    order = "desc" if asked.descending else "asc"
    if asked.sort == "relevance":
        offset = asked.after.offset if asked.after else 0
        size = max(0, min(asked.limit + 1, MAX_RELEVANT - offset))
        return {"sort": [{"_score": "desc"}, {"number": "desc"}], "from": offset if size else 0, "size": size}
    keyed = {KEYS[asked.sort]: {"order": order, "missing": "_last"}}
    found = {"sort": [keyed, {"row": order}], "size": asked.limit + 1}
    return found | ({"search_after": _after(asked, asked.after)} if asked.after else {})


def _after(asked: Query, after: Position) -> list[int]:
    """The sort values of the record that a page ended with, of its key alone."""
    if asked.sort == "updated":
        return [after.key, _MOST if not asked.descending else _LEAST]
    if after.key >= MISSING:
        return [_LEAST if asked.descending else _MOST, after.key & _ROW]
    return [after.key, after.key & _ROW]


def position(asked: Query, sort: list[Any], shown: int, number: int) -> Position:
    """Where the next page starts: after the last record shown, with these sort values, on a page of `shown`."""
    if asked.sort == "relevance":
        return Position(offset=shown + (asked.after.offset if asked.after else 0), number=number)
    key, row = int(sort[0]), int(sort[1])
    return Position(key=MISSING | row if key in {_LEAST, _MOST} else key)
