"""Lists and search over HTTP: shape, cursors, formats, conditional requests, refusals; on both databases."""

from __future__ import annotations

import csv
import errno
import io
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.etree import ElementTree as ET

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from sqlalchemy import text, update
from starlette.testclient import TestClient

from api import answers
from api.app import create_app
from api.downloads import Downloads
from federation import lists
from federation.database import Database, ReadSession, insert, table
from federation.index import Hits, Query
from federation.search.lane import Lane
from federation.tantivy_index import TantivyIndex
from schema.errors import Busy
from schema.kinds import PLURALS
from schema.tables import Node, Origin, Record
from tests.integration.search.corpus import NODE, URL, Made, found, publish, records, withdraw
from tests.services import client as client_of
from tests.services import make_services


@dataclass(frozen=True)
class Site:
    """A running application and what it serves."""

    client: TestClient
    database: Database
    follow: Any
    made: dict[str, Made]

    def get(self, url: str, status: int = 200, **headers: str) -> Any:
        """Ask, and insist on the status."""
        answer = self.client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
        assert answer.status_code == status, answer.text
        return answer

    def walk(self, url: str) -> list[dict[str, Any]]:
        """Every item of a list, following `next`."""
        items: list[dict[str, Any]] = []
        while url:
            page = self.get(url).json()
            items += page["items"]
            url = page["next"] or ""
        return items


@pytest.fixture
def site(database: Database, engine_name: str, tmp_path: Path) -> Iterator[Site]:
    """Yield an application with 60 records of three publishers: an aggregator on SQLite, a node on PostgreSQL."""
    made = [*found(database), *records(Random(21), 60)]
    publish(database, made[3:])
    role: Literal["node", "aggregator"] = "aggregator" if engine_name == "sqlite" else "node"
    services = make_services(database, tmp_path, role, URL, organisation=None)
    services = replace(services, title="Wessex Moot")
    services.follower.catch_up()
    with client_of(create_app(services)) as client:
        yield Site(client, database, services.follower.catch_up, {one.id: one for one in made})


def test_every_kind_has_its_list(site: Site) -> None:
    """Each plural lists exactly the records of its kind, in the shape of the feed; search lists them all."""
    for kind, plural in PLURALS.items():
        items = site.walk(f"/v1/{plural}?limit=7")
        assert {item["id"] for item in items} == {one.id for one in site.made.values() if one.kind == kind}
        assert len(items) == len({item["id"] for item in items})
        for item in items:
            assert set(item) == {"id", "kind", "data", "origin", "signature"}
            assert item["signature"] == "absent", "nothing signs here"
            assert item["data"] == site.made[item["id"]].data
            assert item["origin"]["publisher"] == site.made[item["id"]].publisher
    assert len(site.walk("/v1/search?limit=50")) == len(site.made)


def test_a_page_says_how_many_there_are_and_where_to_go_on(site: Site) -> None:
    """`count` is exact, `next` is absolute at the public URL and keeps the query, and `Link` says the same."""
    answer = site.get("/v1/contracts?stage=active&stage=ended&sort=-end&limit=3")
    page = answer.json()
    wanted = [o for o in site.made.values() if o.data.get("stage") in ("active", "ended")]
    assert page["count"] == {"value": len(wanted), "exact": True}
    assert "facets" not in page
    assert page["next"].startswith(f"{URL}/v1/contracts?")
    kept = parse_qs(urlsplit(page["next"]).query)
    assert kept["stage"] == ["active", "ended"]
    assert f'<{page["next"]}>; rel="next"' in answer.headers["link"]
    assert len(site.walk(page["next"])) == len(wanted) - 3


