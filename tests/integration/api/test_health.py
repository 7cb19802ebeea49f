"""Whether the server lives and is ready, its figures, its contact, its reference."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from api.app import create_app
from federation.database import Database
from tests.contract.world import join
from tests.integration.api.conftest import Site
from tests.services import client, make_services


def test_a_server_that_runs_lives(site: Site) -> None:
    """Liveness asks nothing of the database."""
    assert site.client.get("/health/live").json() == {"status": "ok"}


def test_a_server_is_ready_when_all_it_needs_is_there(site: Site) -> None:
    """Database, publisher and index are looked at, one by one."""
    site.services.follower.catch_up()
    answer = site.client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["checks"] == {
        "database": {"status": "ok"},
        "publisher": {"status": "ok"},
        "index": {"status": "ok", "lag": 0, "seconds": 0.0},
    }


def test_without_an_index_a_server_is_not_ready(database: Database, tmp_path: Path) -> None:
    """Before the index was first built the answer is 503."""
    answer = client(create_app(make_services(database, tmp_path))).get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["index"] == {"status": "failing", "lag": None, "seconds": None}


def test_without_a_publisher_a_server_is_not_ready(database: Database, tmp_path: Path) -> None:
    """A feed is never empty, so a server without a publisher does not serve."""
    checks = client(create_app(make_services(database, tmp_path, organisation=None))).get("/health/ready").json()
    assert checks["checks"]["publisher"] == {"status": "failing"}


def test_without_its_database_a_server_is_not_ready(database: Database, tmp_path: Path) -> None:
    """A database that cannot be reached is told as such, without its address."""
    gone = Database(f"sqlite:///{tmp_path}/no/such/folder/x.db")
    services = replace(make_services(database, tmp_path), database=gone)
    answer = client(create_app(services)).get("/health/ready")
    gone.dispose()
    assert answer.status_code == 503
    assert answer.json() == {"status": "failing", "checks": {"database": {"status": "failing"}}}


def test_figures_are_kept_by_route_and_not_by_what_was_asked(site: Site) -> None:
    """Requests are counted by the route's pattern and status; the log's number and the index's lag are told."""
    site.services.follower.catch_up()
    for number in range(3):
        site.client.get(f"/id/GB-LAE-EXA/contract/{number}")
    site.client.get("/v1/changes")
    site.client.request("BREW", "/nope")
    page = site.client.get("/metrics").text
    assert (
        'folkmoot_http_requests_total{method="GET",route="/id/{publisher}/{kind}/{reference}",status="404"} 3.0' in page
    )
    assert 'folkmoot_http_requests_total{method="GET",route="/v1/changes",status="200"} 1.0' in page
    assert 'method="OTHER",route="(none)"' in page
    assert 'folkmoot_http_request_seconds_bucket{le="0.005",route="/v1/changes"}' in page
    assert "\nfolkmoot_log_latest 1.0\n" in page
    assert "\nfolkmoot_index_lag 0.0\n" in page


def test_an_aggregator_tells_the_figures_of_each_crawl(database: Database, tmp_path: Path) -> None:
    """What was accepted, refused and dropped of each node, and how often visits failed in a row, by the node's key."""
    services = make_services(database, tmp_path, "aggregator")
    join(database)
    page = client(create_app(services)).get("/metrics").text
    for word in ("accepted", "refused", "dropped"):
        assert f'folkmoot_crawl_items_total{{as="{word}",node="other.test"}} 0.0' in page
    assert 'folkmoot_crawl_fails{node="other.test"} 0.0' in page
    assert "folkmoot_crawl_behind" in page


def test_figures_can_be_read_by_prometheus(site: Site) -> None:
    """Every line is a comment or a sample, and no family stands twice."""
    answer = site.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    names = re.findall(r"^# TYPE (\S+)", answer.text, re.MULTILINE)
    assert len(names) == len(set(names))
    for line in answer.text.splitlines():
        assert re.fullmatch(r"#.*|[a-z_]+(\{[^}]*\}*[^}]*\})? [0-9.e+-]+|[a-z_]+\{.*\} ([0-9.e+-]+|\+Inf)", line), line


def test_security_txt_says_whom_to_tell(site: Site) -> None:
    """Contact and an end date within a year stand there (RFC 9116)."""
    text = site.client.get("/.well-known/security.txt").text
    assert "Contact: mailto:digital@exampleshire.example\n" in text
    assert "Expires: 2027-05-03T00:00:00Z\n" in text


def test_robots_may_read_everything(site: Site) -> None:
    """It is open data."""
    assert site.client.get("/robots.txt").text == "User-agent: *\nAllow: /\n"


@pytest.mark.parametrize("path", ["/docs", "/problems"])
def test_reference_pages_load_nothing_from_elsewhere_and_run_no_script(site: Site, path: str) -> None:
    """No script, no style in the page, no address of another host to load from."""
    page = site.client.get(path, headers={"Accept": "text/html"}).text
    assert "<script" not in page
    assert "style=" not in page
    assert not re.findall(r'(?:src|<link[^>]*href)="(?:https?:)?//', page)


def test_the_reference_tells_every_operation_and_schema(site: Site) -> None:
    """Whatever stands in the description stands on the page."""
    page = site.client.get("/docs").text
    described = site.client.get("/openapi.json").json()
    for methods in described["paths"].values():
        for told in methods.values():
            assert f'id="{told["operationId"]}"' in page, told["operationId"]
    for name in described["components"]["schemas"]:
        assert f'id="schema-{name}"' in page
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= set(re.findall(r'id="([^"]+)"', page))
