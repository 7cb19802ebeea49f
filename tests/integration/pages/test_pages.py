"""Each page as a browser gets it."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from api.pages import words
from federation import nodes, publishers, told
from federation.database import Database, table
from federation.verdicts import Trouble
from schema.tables import Node
from tests.integration.pages.site import BROWSER, Site, aggregator, served
from tests.services import NOW

EXA = "https://exa.example/id/GB-LAE-EXA/"
REGION = (
    "/",
    "/search",
    "/search?q=planning",
    "/search?q=nothing-like-it",
    "/contracts",
    "/roadmap-items",
    f"/records?id={EXA}contract/C-1",
    f"/records?id={EXA}roadmap-item/R-1",
    f"/records?id={EXA}tool/T-1",
    f"/records?id={EXA}asset/A-1",
    f"/records?id={EXA}skill/S-1",
    f"/records?id={EXA}organisation/GB-LAE-EXA",
    "/publishers",
    "/publishers/GB-LAE-EXA",
    "/nodes",
    "/nodes/exa.example",
    "/suppliers/GB-COH-01234567",
    "/join",
    "/accessibility",
    "/privacy",
)
COUNCIL = (
    "/",
    "/search",
    "/contracts",
    "/publishers/GB-LAE-EXA",
    "/id/GB-LAE-EXA/contract/C-1",
    "/accessibility",
    "/privacy",
)


def check(site: Site, paths: tuple[str, ...]) -> None:
    """Hold each page to what all pages promise."""
    titles = []
    for path in paths:
        page = site.get(path)
        titles.append(page.title)
        names = [name for name, _ in page.tags]
        assert names.count("h1") == 1, path
        assert names.count("main") == 1, path
        assert not {"script", "style", "iframe", "object", "embed", "base"} & set(names), path
        assert not any(name == "style" or name.startswith("on") for _, found in page.tags for name in found), path
        assert next(page.all("html"))["lang"] == "en-GB", path
        assert page.open == [], path
        levels = [int(name[1]) for name in names if re.fullmatch("h[1-6]", name)]
        assert all(after - before <= 1 for before, after in pairwise(levels)), path
        assert all(
            "/static/" in found["href"] for found in page.all("link") if found["rel"] in ("stylesheet", "icon")
        ), path
        assert not re.search(r"click here|read more<", page.html, re.IGNORECASE), path
        idle = [found["id"] for _, found in page.tags if "id" in found]
        assert len(idle) == len(set(idle)), path
    assert len(set(titles)) == len(titles), titles


def test_every_page_of_an_aggregator_keeps_what_pages_promise(region: Site) -> None:
    """One h1, headings in order, a title of its own, no script, no style of its own, nothing from elsewhere."""
    check(region, REGION)


def test_every_page_of_a_node_keeps_what_pages_promise(council: Site) -> None:
    """The pages of a node are as those of an aggregator."""
    check(council, COUNCIL)


def test_every_link_within_the_site_leads_somewhere(region: Site) -> None:
    """No page links to an address of this site that answers with an error."""
    seen: set[str] = set()
    for path in REGION:
        for href in region.get(path).links.values():
            if href.startswith("/") and href not in seen:
                seen.add(href)
                reply = region.client.get(href, headers=BROWSER)
                assert reply.status_code < 400 or "C-gone" in href, (path, href, reply.text[:300])
    assert len(seen) > 60


def test_the_policy_of_a_page_allows_no_script(region: Site) -> None:
    """Every page comes with a policy under which nothing but our own stylesheet and pictures is loaded."""
    policy = region.client.get("/", headers=BROWSER).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy


def test_the_home_page_tells_what_is_here(region: Site) -> None:
    """Numbers by kind, the soonest to end, the latest change and who seeks partners stand on the home page."""
    page = region.get("/")
    assert page.links["8 contracts"] == "/search?kind=contract"
    assert "What ends soon" in page.text
    assert page.text.index("Planning system 0") < page.text.index("Planning system 1")
    assert "ends 20 November 2026 (in 2 weeks)" in page.text
    assert "Councils looking for partners" in page.text
    assert "C-old" not in page.html


def test_the_picture_and_its_table_say_the_same(region: Site) -> None:
    """Each quarter has a bar and a row with the same number, and its link finds just those contracts."""
    page = region.get("/")
    rows = re.findall(r'<th scope="row"><a href="([^"]*)">([^<]*)</a>.*?</th><td class="num">(\d+)</td>', page.html)
    assert [(label, int(count)) for _, label, count in rows] == [
        ("Oct to Dec 2026", 2),
        ("Jan to Mar 2027", 2),
        ("Apr to Jun 2027", 1),
        ("Jul to Sep 2027", 0),
        ("Oct to Dec 2027", 0),
        ("Jan to Mar 2028", 0),
        ("Apr to Jun 2028", 0),
        ("Jul to Sep 2028", 1),
    ]
    assert "Oct to Dec 2026, 2; Jan to Mar 2027, 2;" in page.text
    for href, _, count in rows:
        found = region.get(href.replace("&amp;", "&"))
        assert (f"{count} contracts" if count != "1" else "1 contract") in found.text


def test_a_contract_is_told_in_words(region: Site) -> None:
    """Dates, money, supplier, category, origin and route of a contract stand on its page as people write them."""
    page = region.record(EXA + "contract/C-1")
    for said in (
        "Planning system 1",
        "Acme Digital Ltd",
        "company number 01234567",
        "£1,234.50 in total Over the whole contract",
        "31 December 2026 (in 8 weeks)",
        "CPV 48000000",
        "Published by Council of EXA",
        "Straight from its publisher, fetched 2 Nov 2026, 09:00 UTC.",
        "2 Nov 2026, 09:00 UTC",
    ):
        assert said in page.text, said
    assert page.links["Acme Digital Ltd"] == "/suppliers/GB-COH-01234567"
    assert region.client.get(page.links["This record as JSON"]).json()["data"]["reference"] == "C-1"
    report = page.links["Tell the publisher about an error in it"]
    assert report.startswith("mailto:team@exa.example?subject=An%20error%20in%20https%3A")


def test_links_between_records_lead_to_their_pages_here(region: Site) -> None:
    """A tool's contract is a link to that contract's page on this site."""
    page = region.record(EXA + "tool/T-1")
    assert parse_qs(urlsplit(page.links["GB-LAE-EXA/contract/C-1"]).query)["id"] == [EXA + "contract/C-1"]


def test_a_record_that_is_gone_says_why(region: Site) -> None:
    """A tombstone answers 410 with its reason, in words, and nothing of what it held."""
    page = region.record(EXA + "contract/C-gone", 410)
    assert "personal data" in page.text
    assert "Council of EXA" in page.text
    assert "Planning system" not in page.text


def test_a_record_at_its_own_id_is_a_page_for_browsers_and_json_for_others(council: Site) -> None:
    """The same id gives a page to whom asks for HTML and JSON to everybody else."""
    path = "/id/GB-LAE-EXA/contract/C-1"
    assert "It is published here." in council.get(path).text
    assert council.client.get(path).json()["data"]["reference"] == "C-1"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/nowhere", 404, "There is nothing at /nowhere."),
        ("/records", 422, "the id of a record"),
        ("/records?id=https://exa.example/id/GB-LAE-EXA/contract/none", 404, "No record is held here"),
        ("/publishers/GB-LAE-NOT", 404, "Nobody publishes here"),
        ("/nodes/not.example", 404, "No node here has the key"),
        ("/suppliers/nobody-at-all", 404, "No contract here names the supplier"),
        ("/search?publsher=GB-LAE-EXA", 422, "Did you mean publisher"),
        ("/search?endsAfter=tomorrow", 422, "Filter 'endsAfter' is 'tomorrow'; expected a date such as"),
        ("/search?kind=contrat", 422, "expected one of"),
        ("/search?cursor=zzz", 422, "expected a cursor"),
        ("/search?sort=end&sort=start", 422, "expected it once"),
    ],
)
def test_what_goes_wrong_is_a_page_too(region: Site, path: str, status: int, said: str) -> None:
    """A mistake is answered in words, with the search at hand; a program gets the problem as JSON."""
    page = region.get(path, status)
    assert said in page.text
    assert any(found.get("role") == "search" for found in page.all("form"))
    plain = region.client.get(path)
    assert plain.status_code == status
    assert plain.headers["content-type"] == "application/problem+json"


def test_a_near_match_is_a_link_that_mends_the_address(region: Site) -> None:
    """The suggested parameter takes the place of the wrong one and keeps the rest."""
    page = region.get("/search?publsher=GB-LAE-EXA&q=planning", 422)
    assert page.links["publisher"] == "/search?publisher=GB-LAE-EXA&q=planning"
    assert page.text.count("Did you mean") == 1


def test_a_page_of_a_problem_bears_the_name_of_the_site(council: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header names who serves; where the database cannot say it, the address stands in and the answer stays."""
    assert council.get("/nothing", 404).links["Exampleshire County Council"] == "/"

    def fail(*_given: object) -> None:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr("api.pages.view.first_publisher", fail)
    assert "Exampleshire" not in council.get("/nothing", 404).text