def test_facets_stand_only_where_they_are_asked_for(site: Site) -> None:
    """A facet has items with value, label and count, what is left, and whether it is exact; labels are for people."""
    facets = site.get("/v1/search?facets=publisher,cpv&facets=kind&publisher=GB-LAE-EXA").json()["facets"]
    assert set(facets) == {"publisher", "cpv", "kind"}
    names = {item["value"]: item["label"] for item in facets["publisher"]["items"]}
    assert names == {"GB-LAE-EXA": "Exampleshire", "GB-LAE-MID": "Middleton", "GB-LAE-NOR": "Norhaven"}
    assert {"value": "48", "label": "Software package and information systems"}.items() <= max(
        facets["cpv"]["items"], key=lambda item: item["value"] == "48"
    ).items()
    assert "Roadmap item" in {item["label"] for item in facets["kind"]["items"]}
    supplier = site.get("/v1/contracts?facets=supplier").json()["facets"]["supplier"]
    labels = {item["value"]: item["label"] for item in supplier["items"]}
    assert labels["GB-COH-01234567"] == "Acme Digital Ltd"
    assert (supplier["other"], supplier["exact"]) == (0, True)


UNREADABLE = [
    ("publishr=x", "publishr"),
    ("kind=contract", "kind"),
    ("sort=title", "sort"),
    ("sort=end&sort=start", "sort"),
    ("limit=0", "limit"),
    ("endsBefore=soon", "endsBefore"),
    ("stage=activ", "stage"),
    ("facets=colour", "facets"),
    ("cursor=abc", "cursor"),
    ("format=xls", "format"),
    ("format=geojson", "format"),
    ("signed=yes", "signed"),
]


def test_what_cannot_be_read_is_refused(site: Site) -> None:
    """Unknown parameters, repeats of single ones and impossible values are 422 and name the parameter."""
    for query, parameter in UNREADABLE:
        answer = site.get(f"/v1/contracts?{query}", 422)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["parameter"] == parameter


def test_an_unknown_parameter_names_the_near_match(site: Site) -> None:
    """Whoever mistypes is told what they may have meant."""
    assert site.get("/v1/search?endsbefore=2027-01-01", 422).json()["errors"][0]["suggestion"] == "endsBefore"


def test_a_cursor_belongs_to_its_query(site: Site) -> None:
    """A cursor of one list is refused by another, and by the same list with other filters."""
    cursor = parse_qs(urlsplit(site.get("/v1/contracts?limit=2").json()["next"]).query)["cursor"][0]
    site.get(f"/v1/contracts?limit=50&cursor={cursor}")
    for other in ("/v1/search?", "/v1/contracts?stage=active&", "/v1/contracts?sort=end&", "/v1/contracts?q=a&"):
        assert "this query" in site.get(f"{other}cursor={cursor}", 422).json()["detail"]


def test_a_format_that_a_list_does_not_speak_is_named(site: Site) -> None:
    """A calendar of organisations is 422, says why and names what there is; an Accept that nothing meets is 406."""
    for undated in ("/v1/organisations?", "/v1/search?kind=asset&kind=tool&"):
        detail = site.get(f"{undated}format=ics", 422).json()["detail"]
        assert "atom; a calendar is of contracts and roadmap items alone" in detail
    site.get("/v1/search?kind=asset&kind=contract&format=ics")
    site.get("/v1/organisations", 406, Accept="text/calendar")
    site.get("/v1/contracts", 406, Accept="image/png")
    assert "ics" not in site.get("/v1/skills?format=pdf", 422).json()["detail"]


ACCEPTED = [
    ("application/feed+json", "application/feed+json"),
    ("application/atom+xml, */*;q=0.1", "application/atom+xml; charset=utf-8"),
    ("text/csv", "text/csv; charset=utf-8"),
    ("application/x-ndjson", "application/x-ndjson"),
    ("text/calendar", "text/calendar; charset=utf-8"),
    ("*/*", "application/json"),
]


