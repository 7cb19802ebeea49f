"""The contract of an engine as one who asks sees it: words, filters, sorts, pages, facets, each against brute force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from api.params import Asked
from api.queries import query
from federation.documents import FACETS
from federation.forms import microseconds
from federation.index import MAX_RELEVANT, Position, Query, Reached, SortBy, Span, Terms
from schema.errors import BadParameter
from tests.integration.search import corpus
from tests.integration.search.corpus import PLACES, bounds, end, records, start
from tests.integration.search.engines import EPOCH, Engine, Filled, contract, documents, fill, own, put, walk
from tests.integration.search.test_find import asks, matches
from tests.services import NOW

TEXTS = (
    ("Parking enforcement", "Wardens and permits for the town of Café Street"),
    ("Park keepers", "People who look after green spaces"),
    ("Highway repairs", "Potholes; parking bays; e-procurement of resurfacing"),
    ("Housing", "The town hall's parking permits are not here, said O'Neill"),
)
ASKED: tuple[tuple[str, list[int]], ...] = (
    ("parking", [1, 2, 3, 4]), ("PARKED", [1, 2, 3, 4]), ("parking permits", [1, 4]), ('"parking permits"', [4]),
    ('"permits parking"', []), ("parking -permits", [2, 3]), ('parking -"parking permits"', [1, 2, 3]),
    ("cafe", [1]), ("CAFÉ", [1]), ("the repairs", [3]), ("the", [1, 4]), ("e-procurement", [3]), ("procurement", [3]),
    ("o'neill", [4]), ("neill", [4]), ("-permits", [2, 3]), ("zebra", []), ("parking zebra", []), ("", [1, 2, 3, 4]),
    ("  ", [1, 2, 3, 4]), ("!!!", []), ("parking !!!", [1, 2, 3, 4]), ('""', []), ('"', []), ("-", []),
    ('"town hall', [4]), ("title:parking", []), ("park*", [1, 2, 3, 4]), ("(parking OR zebra)", []),
    ("exampleshire", [1, 2, 3, 4]),
)  # fmt: skip
SORTED: dict[SortBy, Callable[[corpus.Made], Any]] = {
    "start": lambda one: start(one) or None,
    "end": lambda one: end(one) or None,
    "value": lambda one: (bounds(one) or (None,))[0],
}
LAWS = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _query(asked: dict[str, Any], *, ranked: bool = True) -> Query:
    """The query that a list makes of this; what it refuses (a span that ends before it begins) is not tried."""
    try:
        return query(Asked(**asked), ranked=ranked)
    except BadParameter:
        reject()


class FindingContract:
    """What `Index.search` promises. A subclass gives the fixture `engines`: makes an empty place."""

    @pytest.fixture(scope="class")
    @classmethod
    def filled(cls, engines: Callable[[], Engine]) -> Filled:
        """Return an index of 123 records of three publishers, read by all tests."""
        return fill(engines(), [*map(own, PLACES), *records(Random(7), 120)])

    @pytest.fixture(scope="class")
    @classmethod
    def worded(cls, engines: Callable[[], Engine]) -> Filled:
        """Return an index of four contracts with texts."""
        return fill(engines(), [contract(n, title, description=text) for n, (title, text) in enumerate(TEXTS, 1)])

    @pytest.mark.parametrize(("words", "rows"), ASKED)
    def test_words_find(self, worded: Filled, words: str, rows: list[int]) -> None:
        """Words are AND, quotes a phrase, minus leaves out; case, accents and endings do not count; no other syntax."""
        assert sorted(worded.index.search(Query(words=words, sort="updated")).rows) == rows
        assert sorted(worded.index.search(Query(words=words, sort="relevance")).rows) == rows

    @LAWS
    @given(words=st.text(max_size=60) | st.text(alphabet='ab "-*():\\/~^[]{}!&|', max_size=40))
    def test_any_text_is_a_query(self, worded: Filled, words: str) -> None:
        """Nothing that is typed is an error, and what is found is what is counted."""
        hits = worded.index.search(Query(words=words, sort="relevance"))
        assert hits.count == len(hits.rows)
        assert isinstance(worded.index.matcher(words)("Parking in Café Street"), list)

    def test_a_title_counts_for_more(self, worded: Filled) -> None:
        """By relevance, a record that is called by the words comes before one that only mentions them."""
        assert set(worded.index.search(Query(words="parking", sort="relevance")).rows[:2]) == {1, 2}
        assert worded.index.search(Query(words="repair", sort="relevance")).rows == (3,)

    def test_the_matcher_says_where_words_stand(self, worded: Filled) -> None:
        """Places are from and to in characters, of any form of the words that were asked for, not those left out."""
        text = "Café parks: PARKING"
        found = worded.index.matcher('cafes "park life" -colon')(text)
        assert [text[first:last] for first, last in found] == ["Café", "parks", "PARKING"]
        assert worded.index.matcher("-parks")(text) == []

    @LAWS
    @given(asked=asks())
    def test_filters_and_words_find_what_reading_finds(self, filled: Filled, asked: dict[str, Any]) -> None:
        """A repeated filter is OR, different filters and words are AND; the count is exact on every page."""
        page = replace(_query(asked, ranked=False), limit=200)
        wanted = {one.id for one in filled.made.values() if matches(one, asked)}
        assert set(filled.ids(page)) == wanted
        short = filled.index.search(replace(page, limit=1))
        assert (short.count, short.exact) == (len(wanted), True)

    @LAWS
    @given(asked=asks(), names=st.lists(st.sampled_from(FACETS), min_size=1, max_size=4, unique=True))
    def test_facets_count_what_reading_counts(self, filled: Filled, asked: dict[str, Any], names: list[str]) -> None:
        """Each facet counts among what is found, its own filter left out: the commonest by name, the rest as other."""
        hits = filled.index.search(replace(_query(asked), facets=tuple(names), limit=1))
        assert list(hits.facets) == names
        for name, facet in hits.facets.items():
            counted = corpus.counted((o for o in filled.made.values() if matches(o, asked, without=name)), name)
            commonest = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
            assert [(item.value, item.count) for item in facet.items] == commonest
            assert facet.other == counted.total() - sum(item.count for item in facet.items)
            assert facet.exact

    def test_a_facet_of_many_values_is_exact(self, engines: Callable[[], Engine]) -> None:
        """Of 400 suppliers, most of them equally common, the 20 named are the right ones, and other is the rest."""
        suppliers = [{"name": f"Firm {n:03}"} for n in range(400)]
        made = [contract(n, suppliers=[suppliers[n % 400], suppliers[n % 7]]) for n in range(1, 901)]
        facet = fill(engines(), made).index.search(Query(facets=("supplier",))).facets["supplier"]
        counted = corpus.counted(made, "supplier")
        commonest = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
        assert [(item.value, item.count) for item in facet.items] == commonest
        assert (facet.other, facet.exact) == (counted.total() - sum(count for _, count in commonest), True)
        assert facet.items[0].label == "Firm 001"

    def test_a_label_is_what_the_newest_record_says(self, engines: Callable[[], Engine]) -> None:
        """A value is called as the newest record calls it; where that is in capitals, as most of the newest do."""
        named = ["Acme Ltd", "ACME LTD", "Bolt ltd", "BOLT LTD", "Bolt Ltd", "Bolt Ltd", "BOLT LTD"]
        index = fill(engines(), [contract(n, suppliers=[{"name": name}]) for n, name in enumerate(named)]).index
        page = Query(facets=("supplier", "kind"))
        assert [item.label for item in index.search(page).facets["supplier"].items] == ["Bolt Ltd", "Acme Ltd"]
        put(index, [contract(99, suppliers=[{"name": "Acme Limited"}])], first=8)
        labels = {item.value: item.label for item in index.search(page).facets["supplier"].items}
        assert labels == {"bolt": "Bolt Ltd", "acme": "Acme Limited"}
        assert [item.label for item in index.search(page).facets["kind"].items] == ["contract"]

    @pytest.mark.parametrize(
        ("name", "asked", "rows"),
        [("supplier", "GB-COH-01234567", [1]), ("supplier", "acme-digital", [1, 2]), ("service", "485", [3]),
         ("service", "http://id.esd.org.uk/service/485", [3]), ("cpv", "4821", [4]), ("cpv", "48", [4]),
         ("cpv", "48000000", []), ("tool", "http://moot.test/id/GB-LAE-EXA/tool/9", [5])],
    )  # fmt: skip
    def test_a_filter_finds_by_other_names(
        self, engines: Callable[[], Engine], name: str, asked: str, rows: list[int]
    ) -> None:
        """A supplier is found by number and by name, a service by its LGSL number, a CPV by its beginning."""
        made = [
            contract(
                1, suppliers=[{"name": "Acme Digital Ltd", "identifiers": [{"scheme": "GB-COH", "id": "1234567"}]}]
            ),
            contract(2, suppliers=[{"name": "ACME DIGITAL"}]),
            contract(3, services=["http://id.esd.org.uk/service/485"]),
            contract(4, classifications=[{"scheme": "CPV", "id": "48211000"}]),
            contract(5, tools=["http://moot.test/id/GB-LAE-EXA/tool/9"]),
        ]
        index = fill(engines(), made).index
        assert sorted(index.search(Query(filters=(Terms(name, (asked, "nothing")),))).rows) == rows

    def test_many_values_of_one_filter(self, filled: Filled) -> None:
        """A filter may name a thousand values."""
        values = (*(f"GB-LAE-X{n}" for n in range(1_000)), "GB-LAE-EXA")
        wanted = [row for row, one in filled.made.items() if one.publisher == "GB-LAE-EXA"]
        assert sorted(filled.index.search(Query(filters=(Terms("publisher", values),), limit=200)).rows) == wanted

    @pytest.mark.parametrize("name", ["start", "end", "low", "high", "changed"])
    def test_a_span_holds_both_its_ends(self, engines: Callable[[], Engine], name: str) -> None:
        """Least and most belong to a span, an open end is open, and a record without the number is outside."""
        index = engines().open()
        sink = index.claim()
        assert sink is not None
        days = [f"2026-01-{day:02}" for day in range(1, 6)]
        made = [contract(n, startDate=day, endDate=day, value={"amount": n * 10.5}) for n, day in enumerate(days, 1)]
        for row, one in enumerate(made, 1):
            sink.stage(documents([one], row, NOW + timedelta(microseconds=row)), [])
        sink.stage(documents([contract(9)], 9, NOW - timedelta(days=9_999)), [])
        sink.commit(Reached(EPOCH, 9))
        day = float(date(2025, 12, 31).toordinal())
        first = {"start": day, "end": day, "low": 0.0, "high": 0.0, "changed": float(microseconds(NOW))}[name]
        step = 10.5 if name in ("low", "high") else 1

        def found(least: float | None, most: float | None) -> list[int]:
            return sorted(index.search(Query(filters=(Span(name, least, most),))).rows)

        assert found(first + 2 * step, first + 4 * step) == [2, 3, 4]
        assert found(first + 4 * step, None) == [4, 5]
        assert found(first + 4 * step, first + 2 * step) == []
        assert found(None, first + 2 * step) == ([1, 2, 9] if name == "changed" else [1, 2])

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("sort", ["start", "end", "value"])
    def test_a_sort_puts_what_has_no_value_last(self, filled: Filled, sort: SortBy, *, descending: bool) -> None:
        """Values rise, or fall; equal values go by row, that way too; records without come last in both directions."""
        ids = walk(filled, Query(sort=sort, descending=descending, limit=7))
        rows = {one.id: row for row, one in filled.made.items()}
        have = [(SORTED[sort](one), row) for row, one in filled.made.items() if SORTED[sort](one) is not None]
        without = [row for row, one in filled.made.items() if SORTED[sort](one) is None]
        have.sort(reverse=descending)
        assert have
        assert without
        assert [rows[id_] for id_ in ids] == [*(row for _, row in have), *sorted(without, reverse=descending)]

    @pytest.mark.parametrize("descending", [False, True])
    def test_updated_is_the_order_of_the_log(self, filled: Filled, *, descending: bool) -> None:
        """By `updated` the change numbers rise, or fall."""
        wanted = [one.id for _, one in sorted(filled.made.items(), reverse=descending)]
        assert walk(filled, Query(sort="updated", descending=descending, limit=50)) == wanted

    @LAWS
    @given(
        asked=asks(),
        sort=st.sampled_from(["updated", "start", "end", "value", "relevance"]),
        descending=st.booleans(),
        sizes=st.tuples(st.integers(3, 9), st.integers(10, 100)),
    )
    def test_pages_of_any_size_walk_the_same_list(
        self, filled: Filled, asked: dict[str, Any], sort: SortBy, sizes: tuple[int, int], *, descending: bool
    ) -> None:
        """Whatever is asked, the pages together hold each record that matches once, in one order."""
        page = replace(_query(asked), sort=sort, descending=descending)
        short, long = (walk(filled, replace(page, limit=size)) for size in sizes)
        assert short == long
        assert len(set(short)) == len(short)
        assert set(short) == {one.id for one in filled.made.values() if matches(one, asked)}

    @pytest.mark.parametrize("sort", ["updated", "start", "end", "value", "relevance"])
    def test_a_walk_is_not_disturbed_by_other_writes(self, engines: Callable[[], Engine], sort: SortBy) -> None:
        """What is there from beginning to end is met once, in its order, though others come and go between pages."""
        filled = fill(engines(), records(Random(7), 60))
        page = Query(words="planning" if sort == "relevance" else "", sort=sort, descending=False, limit=5)
        before = walk(filled, page)
        others = [replace(one, id=f"{one.id}-x") for one in records(Random(11), 30)]
        known, last, met, after = dict(filled.made), 60, [], page
        while True:
            hits = filled.index.search(after)
            met += [known[row].id for row in hits.rows]
            if hits.next is None:
                break
            after = replace(page, after=hits.next)
            chosen = others[len(met) % 20 :][:7]
            if len(met) % 2:
                last = put(filled.index, [], first=last + 2, gone=[one.id for one in chosen])
            else:
                known |= dict(enumerate(chosen, last + 1))
                last = put(filled.index, chosen, first=last + 1)
        mine = {one.id for one in filled.made.values()}
        assert [id_ for id_ in met if id_ in mine] == before

    def test_a_page_may_be_long(self, filled: Filled) -> None:
        """A download asks for 10,000 records a page."""
        assert len(filled.ids(Query(limit=10_000))) == len(filled.made)

    def test_relevance_ends_after_a_thousand(self, engines: Callable[[], Engine]) -> None:
        """Relevance is paged no deeper than 1,000 hits; the count is of all, and a position beyond finds nothing."""
        filled = fill(engines(), [contract(n, "Parking " * (n % 9 + 1)) for n in range(1, 1_101)])
        page = Query(words="parking", sort="relevance", limit=300)
        assert len(walk(filled, page)) == len(set(walk(filled, page))) == MAX_RELEVANT
        beyond = filled.index.search(replace(page, after=Position(offset=MAX_RELEVANT, number=1_100)))
        assert (beyond.rows, beyond.next, beyond.count) == ((), None, 1_100)