def test_the_reference_reads_as_prose(region: Site) -> None:
    """No backtick of the source is shown; code stands as code; cells have names for narrow screens."""
    page = region.get("/docs")
    assert "`" not in page.text
    assert 'class="lines"' not in page.html
    assert "<code>next</code>" in page.html
    assert {found["data-label"] for found in page.all("td")} == {"In", "What", "Meaning"}


def test_nodes_tell_their_people_what_to_mend(region: Site) -> None:
    """A node's page has its state, its counts, and each problem with where it is and what to do."""
    listed = region.get("/nodes")
    assert listed.links["Council of EXA"] == "/nodes/exa.example"
    assert "2 nodes visited from here" in listed.text
    page = region.get("/nodes/exa.example")
    assert "Active It is visited, and its data is taken." in page.text
    assert "/title" in page.text
    assert EXA + "contract/C-bad" in page.text
    assert "Correct this in your register" in page.text
    assert page.links["Council of EXA"] == "/publishers/GB-LAE-EXA"
    clean = region.get("/nodes/fer.example")
    assert "No problem is known." in clean.text


def test_a_nodes_page_tells_its_signatures_and_keys(region: Site) -> None:
    """A node's page counts its records by what their signatures are worth, and names each key with its thumbprint."""
    signed, found = region.get("/nodes/fer.example"), region.client.get("/v1/nodes/fer.example").json()
    assert found["signatures"] == {"valid": 2, "absent": 0, "unknown-key": 0, "invalid": 0}
    assert "Valid 2 Signed by the node that published them first" in signed.text
    (key,) = found["keys"]
    assert f"2026-1 In use {words.moment(key['since'])} {key['thumbprint']}" in signed.text
    plain = region.get("/nodes/exa.example")
    assert "Not signed 12 Nothing proves" in plain.text
    assert "This node has published no key" in plain.text


