"""Filters, sorts and pages as tantivy queries."""

from __future__ import annotations

from collections.abc import Iterable

import tantivy

from federation.documents import MISSING, ROW_BITS
from federation.index import Filter, Position, Query, Span, Terms
from federation.search import words
from federation.search.fields import ALIASED, KEYS, REACHED

_INTEGER, _FLOAT = tantivy.FieldType.Integer, tantivy.FieldType.Float
_MUST, _MUST_NOT = tantivy.Occur.Must, tantivy.Occur.MustNot
_LIMIT = 2**63 - 1


class Builder:
    """Makes tantivy queries of ours, with the schema and analyser of one index."""

    def __init__(self, schema: tantivy.Schema, analysed: tantivy.TextAnalyzer) -> None:
        self.schema = schema
        self.analysed = analysed

    def matching(self, asked: Query, *, without: str = "") -> tantivy.Query:
        """All that matches, wherever a page starts; `without` leaves the filter of one field out."""
        clauses = [self._filter(one) for one in asked.filters if one.name != without]
        typed = words.query(self.schema, self.analysed, asked.words)
        if typed is not None:
            clauses.append(typed)
        if not clauses:
            clauses.append(tantivy.Query.all_query())
        own = (_MUST_NOT, tantivy.Query.term_query(self.schema, "id", REACHED))
        return tantivy.Query.boolean_query([*((_MUST, clause) for clause in clauses), own])

    def term(self, name: str, value: str) -> tantivy.Query:
        """Records with this value in a field."""
        return tantivy.Query.term_query(self.schema, name, value)

    def numbers(self, least: int, most: int) -> tantivy.Query:
        """Documents whose change number lies in this span."""
        return self._whole("number", least, most)

    def parts(self, matching: tantivy.Query, asked: Query) -> Iterable[tantivy.Query]:
        """The queries whose results, one after the other, are the rest of the list in its order.

        Ascending, records without the value come last by their key. Descending they would come first, so what has
        a value is asked for first and what has none after it.
        """
        field = KEYS[asked.sort]
        after = asked.after.key if asked.after else None
        if not asked.descending:
            yield self._both(matching, field, 0 if after is None else after + 1, _LIMIT)
            return
        if asked.sort == "updated":
            yield self._both(matching, field, 0, _LIMIT if after is None else after - 1)
            return
        if after is None or after < MISSING:
            yield self._both(matching, field, 0, (MISSING if after is None else after) - 1)
        yield self._both(matching, field, MISSING, _LIMIT if after is None or after < MISSING else after - 1)

    def _both(self, matching: tantivy.Query, field: str, least: int, most: int) -> tantivy.Query:
        if (least, most) == (0, _LIMIT):
            return matching
        return tantivy.Query.boolean_query([(_MUST, matching), (_MUST, self._whole(field, least, most))])

    def _filter(self, one: Filter) -> tantivy.Query:
        if isinstance(one, Terms):
            field = f"any_{one.name}" if one.name in ALIASED else one.name
            return tantivy.Query.term_set_query(self.schema, field, list(one.values))
        return self._span(one)

    def _span(self, one: Span) -> tantivy.Query:
        if one.name in ("start", "end"):
            least = 0 if one.least is None else int(one.least) << ROW_BITS
            most = MISSING if one.most is None else (int(one.most) + 1) << ROW_BITS
            return self._whole(KEYS[one.name], least, most - 1)
        if one.name == "changed":
            least = 0 if one.least is None else int(one.least)
            return self._whole("changed", least, _LIMIT if one.most is None else int(one.most))
        return tantivy.Query.range_query(self.schema, one.name, _FLOAT, lower_bound=one.least, upper_bound=one.most)

    def _whole(self, field: str, least: int, most: int) -> tantivy.Query:
        if least > most:
            return tantivy.Query.empty_query()
        return tantivy.Query.range_query(self.schema, field, _INTEGER, lower_bound=least, upper_bound=most)


def position(asked: Query, key: int, shown: int, number: int) -> Position | None:
    """Where the next page starts, after `shown` hits of which the last has this sort key."""
    if asked.sort != "relevance":
        return Position(key=key)
    return Position(offset=shown, number=number)
