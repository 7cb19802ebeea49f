"""Pages of the feed that are kept: true as long as they are given out, and as the route itself would give them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy.exc import OperationalError

from api import feed_pages
from api.feed_pages import AROUND, FeedPages, Kept, Key, PageCache
from federation import log, publishers, pulse
from federation.answers import RATIO_FLOOR
from federation.database import Database
from federation.pulse import Standing
from tests.contract.world import publish
from tests.integration.api.conftest import Site
from tests.services import NODE

CHANGES = "/v1/changes"


def contract(number: int, title: str = "Planning system") -> dict[str, str]:
    return {"reference": f"C-{number:05d}", "title": title}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the numbers after which pages are made from the database, as they are made."""
    seen: list[int] = []
    make = log.page

    def noted(session: Any, number: int, **more: Any) -> log.FeedPage:
        seen.append(number)
        return make(session, number, **more)

    monkeypatch.setattr(log, "page", noted)
    return seen


_STANDING = Standing(1, "e")


def _kept(size: int, standing: Standing = _STANDING, *, full: bool = False) -> Kept:
    return Kept(standing, b"x" * size, '"a"', [], [], 0, 1, full)


def test_the_cache_keeps_within_its_bounds_and_drops_the_least_used() -> None:
    """However many cursors are asked, the cache holds no more than its capacity."""
    cache = PageCache(capacity=100 + 3 * AROUND)
    for number in range(10):
        cache.put(Key(number, None, ""), _kept(30))
        cache.get(Key(0, None, ""))
    assert cache.size == 90 + 3 * AROUND
    assert cache.get(Key(0, None, "")) is not None
    assert cache.get(Key(1, None, "")) is None
    cache.put(Key(0, None, ""), _kept(10))
    assert cache.size == 70 + 3 * AROUND
    cache.put(Key(1, None, ""), _kept(101 + 3 * AROUND))
    assert cache.size == 0


def test_a_page_that_is_not_full_is_kept_while_the_log_stands_still() -> None:
    """With the next standing of the log, pages of less than 500 items are dropped; full ones may still be true."""
    cache, standings = PageCache(), [Standing(latest, "e") for latest in (9, 10)]
    for number in range(4):
        cache.put(Key(number, None, ""), _kept(30, standings[0], full=number == 0))
    cache.put(Key(2, None, ""), _kept(20, standings[0]))
    assert cache.size == 110 + 4 * AROUND
    cache.put(Key(7, None, ""), _kept(5, standings[1]))
    assert [number for number in range(10) if cache.get(Key(number, None, ""))] == [0, 7]
    assert cache.size == 35 + 2 * AROUND


