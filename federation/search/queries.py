"""Filters, sorts and pages as tantivy queries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import tantivy

from federation.forms import MISSING, ROW_BITS
from federation.index import Filter, Position, Query, Span
from federation.search import words
from federation.search.fields import ALIASED, KEYS, everything

_INTEGER, _FLOAT = tantivy.FieldType.Integer, tantivy.FieldType.Float
_MUST, _SHOULD = tantivy.Occur.Must, tantivy.Occur.Should
_LIMIT = 2**63 - 1
_COUNTED, _YEARS = 8, 4
_LAST_DAY = date.max.toordinal()
_NEWEST = 4_096


class Builder:
    """Makes tantivy queries of ours, with the schema and analyser of one index; of one search, each part once."""

    def __init__(self, schema: tantivy.Schema, analysed: tantivy.TextAnalyzer) -> None:
        self.schema = schema
        self.analysed = analysed
        self._read: dict[str, list[tuple[words.Piece, list[tuple[int, str]]]]] = {}
        self._made: dict[Filter, tantivy.Query] = {}

    def matching(self, asked: Query, *, ranked: bool = False) -> tantivy.Query:
        """All that matches, wherever a page starts; `ranked` where the order is to be that of relevance."""
        clauses = [self._filter(one) for one in asked.filters]
        typed = words.query(self.schema, self._tokens(asked.words), asked.words, ranked=ranked)
        if typed is None and not clauses:
            return everything(self.schema)
        if typed is None:
            return tantivy.Query.boolean_query([(_MUST, clause) for clause in clauses])
        return tantivy.Query.boolean_query([(_MUST, clause) for clause in (*clauses, typed)]) if clauses else typed

    def cost(self, searcher: tantivy.Searcher, asked: Query) -> int:
        """About how many postings one pass over what matches visits: the rarest of what must be, times all clauses."""
        held = int(searcher.num_docs)
        needed = [self._size(searcher, one, held) for one in asked.filters]
        beside = 0
        for piece, tokens in self._tokens(asked.words):
            if piece.excluded or piece.optional:
                beside += len(tokens)
            else:
                needed += [searcher.doc_freq("text", token) for _, token in tokens]
        return min(needed, default=held) * (1 + len(needed) + beside)

    def _tokens(self, typed: str) -> list[tuple[words.Piece, list[tuple[int, str]]]]:
        found = self._read.get(typed)
        if found is None:
            found = self._read[typed] = words.tokens(self.analysed, typed)
        return found

    def _size(self, searcher: tantivy.Searcher, one: Filter, held: int) -> int:
        if isinstance(one, Span) or len(one.values) > _COUNTED:
            return held
        return sum(searcher.doc_freq(self._field(one.name), value) for value in one.values)

    def term(self, name: str, value: str) -> tantivy.Query:
        """Records with this value in a field."""
        return tantivy.Query.term_query(self.schema, name, value)

    def newest(self, name: str, value: str, latest: int) -> tantivy.Query:
        """The same among the last few thousand changes: where a common value has its newest record."""
        lately = self._whole("number", max(0, latest - _NEWEST), latest)
        return tantivy.Query.boolean_query([(_MUST, self.term(name, value)), (_MUST, lately)])

    def numbers(self, least: int, most: int) -> tantivy.Query:
        """Documents whose change number lies in this span."""
        return self._whole("number", least, most)

    def parts(self, matching: tantivy.Query, asked: Query, newest: int) -> Iterator[tantivy.Query]:
        """The queries whose results, one after the other, are the rest of the list in its order.

        `newest` is the highest change number of the index.

        Ascending, records without the value come last by their key. Descending they would come first, so what has
        a value is asked for first and what has none after it.
        """
        field = KEYS[asked.sort]
        after = asked.after.key if asked.after else None
        if not asked.descending:
            yield self._both(matching, field, 0 if after is None else after + 1, _LIMIT)
            return
        if asked.sort == "updated":
            yield from self._latest(matching, field, after, newest, few=not asked.words.strip())
            return
        if after is None or after < MISSING:
            yield self._both(matching, field, 0, (MISSING if after is None else after) - 1)
        yield self._both(matching, field, MISSING, _LIMIT if after is None or after < MISSING else after - 1)

    def _latest(
        self, matching: tantivy.Query, field: str, after: int | None, newest: int, *, few: bool
    ) -> Iterator[tantivy.Query]:
        """By change number from the latest down. What a broad list shows stands among the last few thousand."""
        top = newest if after is None else after - 1
        if few:
            yield self._both(matching, field, max(0, top - _NEWEST + 1), top)
            top -= _NEWEST
        if top >= 0:
            yield matching if after is None and not few else self._both(matching, field, 0, top)

    def _both(self, matching: tantivy.Query, field: str, least: int, most: int) -> tantivy.Query:
        if (least, most) == (0, _LIMIT):
            return matching
        return tantivy.Query.boolean_query([(_MUST, matching), (_MUST, self._whole(field, least, most))])

    def _filter(self, one: Filter) -> tantivy.Query:
        found = self._made.get(one)
        if found is None:
            found = self._made[one] = self._make(one)
        return found

    def _make(self, one: Filter) -> tantivy.Query:
        if isinstance(one, Span):
            return self._span(one)
        field = self._field(one.name)
        if len(one.values) != 1:
            return tantivy.Query.term_set_query(self.schema, field, list(one.values))
        (value,) = one.values
        alone = tantivy.Query.term_query(self.schema, field, value, index_option="basic")
        return tantivy.Query.const_score_query(alone, 0.0)  # which records have a value says nothing of rank

    def _field(self, name: str) -> str:
        return f"any_{name}" if name in ALIASED else name

    def _span(self, one: Span) -> tantivy.Query:
        if one.name in ("start", "end"):
            least = 0 if one.least is None else int(one.least) << ROW_BITS
            most = MISSING if one.most is None else (int(one.most) + 1) << ROW_BITS
            within = self._whole(KEYS[one.name], least, most - 1)
            years = self._years(one)
            return within if years is None else tantivy.Query.boolean_query([(_MUST, years), (_MUST, within)])
        if one.name == "changed":
            least = 0 if one.least is None else int(one.least)
            return self._whole("changed", least, _LIMIT if one.most is None else int(one.most))
        return tantivy.Query.range_query(self.schema, one.name, _FLOAT, lower_bound=one.least, upper_bound=one.most)

    def _years(self, one: Span) -> tantivy.Query | None:
        """The years of a short window of ends, by whose postings the days are found without a look at every record."""
        if one.name != "end" or one.least is None or one.most is None or not 1 <= one.least <= one.most <= _LAST_DAY:
            return None
        first, last = date.fromordinal(int(one.least)).year, date.fromordinal(int(one.most)).year
        if last - first >= _YEARS:
            return None
        every = [tantivy.Query.term_query(self.schema, "endYear", f"{y:04}") for y in range(first, last + 1)]
        found = every[0] if len(every) == 1 else tantivy.Query.boolean_query([(_SHOULD, one) for one in every])
        return tantivy.Query.const_score_query(found, 0.0)

    def _whole(self, field: str, least: int, most: int) -> tantivy.Query:
        if least > most:
            return tantivy.Query.empty_query()
        return tantivy.Query.range_query(self.schema, field, _INTEGER, lower_bound=least, upper_bound=most)


def position(asked: Query, key: int, shown: int, number: int) -> Position | None:
    """Where the next page starts, after `shown` hits of which the last has this sort key."""
    if asked.sort != "relevance":
        return Position(key=key)
    return Position(offset=shown, number=number)
