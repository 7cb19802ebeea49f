"""T25: bursts and costly questions: who asks too often is told for how long, what is too dear is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from federation import tokens
from federation.database import Database
from tests.contract.world import RECORDS, publish
from tests.services import NOW, PREFIX, PUBLISHER, client, make_services

QUOTA = 20
PROXY = "10.0.0.1"


@pytest.fixture
def limited(database: Database, tmp_path: Path) -> Iterator[TestClient]:
    """Yield a server behind a trusted proxy, with a small quota."""
    services = replace(make_services(database, tmp_path), a_minute=QUOTA, proxies=(f"{PROXY}/32",))
    publish(database, RECORDS)
    with client(create_app(services)) as opened:
        services.follower.catch_up()
        opened._transport.client = (PROXY, 1)  # type: ignore[attr-defined]
        yield opened


def ask(opened: TestClient, path: str, who: str, method: str = "GET", **told: Any) -> Any:
    """Ask as the proxy does for a client of this address."""
    headers = {"X-Forwarded-For": who, **told.pop("headers", {})}
    return opened.request(method, path, headers=headers, **told)


BURSTS = (
    ("GET", "/v1/changes"),  # answered from memory
    ("GET", "/v1/contracts?q=planning"),
    ("GET", "/"),
    ("GET", "/nowhere"),
    ("HEAD", "/v1/changes"),
    ("POST", "/v1/contracts?publisher=GB-LAE-EXA"),
    ("OPTIONS", "/v1/contracts"),
)


def test_t25_a_burst_is_told_to_wait(limited: TestClient) -> None:
    """After the quota each request is a 429 problem with Retry-After; another address is let in meanwhile."""
    for number, (method, path) in enumerate(BURSTS):
        who = f"8.8.{number}.8"
        for turn in range(QUOTA):
            said = ask(limited, path, who, method)
            assert said.status_code != 429
            assert said.headers["ratelimit-policy"] == f'"address";q={QUOTA};w=60'
            assert said.headers["ratelimit"].startswith(f'"address";r={QUOTA - 1 - turn};t=')
        _check_refusal(ask(limited, path, who, method), method)
        assert ask(limited, path, f"8.8.{number}.9", method).status_code != 429


def _check_refusal(said: Any, method: str) -> None:
    assert said.status_code == 429
    assert 1 <= int(said.headers["retry-after"]) <= 60
    assert said.headers["ratelimit"] == f'"address";r=0;t={said.headers["retry-after"]}'
    assert said.headers["x-content-type-options"] == "nosniff"
    if method != "HEAD":
        told = said.json()
        assert (told["type"][-18:], told["status"]) == ("/too-many-requests", 429)
        assert told["requestId"] == said.headers["x-request-id"]


def test_t25_a_client_cannot_say_that_it_is_another(limited: TestClient) -> None:
    """What stands before the proxy's own word in X-Forwarded-For changes nothing."""
    codes = [ask(limited, "/v1/changes", f"1.1.1.{turn}, 8.8.8.8").status_code for turn in range(QUOTA + 1)]
    assert codes[-2:] == [200, 429]


def test_t25_a_token_is_limited_wherever_it_is_used(limited: TestClient, database: Database) -> None:
    """Requests of one token from many addresses count together; what is told names both limits."""
    with database.write() as session:
        secret = tokens.create(session, publisher=PUBLISHER, name="busy", now=NOW).secret
    bearer = {"Authorization": f"Bearer {secret}"}
    said = None
    for turn in range(QUOTA + 1):
        said = ask(limited, "/v1/audit", f"8.8.{turn}.8", headers=bearer)
    assert said is not None
    assert said.status_code == 429
    assert '"token";r=0;t=' in said.headers["ratelimit"]
    assert f'"token";q={QUOTA};w=60' in said.headers["ratelimit-policy"]
    assert "retry-after" in said.headers
    assert ask(limited, "/v1/audit", "8.8.99.8", headers={"Authorization": "Bearer x"}).status_code == 401


MANY = "&".join(f"supplier=s{number}" for number in range(500))
DEAR = {
    "/v1/contracts?limit=100000": 422,
    "/v1/contracts?limit=0": 422,
    "/v1/contracts?limit=-1": 422,
    "/v1/contracts?limit=1e9": 422,
    "/v1/contracts?offset=1000000": 422,
    "/v1/contracts?page=99999": 422,
    "/v1/contracts?cursor=" + "A" * 5_000: 422,
    "/v1/search?q=" + "x" * 5_000: 422,
    "/v1/search?q=" + quote("a* OR b* OR " * 100): 422,
    "/v1/search?q=" + quote("a* OR b* OR c* OR d*"): 200,
    "/v1/search?q=" + quote("*"): 200,
    "/v1/search?q=" + quote("(((((((((((((((("): 200,
    "/v1/search?q=" + quote('"' * 99): 200,
    f"/v1/contracts?{MANY}": 422,
    "/v1/contracts?facets=" + "&facets=".join(["supplier"] * 200): 422,
    "/v1/contracts?valueMin=1e400": 422,
    "/v1/contracts?sort=" + "value," * 50: 422,
    "/v1/audit?limit=99999": 401,
    "/v1/changes?afterChangeNumber=9007199254740992": 422,
    "/v1/changes?limit=100000": 422,
    "/v1/records?id=" + "x" * 20_000: 422,
    "/search?q=" + "x" * 5_000: 422,
}


def test_t25_a_costly_question_is_bounded(limited: TestClient) -> None:
    """What would cost without bound is refused by name (422), and what is asked in odd words is answered."""
    assert len(DEAR) + len(BURSTS) >= 25
    for number, (path, status) in enumerate(DEAR.items()):
        said = ask(limited, path, f"9.9.9.{number}")
        assert (said.status_code, len(said.content) < 200_000) == (status, True), path[:80]


def test_t25_an_ordinary_reader_never_meets_the_limit(limited: TestClient) -> None:
    """The quota that is set by itself is for a reader who takes 100 pages a second, not for one who is polite."""
    from folkmoot.settings import Settings

    assert Settings.model_validate({}).a_minute == 6_000
    assert Settings.model_validate({"rate_limit": "off"}).a_minute == 0
    assert ask(limited, f"/v1/records?id={PREFIX}contract/EXA-2026-001", "8.8.8.8").status_code == 200