def test_tables_of_nodes_are_cards_on_narrow_screens(region: Site) -> None:
    """No table about a node is read sideways on a phone: each is a card a row, and each cell has its name."""
    for path in ("/nodes", "/nodes/exa.example", "/nodes/fer.example"):
        page = region.get(path)
        assert [table["class"] for table in page.all("table")], path
        assert {table["class"] for table in page.all("table")} == {"cards"}, path
        assert all(cell["data-label"] for cell in page.all("td")), path


def test_the_list_of_nodes_goes_by_name_and_counts_all_problems(database: Database, tmp_path: Path) -> None:
    """Nodes stand in the order of their names, each with all its problems, however few are listed."""
    services = aggregator(database, tmp_path)
    with database.write() as session:
        session.connection().execute(
            update(table(Node)).where(table(Node).c.key == "fer.example").values(name="A first")
        )
        many = [
            Trouble("schema", "/title", "No title.", f"https://exa.example/id/GB-LAE-EXA/x/{n}") for n in range(120)
        ]
        told.tell(session, nodes.find(session, "exa.example").id, many, NOW)
    for site in served(services):
        page = site.get("/nodes")
        assert list(page.links).index("A first") < list(page.links).index("Council of EXA")
        known = site.client.get("/v1/nodes/exa.example").json()["problemCounts"]
        assert sum(known.values()) > 120
        assert f" {sum(known.values())} " in page.text


