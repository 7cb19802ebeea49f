"""What every answer says to a browser: pages, data, errors, and what never reaches the application."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from tests.contract.world import RECORDS, publish
from tests.services import PREFIX, client, make_services

NONE = ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "default-src 'none'")
ASKED = {
    "/": 200,
    "/search?q=planning": 200,
    "/docs": 200,
    "/nowhere": 404,
    "/search?publishe=x": 422,
    "/v1/changes": 200,
    "/v1/contracts": 200,
    "/v1/contracts?format=atom": 200,
    "/v1/contracts?format=csv": 200,
    "/v1/contracts?format=xlsx": 200,
    "/v1/contracts?x=1": 422,
    f"/v1/records?id={PREFIX}contract/EXA-2026-001": 200,
    "/v1/nowhere": 404,
    "/v1/audit": 401,
    "/.well-known/folkmoot": 200,
    "/openapi.json": 200,
    "/health/live": 200,
    "/static/style.css": 200,
    "/static/icon.svg": 200,
}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def engine_name() -> str:
    """Return SQLite alone: header fields know no database."""
    return "sqlite"


@pytest.fixture
def opened(database: object, tmp_path: Path) -> Iterator[TestClient]:
    """Yield a server that is known by an https address."""
    services = make_services(database, tmp_path)  # type: ignore[arg-type]
    publish(services.database, RECORDS)
    with client(create_app(replace(services, public_url="https://node.test"))) as made:
        services.follower.catch_up()
        yield made


@pytest.mark.parametrize("headers", [BROWSER, {}], ids=["browser", "program"])
def test_every_answer_forbids_what_no_answer_needs(opened: TestClient, headers: dict[str, str]) -> None:
    """A policy without a script, an object, a base or a frame; no sniffing; https for two years; no unsafe word."""
    for path, status in ASKED.items():
        said = opened.get(path, headers=headers)
        assert said.status_code in (status, 303), path
        policy = said.headers["content-security-policy"]
        assert [told for told in NONE if told not in policy.split("; ")] == [], path
        assert "unsafe" not in policy
        page = said.headers.get("content-type", "").startswith("text/html")
        assert policy.endswith("; sandbox") != page, path
        assert said.headers["x-content-type-options"] == "nosniff"
        assert said.headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert said.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"
        assert said.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in said.headers
        assert "set-cookie" not in said.headers
        assert said.headers.get_list("content-security-policy") == [policy]


def test_a_server_without_https_does_not_promise_it(database: object, tmp_path: Path) -> None:
    """Strict-Transport-Security is said only where the public address is https."""
    opened = client(create_app(make_services(database, tmp_path)))  # type: ignore[arg-type]
    assert "strict-transport-security" not in opened.get("/health/live").headers


def test_trace_and_other_methods_are_not_served(opened: TestClient) -> None:
    """TRACE and made-up methods are 405 problems, and say what was asked to nobody."""
    for method in ("TRACE", "TRACK", "CONNECT", "FOO"):
        said = opened.request(method, "/v1/contracts", headers={"X-Secret": "canary"})
        assert said.status_code == 405
        assert "canary" not in said.text