@pytest.mark.parametrize("path", ["/search", "/contracts", "/skills"])
def test_a_browser_is_led_to_the_page_of_the_same_list(site: Site, path: str) -> None:
    """HTML ranked above all leads to the page with the same filters; a `format` that is named is kept."""
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    asked = f"/v1{path}?q=park&publisher=GB-LAE-EXA"
    for accept in (browser, "text/html"):
        led = site.client.get(f"{asked}&limit=2&facets=cpv", headers={"Accept": accept}, follow_redirects=False)
        assert (led.status_code, led.headers["location"]) == (303, f"{path}?q=park&publisher=GB-LAE-EXA")
        assert led.headers["vary"] == "Accept, Accept-Encoding"
        assert site.client.get(led.headers["location"], headers={"Accept": accept}).status_code == 200
    for accept in (
        "*/*",
        "application/json",
        "application/json, text/html;q=0.9",
        "application/atom+xml, text/html;q=0.5",
    ):
        assert site.client.get(asked, headers={"Accept": accept}, follow_redirects=False).status_code == 200
    assert site.client.get(f"{asked}&format=json", headers={"Accept": browser}).json()["items"] is not None


def test_accept_chooses_the_format(site: Site) -> None:
    """Without `format` the Accept header decides, and the answer says that it varies by it."""
    for accept, media in ACCEPTED:
        answer = site.get("/v1/contracts?limit=2", Accept=accept)
        assert answer.headers["content-type"] == media
        assert answer.headers["vary"] == "Accept, Accept-Encoding"


FORMATS = ["json", "ndjson", "csv", "xlsx", "jsonfeed", "atom", "ics"]


def test_a_list_that_has_not_changed_is_304(site: Site) -> None:
    """The strong ETag holds while nothing changes, tells the formats apart, and falls with any change."""
    urls = [f"/v1/contracts?format={form}" for form in FORMATS]
    first = {url: site.get(url, Accept_Encoding="identity") for url in urls}
    tags = {url: answer.headers["etag"] for url, answer in first.items()}
    assert len(set(tags.values())) == len(FORMATS)
    for url in urls:
        assert tags[url].startswith('"')
        assert site.get(url, Accept_Encoding="identity").content == first[url].content
        assert site.get(url, 304, If_None_Match=tags[url], Accept_Encoding="identity").content == b""
    contract = next(one for one in site.made.values() if one.kind == "contract")
    publish(site.database, [replace(contract, data=contract.data | {"title": "Changed"})])
    site.follow()
    for url in urls:
        assert site.get(url, If_None_Match=tags[url], Accept_Encoding="identity").headers["etag"] != tags[url]