def test_a_supplier_is_seen_across_councils(region: Site) -> None:
    """A supplier's page counts its contracts by council, the last to end first."""
    page = region.get("/suppliers/GB-COH-01234567")
    assert "8 contracts with 2 organisations" in page.text
    assert page.links["Council of FER"].startswith("/search?kind=contract&supplier=GB-COH-01234567")
    assert page.text.index("Planning system 5") < page.text.index("Planning system 1")
    by_name = region.get("/suppliers/acme-digital")
    assert by_name.title.startswith("Acme Digital Ltd")


def test_a_publisher_is_seen_whole(region: Site) -> None:
    """A publisher's page has its own numbers, its own picture and its own work."""
    page = region.get("/publishers/GB-LAE-EXA")
    assert page.links["7 contracts"] == "/search?kind=contract&publisher=GB-LAE-EXA"
    assert "Parking permits" not in page.text
    assert "roadmap-item R-1" in page.text
    assert page.links["Oct to Dec 2026"].startswith("/search?kind=contract&publisher=GB-LAE-EXA&endsAfter=2026-10-01")
    listed = region.get("/publishers")
    assert "Publishers: Wessex" in listed.text


def test_the_office_that_runs_the_site_is_no_publisher_of_contracts(database: Database, tmp_path: Path) -> None:
    """Who publishes nothing but its own record is not counted; the office of the site itself comes last."""
    services = aggregator(database, tmp_path)
    office = {"name": "A First Office", "identifiers": [{"scheme": "GB-LAE", "id": "AAA"}]}
    with database.write() as session:
        publishers.add(session, public_url=services.public_url, organisation=office, now=NOW)
    for site in served(services):
        assert "2 organisations publish their contracts" in site.get("/").text
        page = site.get("/publishers")
        assert "2 organisations publish their own data" in page.text
        assert page.text.index("Council of FER") < page.text.index("Who runs this site")
        assert page.text.index("Who runs this site") < page.text.index("Name Type Records A First Office")


def test_a_node_has_no_pages_of_an_aggregator(council: Site) -> None:
    """Nodes, and how to join them, are pages of aggregators alone."""
    for path in ("/nodes", "/nodes/exa.example", "/join"):
        council.get(path, 404)
    assert "Publishers" not in council.get("/").links


def test_the_stylesheet_is_cached_by_its_own_fingerprint(region: Site) -> None:
    """The stylesheet's address changes with it, so that browsers may keep it; other files are not served."""
    href = next(found["href"] for found in region.get("/").all("link") if found["rel"] == "stylesheet")
    reply = region.client.get(href)
    assert reply.headers["content-type"].startswith("text/css")
    assert "max-age=86400" in reply.headers["cache-control"]
    again = region.client.get(href, headers={"If-None-Match": reply.headers["etag"]})
    assert again.status_code == 304
    assert region.client.get("/static/../app.py").status_code == 404
    assert region.client.get("/static/base.html").status_code == 404


def test_a_fault_of_ours_tells_nothing_of_our_insides(council: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error is a page with the request's name on it and no word of what happened."""

    def fail(*_given: object) -> None:
        raise RuntimeError("secret insides")

    monkeypatch.setattr("federation.directory.page", fail)
    page = council.get("/publishers", 500)
    assert "secret" not in page.html
    assert re.search(r"quote [0-9a-f]{32}", page.text)