def test_a_page_at_hand_is_given_without_asking_the_database(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the standing of the log is known, a page that is kept needs no SQL."""
    monkeypatch.setattr(pulse, "FRESH", 3600)
    first = site.client.get(CHANGES)

    def away(_database: Database) -> None:
        raise AssertionError("the database was asked")

    for room in (feed_pages, pulse):
        monkeypatch.setattr(room, "glance", away)
    assert site.client.get(CHANGES).content == first.content


@pytest.mark.parametrize("query", ["", "?afterChangeNumber=0", "?afterChangeNumber=1", "?kind=contract", "?kind=tool"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd, gzip"])
def test_a_page_at_hand_is_what_the_route_gives(site: Site, query: str, method: str, coding: str) -> None:
    """Status, headers and body are the same whichever way a request takes, and for one that holds the page too."""
    site.publish("contract", contract(1))
    held: dict[str, str] = {}
    for _ in range(2):
        asked = {"Accept-Encoding": coding, "X-Request-ID": "one-request", **held}
        site.client.request(method, CHANGES + query, headers=asked)
        quick = site.client.request(method, CHANGES + query, headers=asked)
        # A header that is given twice is not taken for plain, and goes to the route.
        route = site.client.request(method, CHANGES + query, headers=[*asked.items(), ("Accept", "*/*")])
        assert quick.status_code == route.status_code == (304 if held else 200)
        assert sorted(quick.headers.multi_items()) == sorted(route.headers.multi_items())
        assert quick.content == route.content
        held = {"If-None-Match": quick.headers["etag"]}


def test_a_page_that_swells_is_sent_plain(site: Site) -> None:
    """What a reader would take for a bomb when unpacked is sent as it is: one record of blanks stops no reader."""
    for number in range(8):
        site.publish("contract", {**contract(number), "local": " " * 200_000})
    for coding in ("gzip", "zstd"):
        page = site.client.get(CHANGES, headers={"Accept-Encoding": coding})
        assert len(page.content) > RATIO_FLOOR
        assert "content-encoding" not in page.headers
        assert page.headers["content-length"] == str(len(page.content))
        assert page.headers["vary"] == "Accept-Encoding"
        held = {"Accept-Encoding": coding, "If-None-Match": page.headers["etag"]}
        assert site.client.get(CHANGES, headers=held).status_code == 304


def test_a_page_that_ends_for_its_bytes_is_true_while_its_records_stand(site: Site, made: list[int]) -> None:
    """A page that others' changes do not touch is not made again; once a record of it changes, it is."""
    for number in range(12):
        site.publish("contract", {**contract(number), "local": str(number % 10) * 200_000})
    first = site.client.get(CHANGES).json()
    assert 1 < len(first["items"]) < 12
    site.publish("contract", contract(11, "Changed beyond the page"))
    before = len(made)
    assert site.client.get(CHANGES).json() == first
    assert len(made) == before
    site.publish("contract", contract(0, "Changed on the page"))
    assert site.client.get(CHANGES).json() != first


def test_both_ways_are_counted_and_logged_alike(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A page at hand leaves the same figures and the same kind of line as one that the route made."""
    site.client.get(CHANGES)
    capsys.readouterr()
    site.client.get(CHANGES, headers={"X-Request-ID": "quick-request"})
    line = capsys.readouterr().out
    for told in ('"request_id": "quick-request"', '"route": "/v1/changes"', '"path": "/v1/changes"', '"status": 200'):
        assert told in line
    figures = site.client.get("/metrics").text
    assert 'folkmoot_http_requests_total{method="GET",route="/v1/changes",status="200"} 2.0' in figures


def test_a_write_of_this_process_is_seen_at_once_however_long_an_answer_is_believed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written through this database object is in the very next page."""
    monkeypatch.setattr(pulse, "FRESH", 3600)
    for number in range(5):
        site.publish("contract", contract(number))
        assert site.client.get(CHANGES).json()["items"][-1]["modified"] == number + 2


def test_a_write_of_another_process_is_seen_when_the_answer_is_no_longer_believed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process's change is not in the page for FRESH seconds at most, and then it is."""
    monkeypatch.setattr(pulse, "FRESH", 3600)
    before = site.client.get(CHANGES).content
    other = Database(site.services.database.url)
    try:
        publish(other, {"contract": [contract(1)]})
    finally:
        other.dispose()
    assert site.client.get(CHANGES).content == before
    monkeypatch.setattr(pulse, "FRESH", 0)
    assert len(site.client.get(CHANGES).json()["items"]) == 2


def test_a_full_page_that_no_change_touched_is_not_made_again(site: Site, made: list[int]) -> None:
    """A change after a full page leaves its bytes as they are, and they are kept."""
    site.publish("contract", *(contract(number) for number in range(600)))
    before = site.client.get(CHANGES).content
    made.clear()
    site.publish("contract", contract(550, "Changed"), contract(601))
    assert site.client.get(CHANGES).content == before
    assert made == []


@pytest.mark.parametrize("query", ["?afterChangeNumber=0", "?afterChangeNumber=0&kind=contract"])
def test_a_full_page_is_made_again_when_one_of_its_records_changes(site: Site, made: list[int], query: str) -> None:
    """A record that changes leaves its old page, which then begins to hold one more of the following."""
    site.publish("contract", *(contract(number) for number in range(600)))
    before = [item["id"] for item in site.client.get(CHANGES + query).json()["items"]]
    made.clear()
    site.publish("contract", contract(7, "Changed"))
    after = [item["id"] for item in site.client.get(CHANGES + query).json()["items"]]
    assert made == [0]
    assert [one for one in before if one not in after] == [f"{NODE}/id/GB-LAE-EXA/contract/C-00007"]
    assert len(after) == 500


def test_the_kept_page_equals_one_made_anew_through_any_walk_of_changes(site: Site) -> None:
    """After each of many changes, every page that was kept is what a server that keeps nothing would give."""
    site.publish("contract", *(contract(number) for number in range(1_100)))
    for step in range(12):
        if step % 4 == 3:
            site.withdraw(f"C-{step * 90:05d}")
        else:
            site.publish("contract", contract(step * 90 % 1_200, f"Title {step}"), contract(2_000 + step))
        for query in ("?afterChangeNumber=0", "?afterChangeNumber=600", "?afterChangeNumber=300&kind=contract"):
            fresh = FeedPages(site.services, PageCache())
            number = int(query.split("=")[1].split("&")[0])
            key = Key(number, "contract" if "kind" in query else None, "")
            assert site.client.get(CHANGES + query).content == asyncio.run(fresh.page(key)).body


def test_many_who_ask_for_a_page_at_once_wait_for_one_making(site: Site, made: list[int]) -> None:
    """A page is made once, however many ask while it is made."""
    site.publish("contract", *(contract(number) for number in range(600)))
    pages = FeedPages(site.services, PageCache())

    async def crowd() -> list[Kept]:
        return await asyncio.gather(*(pages.page(Key(0, None, "gzip")) for _ in range(20)))

    assert len({id(page) for page in asyncio.run(crowd())}) == 1
    assert made == [0]


def test_a_database_that_is_away_is_told_as_anywhere_else(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that cannot be asked for is a 503 problem of its own route, with the headers of every answer."""

    def away(_database: Database) -> None:
        raise OperationalError("SELECT n FROM counter", None, sqlite3.OperationalError("database is locked"))

    for room in (feed_pages, pulse):
        monkeypatch.setattr(room, "glance", away)
    answer = site.client.get(CHANGES)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert {"x-request-id", "x-content-type-options", "access-control-allow-origin"} <= set(answer.headers)
    assert site.client.head(CHANGES).status_code == 503
    told = [
        line
        for line in site.client.get("/metrics").text.splitlines()
        if line.startswith("folkmoot_http_requests_total")
    ]
    assert sum('route="/v1/changes"' in line and '"503"' in line for line in told) == 2, told


def test_pages_near_the_end_of_the_log_are_made_of_one_look_at_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their numbers and kinds: the database is asked once, and what is said is what it would say."""
    site.publish("contract", *(contract(number) for number in range(20)))
    asked = [f"{CHANGES}?afterChangeNumber={number}" for number in range(15)]
    asked += [f"{one}&kind=contract" for one in asked]
    true = [orjson.loads(_made_anew(site, one)) for one in asked]
    monkeypatch.setattr(pulse, "FRESH", 3600)
    for headers in ({}, {"Accept-Encoding": "identity"}):
        assert site.client.get(asked[0], headers=headers).json() == true[0]

    def away(_database: Database) -> None:
        raise AssertionError("the database was asked")

    for room in (feed_pages, pulse):
        monkeypatch.setattr(room, "glance", away)
    plain = {"Accept-Encoding": "identity"}  # to pack a page is work for a thread
    assert [site.client.get(one, headers=plain).json() for one in asked] == true
    assert [site.client.get(one).json() for one in asked] == true


def _made_anew(site: Site, url: str) -> bytes:
    number, kind = int(url.partition("=")[2].partition("&")[0]), "contract" if "kind" in url else None
    here = site.services
    with here.database.read() as session:
        standing = Standing(log.latest(session), publishers.epoch(session))
        return log.page(
            session, number, public_url=here.public_url, epoch=standing.epoch, license_url=here.license, kind=kind
        ).body


def test_a_cursor_that_is_not_reached_yet_is_not_kept(site: Site, made: list[int]) -> None:
    """Another process may reach the number at any moment: what stands after it is asked each time."""
    for _ in range(2):
        assert site.client.get(f"{CHANGES}?afterChangeNumber=5").json()["items"] == []
    assert made == [5, 5]


def test_pages_of_an_earlier_epoch_are_not_given(site: Site) -> None:
    """A database that was restored has another epoch, and its pages say so though the numbers are the same."""
    site.publish("contract", *(contract(number) for number in range(600)))
    cache = PageCache()
    pages, key = FeedPages(site.services, cache), Key(0, None, "")
    asyncio.run(pages.page(key))
    kept = cache.get(key)
    assert kept is not None
    cache.put(key, replace(kept, standing=replace(kept.standing, epoch="another"), body=b"old"))
    assert asyncio.run(pages.page(key)).body == kept.body


def test_closing_waits_for_the_question_that_is_under_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends leaves no thread at its database."""
    monkeypatch.setattr(pulse, "DUE", 0)
    answered: list[Standing] = []
    ask = pulse.Pulse.ask

    def slow(self: pulse.Pulse) -> Standing:
        time.sleep(0.1)
        answered.append(ask(self))
        return answered[-1]

    async def go() -> int:
        pages = FeedPages(site.services, PageCache())
        await pages.page(Key(0, None, ""))
        monkeypatch.setattr(pulse.Pulse, "ask", slow)
        assert await pages.quick({"path": CHANGES, "query_string": b"", "headers": []}) is not None
        await pages.close()
        await pages.close()
        return len(answered)

    assert asyncio.run(go()) == 1


def test_a_question_that_failed_beside_an_answer_is_told_to_the_log_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has a page at hand is given it while the database is away; the next who must ask is told."""
    monkeypatch.setattr(pulse, "DUE", 0)

    def away(self: pulse.Pulse) -> Standing:
        raise OSError("no database")

    async def go() -> None:
        pages = FeedPages(site.services, PageCache())
        await pages.page(Key(0, None, ""))
        monkeypatch.setattr(pulse.Pulse, "ask", away)
        assert await pages.quick({"path": CHANGES, "query_string": b"", "headers": []}) is not None
        await pages.close()
        await asyncio.sleep(0)

    asyncio.run(go())
    assert "no database" in capsys.readouterr().out