def test_a_body_has_an_etag_for_each_encoding(site: Site) -> None:
    """The compressed body is the same list under a tag of its own."""
    plain = site.get("/v1/contracts", Accept_Encoding="identity")
    packed = site.get("/v1/contracts", Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert packed.headers["etag"] != plain.headers["etag"]


def test_ndjson_is_the_whole_list(site: Site) -> None:
    """An NDJSON row is a list item, and all rows of the query are there."""
    body = site.get("/v1/search?format=ndjson&sort=end").text
    lines = [orjson.loads(line) for line in body.splitlines()]
    assert lines == site.walk("/v1/search?sort=end&limit=100")


def test_a_record_that_came_with_line_breaks_is_a_line_all_the_same(site: Site) -> None:
    """NDJSON is read line by line, however a publisher has broken his JSON into lines."""
    contract = next(one for one in site.made.values() if one.kind == "contract")
    record = table(Record)
    broken = orjson.dumps(contract.data | {"note": "one\ntwo"}, option=orjson.OPT_INDENT_2)
    with site.database.write() as session:
        session.connection().execute(update(record).where(record.c.id == contract.id).values(data=broken))
    lines = site.get("/v1/contracts?format=ndjson").content.splitlines()
    (found,) = [item["data"] for item in map(orjson.loads, lines) if item["id"] == contract.id]
    assert found == contract.data | {"note": "one\ntwo"}


def test_csv_is_the_whole_list(site: Site) -> None:
    """Each record is a row; its columns are the members by their dotted paths, numbers as they are."""
    answer = site.get("/v1/contracts?format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert {row["id"] for row in rows} == {one.id for one in site.made.values() if one.kind == "contract"}
    for row in rows:
        data = site.made[row["id"]].data
        assert row["title"] == data["title"]
        assert row.get("value.amount", "") == (
            "" if "amount" not in data.get("value", {}) else str(data["value"]["amount"])
        )
    assert answer.headers["folkmoot-count"] == str(len(rows))
    assert "contracts.csv" in answer.headers["content-disposition"]


@dataclass
class Gate:
    """Counts searches of the index, and keeps them waiting while it is shut."""

    searches: int = 0
    open: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Yield a gate before the index, open."""
    made, real = Gate(), TantivyIndex.search
    made.open.set()

    def search(index: TantivyIndex, query: Query) -> Hits:
        made.searches += 1
        assert made.open.wait(10)
        return real(index, query)

    monkeypatch.setattr(TantivyIndex, "search", search)
    yield made
    made.open.set()


def waiting(site: Site, users: int) -> None:
    """Wait until so many wait for files."""
    downloads: Downloads = site.client.app.state.downloads  # type: ignore[attr-defined]  # the client's app is ours
    end = time.monotonic() + 10
    while sum(shared.users for shared in tuple(downloads._shared.values())) != users:
        assert time.monotonic() < end
        time.sleep(0.005)


def test_those_who_ask_for_one_csv_at_once_cost_one_reading(site: Site, gate: Gate) -> None:
    """GET and HEAD of the same list wait for one file, with the same headers; another list is another file."""
    url, other = "/v1/contracts?format=csv", "/v1/contracts?format=csv&stage=active"
    alone, others = site.get(url), site.get(other)
    gate.searches = 0
    gate.open.clear()
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(site.client.request, method, url) for method in ["GET", "HEAD"] * 4]
        more = [pool.submit(site.get, other) for _ in range(4)]
        waiting(site, 12)
        gate.open.set()
        answers = [one.result() for one in asked]
    assert gate.searches == 2
    for method, answer in zip(["GET", "HEAD"] * 4, answers, strict=True):
        assert answer.content == (alone.content if method == "GET" else b"")
    assert {one.result().content for one in more} == {others.content} != {alone.content}
    own = {"x-request-id"}
    kept = {name: value for name, value in alone.headers.items() if name not in own}
    assert {"etag", "link", "folkmoot-count", "content-disposition", "vary", "cache-control"} <= kept.keys()
    for answer in answers:
        assert {name: value for name, value in answer.headers.items() if name not in own} == kept
    waiting(site, 0)


def test_a_change_is_in_the_csv_of_who_asks_after_it(site: Site, gate: Gate) -> None:
    """A list with another ETag is another file, though the one of before is still being waited for."""
    url = "/v1/contracts?format=csv"
    gate.open.clear()
    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(site.get, url)
        waiting(site, 1)
        contract = next(one for one in site.made.values() if one.kind == "contract")
        publish(site.database, [replace(contract, data=contract.data | {"title": "Changed meanwhile"})])
        site.follow()
        after = pool.submit(site.get, url)
        waiting(site, 2)
        gate.open.set()
        assert before.result().headers["etag"] != after.result().headers["etag"]
    assert gate.searches == 2
    assert b"Changed meanwhile" in after.result().content


def test_a_csv_that_cannot_be_made_is_a_problem_to_all_who_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the index refuses, or breaks half-way, is told as a problem and not as half a file; then it is made anew."""
    url, real = "/v1/contracts?format=csv", lists.held

    def refused(_index: TantivyIndex, _query: Query) -> Hits:
        raise Busy("Not now.")

    def broken(session: ReadSession, rows: Sequence[int]) -> Iterator[lists.Held]:
        yield from list(real(session, rows))[:3]
        raise Busy("Not any more.")

    for name, (where, does) in {"search": (TantivyIndex, refused), "held": (lists, broken)}.items():
        with monkeypatch.context() as patched:
            patched.setattr(where, name, does)
            with ThreadPoolExecutor(4) as pool:
                for problem in pool.map(lambda _: site.get(url, 503), range(4)):
                    assert problem.headers["content-type"] == "application/problem+json"
                    assert "etag" not in problem.headers
        waiting(site, 0)
        assert site.get(url).headers["content-type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize(
    ("form", "where"),
    [
        ("csv", "api.downloads.TemporaryFile"),
        ("csv", "exchange.columns.SpooledTemporaryFile"),
        ("xlsx", "api.downloads.TemporaryFile"),
        ("xlsx", "exchange.xlsx.SpooledTemporaryFile"),
    ],
)
def test_t16_a_table_for_which_there_is_no_room_is_503(
    site: Site, monkeypatch: pytest.MonkeyPatch, form: str, where: str
) -> None:
    """A full disk is a problem with `Retry-After`, not a fault of ours; and there is a table when there is room."""
    url = f"/v1/contracts?format={form}"

    def full(*_given: object, **_named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(where, full)
        problem = site.get(url, 503)
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.headers["retry-after"] == "5"
    assert "no room" in problem.json()["detail"]
    assert site.get(url).headers["etag"]


def test_a_table_that_would_wait_too_long_is_503(site: Site, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all places taken another table is refused as a problem, at once; one that is written already is shared."""
    monkeypatch.setattr("api.downloads.MOST_WAITING", 1)
    gate.open.clear()
    urls = [f"/v1/contracts?format=csv&limit={number}" for number in range(1, 5)]
    with ThreadPoolExecutor(5) as pool:
        asked = []
        for number, url in enumerate(urls[:3], 1):
            asked.append(pool.submit(site.get, url))
            waiting(site, number)
        asked.append(pool.submit(site.get, urls[0]))
        waiting(site, 4)
        problem = site.get(urls[3], 503)
        assert (problem.headers["retry-after"], problem.json()["type"].rpartition("/")[2]) == ("5", "busy")
        gate.open.set()
        assert {one.result().status_code for one in asked} == {200}
    assert site.get(urls[3]).headers["etag"]


def test_who_asks_for_too_many_tables_is_429(site: Site, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of one address is told as such, and when to come again: the server has room for others."""
    monkeypatch.setattr("api.downloads.A_CLIENT", 1)
    monkeypatch.setattr(site.client.app.state.downloads, "who", lambda _scope: "192.0.2.1")  # type: ignore[attr-defined]
    gate.open.clear()
    urls = [f"/v1/contracts?format=csv&limit={number}" for number in range(1, 5)]
    with ThreadPoolExecutor(3) as pool:
        asked = []
        for number, url in enumerate(urls[:3], 1):
            asked.append(pool.submit(site.get, url))
            waiting(site, number)
        problem = site.get(urls[3], 429)
        assert problem.headers["retry-after"] == "5"
        assert problem.json()["type"].rpartition("/")[2] == "too-many-requests"
        gate.open.set()
        assert {one.result().status_code for one in asked} == {200}


def test_what_is_cut_off_says_so_and_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list longer than a download may be ends with a `next` link, and following it gives the rest."""
    contracts = {one.id: one for one in site.made.values() if one.kind == "contract"}
    for form in ("csv", "ndjson", "ics", "jsonfeed", "atom"):
        monkeypatch.setitem(answers._LENGTHS, form, 10)
        url, pages, bodies = f"/v1/contracts?format={form}", 0, b""
        while url:
            answer = site.get(url)
            assert answer.headers["folkmoot-count"] == str(len(contracts))
            bodies += answer.content.replace(b"\r\n ", b"")
            url, pages = answer.links.get("next", {}).get("url", ""), pages + 1
        assert pages == -(-len(contracts) // 10)
        shown = [one for one in contracts.values() if form != "ics" or {"startDate", "endDate"} & set(one.data)]
        assert all(one.id.encode() in bodies for one in shown)


def test_a_json_feed_of_a_search(site: Site) -> None:
    """Newest first, a title that a person would choose, the page for people, and the whole record in each item."""
    feed = site.get("/v1/contracts?q=parking&endsBefore=2027-06-01&format=jsonfeed").json()
    assert feed["title"] == "Contracts about parking that end by 1 June 2027 — Wessex Moot"
    assert feed["home_page_url"] == f"{URL}/search?kind=contract&q=parking&endsBefore=2027-06-01"
    assert feed["feed_url"] == f"{URL}/v1/contracts?q=parking&endsBefore=2027-06-01&format=jsonfeed"
    listed = site.walk("/v1/contracts?q=parking&endsBefore=2027-06-01&sort=-updated")
    assert [item["id"] for item in feed["items"]] == [item["id"] for item in listed]
    assert [item["_folkmoot"]["data"] for item in feed["items"]] == [item["data"] for item in listed]


def test_an_atom_feed_of_a_list(site: Site) -> None:
    """Every entry is a record with its publisher's name as author; an empty list is a feed too."""
    names = {"a": "http://www.w3.org/2005/Atom"}
    root = ET.fromstring(site.get("/v1/tools?format=atom").content)  # noqa: S314 - our own bytes
    ids = {entry.findtext("a:id", None, names) for entry in root.findall("a:entry", names)}
    assert ids == {one.id for one in site.made.values() if one.kind == "tool"}
    authors = {entry.findtext("a:author/a:name", None, names) for entry in root.findall("a:entry", names)}
    assert authors <= {"Exampleshire", "Middleton", "Norhaven"}
    empty = ET.fromstring(site.get("/v1/tools?format=atom&q=zeppelin").content)  # noqa: S314 - our own bytes
    assert empty.findtext("a:updated", None, names) == "2026-11-02T09:00:00Z"


def test_a_calendar_of_contracts(site: Site) -> None:
    """Each first and last day is an event whose UID is the record's id and the name of the date."""
    calendar = Calendar.from_ical(site.get("/v1/contracts?format=ics").text)
    uids = {str(event["uid"]) for event in calendar.walk("VEVENT")}
    contracts = [one for one in site.made.values() if one.kind == "contract"]
    dated = {("startDate", "start"), ("endDate", "end")}
    assert uids == {f"{one.id}#{name}" for one in contracts for member, name in dated if member in one.data}


def test_a_record_bears_its_marks(site: Site) -> None:
    """A publisher that did not ask to be published is told by a mark on each of its records."""
    with site.database.write() as session:
        session.connection().execute(text("UPDATE publisher SET relation = 'unofficial' WHERE id = 'GB-LAE-MID'"))
    for item in site.walk("/v1/search?limit=50"):
        assert item.get("marks") == (["unofficial"] if item["origin"]["publisher"] == "GB-LAE-MID" else None)


@pytest.mark.parametrize(("state", "mark"), [("stale", "stale"), ("held", "stale"), ("retired", "retired")])
def test_marks_of_a_node_stand_on_its_records(site: Site, state: str, mark: str) -> None:
    """What came from a stale, held or retired node, or by hearsay, says so; the change of a node changes the ETag."""
    now = datetime(2026, 11, 2, tzinfo=UTC)
    node = {
        "id": 1, "key": "n.test", "url": "http://n.test/x", "name": "N", "role": "node", "relays": False,
        "state": "active", "manifest": b"{}", "prefixes": "", "added": now,
    }  # fmt: skip
    with site.database.write() as session:
        insert(session, Node, [node])
        insert(session, Origin, [{"id": NODE, "prefixes": "", "vouched_by": "http://v.test/x", "fetched": now}])
        session.connection().execute(text("UPDATE record SET node_id = 1 WHERE publisher = 'GB-LAE-NOR'"))
    before = site.get("/v1/search").headers["etag"]
    with site.database.write() as session:
        session.connection().execute(text("UPDATE node SET state = :state, stale_since = added"), {"state": state})
    assert site.get("/v1/search").headers["etag"] != before
    for item in site.walk("/v1/search?limit=50"):
        marked = item["origin"]["publisher"] == "GB-LAE-NOR"
        assert item["marks"] == ([mark, "vouched"] if marked else ["vouched"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from(
                ["q", "publisher", "region", "supplier", "tool", "service", "cpv", "stage", "sort", "limit", "cursor",
                 "format", "facets", "endsAfter", "valueMin", "updatedSince", "signed", "kind", "x"]
            ),
            st.text(max_size=12),
        ),
        max_size=4,
    )
)  # fmt: skip
def test_no_query_is_an_error_of_the_server(site: Site, pairs: list[tuple[str, str]]) -> None:
    """Whatever is asked, the answer is a list or says what is wrong with the question."""
    answer = site.client.get(f"/v1/search?{urlencode(pairs)}")
    assert answer.status_code in (200, 422)


def test_publishers(site: Site) -> None:
    """Publishers are those with an organisation record, by id, with how much of each kind is held; keyset paged."""
    items = site.walk("/v1/publishers?limit=2")
    assert [item["id"] for item in items] == ["GB-LAE-EXA", "GB-LAE-MID", "GB-LAE-NOR"]
    for item in items:
        of_it = [one for one in site.made.values() if one.publisher == item["id"]]
        assert item["records"] == {k: n for k in PLURALS if (n := sum(one.kind == k for one in of_it))}
        assert item["organisation"] == site.made[item["record"]].data
        assert site.get(f"/v1/publishers/{item['id']}").json() == item
    etag = site.get("/v1/publishers").headers["etag"]
    site.get("/v1/publishers", 304, If_None_Match=etag)
    site.get("/v1/publishers/GB-LAE-NUL", 404)
    site.get("/v1/publishers/%00", 404)
    site.get("/v1/publishers?cursor=x", 422)
    site.get("/v1/publishers?format=geojson", 422)
    site.get("/v1/publishers?publisher=x", 422)


def test_a_publisher_that_withdrew_is_not_listed(site: Site) -> None:
    """Without its organisation record a publisher is in no list, whatever else of it is held."""
    own = next(one for one in site.made.values() if one.kind == "organisation" and one.publisher == "GB-LAE-MID")
    withdraw(site.database, [own])
    assert [item["id"] for item in site.walk("/v1/publishers?limit=1")] == ["GB-LAE-EXA", "GB-LAE-NOR"]
    assert site.get("/v1/publishers").json()["count"]["value"] == 2
    site.get("/v1/publishers/GB-LAE-MID", 404)


def test_a_query_over_its_budget_is_told_why(site: Site) -> None:
    """What costs more than a query may is a 503 problem that says so and when to come again; the rest goes on."""
    url = "/v1/contracts?q=parking&facets=supplier"
    held = site.get(url)
    index = site.client.app.state.services.index  # type: ignore[attr-defined]  # the client's app is ours
    index.lane, ended = Lane(budget=0.05, threads=1, cheap=0), threading.Event()
    with pytest.raises(Busy, match="costs more than"):
        index.lane.run([ended.wait], 1)  # holds the one thread until it is told to end
    problem = site.get("/v1/contracts?q=parking&facets=tool", 503)
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.headers["retry-after"] == "5"
    assert problem.headers["cache-control"] == "no-store"
    assert problem.json()["type"].endswith("/problems/busy")
    assert "Other costly queries are running" in problem.json()["detail"]
    assert site.get(url, 304, if_none_match=held.headers["etag"]).content == b""
    ended.set()
    index.lane = Lane()
    assert site.get("/v1/contracts?q=parking&facets=tool").json()["count"]["value"] > 0


def test_a_list_that_was_held_is_answered_without_a_search(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """304 comes from the index's stamp and what was asked alone; after a commit the list is read again."""
    url = "/v1/search?q=parking&facets=publisher,kind&limit=5"
    tag = site.get(url).headers["etag"]
    asked: list[Query] = []
    real = TantivyIndex.search

    def observed(index: TantivyIndex, query: Query) -> Hits:
        asked.append(query)
        return real(index, query)

    monkeypatch.setattr(TantivyIndex, "search", observed)
    site.get(url, 304, if_none_match=tag)
    assert asked == []
    publish(site.database, [replace(one, id=one.id + "-n") for one in records(Random(2), 5)])
    site.follow()
    assert site.get(url, if_none_match=tag).headers["etag"] != tag
    assert len(asked) == 1
