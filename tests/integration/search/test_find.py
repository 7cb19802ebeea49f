"""Finding equals reading every record: filters, words, facets, sorts and pages, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.params import Asked
from api.queries import query
from federation import lists, writes
from federation.index import Query, SortBy, Span
from schema.identifiers import id_prefix
from tests.integration.search import corpus
from tests.integration.search.conftest import World
from tests.integration.search.corpus import Made, bounds, end, publish, records, says, start, values, withdraw
from tests.services import NOW


def _supplies(one: Made, asked: str) -> bool:
    named = [s["name"] for s in one.data.get("suppliers", ())] + [one.data.get("vendor", "")]
    return asked.upper().replace("COH-1", "COH-01") in values(one, "supplier") or any(
        corpus.plain(name) == corpus.plain(asked) for name in named if name
    )


ASKS: dict[str, tuple[list[Any], Callable[[Made, Any], bool]]] = {
    "publisher": (["GB-LAE-EXA", "GB-LAE-MID", "GB-LAE-NUL"], lambda one, v: v in values(one, "publisher")),
    "region": (["Wessex", "MERCIA", "Anglia"], lambda one, v: v.lower() in values(one, "region")),
    "nation": (["england", "Wales"], lambda one, v: v.lower() in values(one, "nation")),
    "phase": (["alpha", "live"], lambda one, v: one.data.get("phase") == v),
    "status": (["active", "planned"], lambda one, v: one.data.get("status") == v),
    "collaboration": (["seeking-partners", "none"], lambda one, v: one.data.get("collaboration") == v),
    "stage": (["active", "ended", "pipeline"], lambda one, v: one.data.get("stage") == v),
    "supplier": (
        ["GB-COH-01234567", "gb-coh-1234567", "acme digital", "Borough and Sons", "crane", "nobody"],
        _supplies,
    ),
    "service": (
        ["485", corpus.SERVICES[1], "planning"],
        lambda one, v: any(s == v or s.endswith(f"/{v}") for s in values(one, "service")),
    ),
    "tool": (["Waste", "planning parking"], lambda one, v: corpus.plain(v) in values(one, "tool")),
    "cpv": (
        ["48", "482", "48211000", "72000000-5", "99"],
        lambda one, v: any(c["id"].startswith(v[:8]) for c in one.data.get("classifications", ())),
    ),
}
SPANS: dict[str, tuple[list[str], Callable[[Made, str], bool]]] = {
    "ends_after": (["2026-12-01", "2027-06-15"], lambda one, v: bool(end(one)) and end(one) >= v),
    "ends_before": (["2027-01-01", "2027-12-31"], lambda one, v: bool(end(one)) and end(one) <= v),
    "starts_after": (["2026-01-03"], lambda one, v: bool(start(one)) and start(one) >= v),
    "starts_before": (["2026-01-02"], lambda one, v: bool(start(one)) and start(one) <= v),
    "value_min": (["60", "100", "-20"], lambda one, v: (b := bounds(one)) is not None and b[1] >= float(v)),
    "value_max": (["100", "0"], lambda one, v: (b := bounds(one)) is not None and b[0] <= float(v)),
}


@st.composite
def asks(draw: st.DrawFn) -> dict[str, Any]:
    """Some filters with some values each, and perhaps words."""
    chosen = draw(st.lists(st.sampled_from([*ASKS, *SPANS]), max_size=3, unique=True))
    asked: dict[str, Any] = {}
    for name in chosen:
        if name in ASKS:
            asked[name] = draw(st.lists(st.sampled_from(ASKS[name][0]), min_size=1, max_size=2, unique=True))
        else:
            asked[name] = draw(st.sampled_from(SPANS[name][0]))
    for after, before in (("ends_after", "ends_before"), ("starts_after", "starts_before")):
        if asked.get(after, "") > asked.get(before, "9999"):  # refused: it can find nothing
            asked[after], asked[before] = asked[before], asked[after]
    words = draw(st.lists(st.sampled_from(corpus.WORDS), max_size=2))
    minus = draw(st.lists(st.sampled_from(corpus.WORDS), max_size=1))
    return asked | {"q": " ".join([*words, *(f"-{word}" for word in minus)])}


def matches(one: Made, asked: dict[str, Any], *, without: str = "") -> bool:
    """Whether a record is what was asked for, by reading it."""
    for name, value in asked.items():
        if name == "q":
            good = all(says(one, w) != m for w, m in ((w.lstrip("-"), w.startswith("-")) for w in value.split()))
        elif name in ASKS:
            good = name == without or any(ASKS[name][1](one, v) for v in value)
        else:
            good = SPANS[name][1](one, value)
        if not good:
            return False
    return True


LAWS = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@LAWS
@given(asked=asks())
def test_filters_and_words_find_what_reading_every_record_finds(world: World, asked: dict[str, Any]) -> None:
    """A repeated filter is OR, different filters and words are AND, -word leaves out, and the count is exact."""
    page = replace(query(Asked(**asked), ranked=False), limit=200)
    wanted = {one.id for one in world.made.values() if matches(one, asked)}
    assert set(world.ids(page)) == wanted
    assert world.index.search(replace(page, limit=1)).count == len(wanted)


@LAWS
@given(asked=asks(), name=st.sampled_from(sorted(set(corpus._VALUES_OF))))
def test_facets_count_what_reading_every_record_counts(world: World, asked: dict[str, Any], name: str) -> None:
    """A facet counts each value among what is found, its own filter left out, and names the commonest first."""
    with world.database.read() as session:
        facet = lists.find(session, world.index, query(Asked(**asked, facets=[name]))).hits.facets[name]
    counted = corpus.counted((one for one in world.made.values() if matches(one, asked, without=name)), name)
    assert {item.value: item.count for item in facet.items} == dict(
        sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
    )
    assert facet.other == counted.total() - sum(item.count for item in facet.items)
    assert facet.exact


KEYS: dict[str, Callable[[Made], Any]] = {
    "start": lambda one: start(one) or None,
    "end": lambda one: end(one) or None,
    "value": lambda one: (bounds(one) or (None,))[0],
}


def walk(world: World, page: Query) -> list[str]:
    """Every id of a list, page by page."""
    ids: list[str] = []
    while True:
        hits = world.index.search(page)
        with world.database.read() as session:
            ids += [item.entry.id for item in lists.held(session, hits.rows)]
        if hits.next is None:
            return ids
        assert len(hits.rows) == page.limit
        page = replace(page, after=hits.next)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["start", "end", "value"])
def test_a_sort_orders_by_value_and_puts_what_has_none_last(world: World, sort: SortBy, *, descending: bool) -> None:
    """Values rise, or fall with `-`; records without the value come after all others in both directions."""
    keys = [KEYS[sort](world.made[i]) for i in walk(world, Query(sort=sort, descending=descending, limit=7))]
    known = [key for key in keys if key is not None]
    assert len(keys) == len(world.made)
    assert keys[: len(known)] == known
    assert known == sorted(known, reverse=descending)


@LAWS
@given(
    sort=st.sampled_from(["updated", "start", "end", "value", "relevance"]),
    descending=st.booleans(),
    sizes=st.tuples(st.integers(1, 9), st.integers(10, 100)),
)
def test_any_page_size_walks_the_same_list(
    world: World, sort: SortBy, sizes: tuple[int, int], *, descending: bool
) -> None:
    """Two page sizes give the same records in the same order, each once."""
    page = Query(words="parking" if sort == "relevance" else "", sort=sort, descending=descending)
    short, long = (walk(world, replace(page, limit=size)) for size in sizes)
    assert short == long
    assert len(set(short)) == len(short)


@pytest.mark.parametrize("sort", ["updated", "start", "end", "value", "relevance"])
def test_a_walk_is_not_disturbed_by_unrelated_writes(world: World, sort: SortBy) -> None:
    """What is there from beginning to end is met once, in its order, though others come and go between the pages."""
    page = Query(words="planning" if sort == "relevance" else "", sort=sort, descending=False, limit=5)
    before = walk(world, page)
    random, met, after = Random(11), [], page
    others = [replace(one, id=f"{one.id}-x", data=one.data | {"reference": "x"}) for one in records(random, 30)]
    while True:
        hits = world.index.search(after)
        with world.database.read() as session:
            met += [item.entry.id for item in lists.held(session, hits.rows)]
        if hits.next is None:
            break
        after = replace(page, after=hits.next)
        write = withdraw if len(met) % 2 else publish
        write(world.database, others[len(met) % 20 :][:7])
        world.follower.catch_up()
    assert [i for i in met if i in world.made] == before


def test_relevance_ends_after_a_thousand(world: World) -> None:
    """Relevance is an order of the moment: it can be paged no deeper than 1,000 hits, and says so by ending."""
    many = [replace(one, id=f"{one.id}-{n}") for n in range(10) for one in records(Random(3), 120)]
    publish(world.database, many)
    world.follower.catch_up()
    page = Query(words="-nothing", sort="relevance", limit=100)
    assert world.index.search(page).count > 1_000
    assert len(walk(world, page)) == 1_000


def test_updated_since_is_the_time_of_the_local_change(world: World) -> None:
    """`updatedSince` takes what changed here at that time or later, the very microsecond included."""
    for since, wanted in (("2026-11-02T09:00:00Z", 123), ("2026-11-02T09:00:01+00:00", 0), ("2026-11-02", 123)):
        assert world.index.search(query(Asked(updated_since=since))).count == wanted


def test_what_is_withdrawn_is_not_shown_even_before_the_index_has_seen_it(world: World) -> None:
    """The index says where, the database says what: a withdrawn record is in no page from its commit on."""
    gone = next(one for one in world.made.values() if one.kind == "tool")
    withdraw(world.database, [gone])
    assert gone.id not in world.ids(Query(limit=200))
    world.follower.catch_up()
    assert world.index.search(Query()).count == len(world.made) - 1


def test_a_later_page_shows_in_no_facet_what_was_withdrawn_as_personal_data(world: World) -> None:
    """The index kept for the pages of one search is read no more once something in it was withdrawn so."""
    publisher = next(iter(corpus.PLACES))
    prefix, names = id_prefix(corpus.URL, publisher), ("Acme", "Acme", "Ermintrude Quillfeather")
    made = [
        Made(f"{prefix}contract/Z-{n}", "contract", publisher, {"title": "Zebras", "suppliers": [{"name": name}]})
        for n, name in enumerate(names)
    ]
    publish(world.database, made)
    world.follower.catch_up()
    asked, shown = Query(words="zebras", sort="relevance", limit=1, facets=("supplier",)), []
    for withdrawn in (False, True):
        with world.database.read() as session:
            hits = lists.find(session, world.index, asked).hits
        shown.append({item.label for item in hits.facets["supplier"].items})
        asked = replace(asked, after=hits.next)
        if not withdrawn:
            with world.database.write() as session:
                place = writes.Place(publisher, "contract", "Z-2")
                writes.remove(
                    writes.Desk(session, corpus.NODE, NOW), place, "personal-data", None, lambda _number: True
                )
            world.follower.catch_up()
    assert shown == [{"Acme", "Ermintrude Quillfeather"}, {"Acme"}]


def test_a_highlight_says_where_the_words_stand(world: World) -> None:
    """Each match of a highlight is a form of a word that was asked for, in a text that the record holds."""
    with world.database.read() as session:
        shown = lists.find(session, world.index, Query(words="parks cafe", sort="relevance", limit=50)).items
    assert shown
    for item in shown:
        assert item.highlight
        for one in item.highlight:
            assert one["text"] in item.data[one["field"]]
            cut = {one["text"][first:last].lower() for first, last in one["matches"]}
            assert cut
            assert cut <= {"parking", "parks", "café"}


def test_days_of_a_span_belong_to_it(world: World) -> None:
    """After and Before include their day."""
    one = next(one for one in world.made.values() if end(one))
    day = end(one)
    found = set(world.ids(replace(query(Asked(ends_after=day, ends_before=day)), limit=200)))
    assert found == {o.id for o in world.made.values() if end(o) == day}
    assert date.fromisoformat(day)


@pytest.mark.parametrize("name", ["start", "end", "changed"])
def test_a_span_whose_end_comes_before_its_beginning_holds_nothing(world: World, name: str) -> None:
    """Asked for what is after its own end, a list is empty, whatever else it is asked for."""
    least, most = 800_000, 700_000
    backwards = world.index.search(Query(filters=(Span(name, least, most),), facets=("kind",)))
    assert (backwards.rows, backwards.count, backwards.facets["kind"].items) == ((), 0, ())
    with_words = Query(words="parking", sort="relevance", filters=(Span(name, least, most),))
    assert world.index.search(with_words).count == 0
    assert world.index.search(Query(words="parking", sort="relevance")).count


def test_only_the_last_commits_are_kept_for_later_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later page by relevance is of the commit of its first page while that is kept; then it is of the newest."""
    monkeypatch.setattr("federation.tantivy_index._KEPT", 2)
    asked, cursors = Query(words="parking", sort="relevance", limit=2), []
    for turn in range(4):
        first = world.index.search(asked)
        assert first.next is not None
        cursors.append((first.count, first.next))
        new = next(one for one in world.made.values() if one.kind == "contract")
        named = replace(
            new, id=f"{new.id}-{turn}", data=new.data | {"title": f"Parking {turn}", "reference": f"P-{turn}"}
        )
        publish(world.database, [named])
        world.follower.catch_up()
    newest = world.index.search(replace(asked, limit=200)).count
    counts = [world.index.search(replace(asked, after=after)).count for _count, after in reversed(cursors)]
    assert [count for count, _after in cursors] == list(range(newest - 4, newest))
    assert counts == [newest - 1, newest - 2, newest, newest]


@pytest.mark.parametrize("years", [0, 5, 60, 900])
def test_a_window_of_ends_holds_the_same_however_wide(world: World, years: int) -> None:
    """A short window is found by its years and a long one without them: both hold whatever ends on a day of it."""
    days = sorted(end(one) for one in world.made.values() if end(one))
    first = days[0]
    last = f"{min(int(first[:4]) + years, 9999):04}{first[4:]}".replace("02-29", "02-28")
    found = set(world.ids(replace(query(Asked(ends_after=first, ends_before=last)), limit=200)))
    assert found == {one.id for one in world.made.values() if end(one) and first <= end(one) <= last}
    assert found
