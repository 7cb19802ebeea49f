"""Lists, the feed and records are answered the same straight at their routes as through all that the framework has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from api import search
from api.app import create_app
from federation import publishers
from federation.database import Database
from tests.integration.search.corpus import URL, publish, records
from tests.services import client as client_of
from tests.services import make_services

_ONE = records(Random(21), 1)[0].id
_BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    """Give an application with a few records."""
    with database.write() as session:
        publishers.settle(session, URL)
    publish(database, list(records(Random(21), 30)))
    services = replace(make_services(database, tmp_path, "aggregator", URL, organisation=None), title="Moot")
    services.follower.catch_up()
    return create_app(services)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Give a client of it."""
    with client_of(app) as found:
        yield found


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    ("asked", "accept"),
    [
        ("contracts?q=parking&stage=active&facets=publisher,cpv&limit=3", "*/*"),
        ("search?kind=contract&kind=tool&sort=-end", "application/json"),
        ("search?format=atom", "*/*"),
        ("contracts", "text/csv"),
        ("contracts", _BROWSER),
        ("tools?format=ics", "*/*"),
        ("tools", "image/png"),
        ("contracts?stag=active", "*/*"),
        ("contracts?sort=end&sort=start", _BROWSER),
        ("contracts?valueMin=much", "*/*"),
        ("contracts/", "*/*"),
        ("changes", "*/*"),
        ("changes?afterChangeNumber=7", "application/json"),
        ("changes?afterChangeNumber=7&kind=tool", "*/*"),
        ("changes?kind=tool&afterChangeNumber=7", "*/*"),
        ("changes?afterChangeNumber=07", "*/*"),
        ("changes?afterChangeNumber=7&afterChangeNumber=8", "*/*"),
        ("changes?after=7", "*/*"),
        ("changes", "image/png"),
        (f"records?id={quote(_ONE)}", "*/*"),
        (f"records?id={quote(_ONE)}", "image/png"),
        ("records?id=https://nobody.test/id/x/tool/y", "*/*"),
        ("records?id=%00", "*/*"),
        ("records?id=", "*/*"),
        ("records", "*/*"),
        ("records?id=a&id=b", "*/*"),
        (f"records?id={'x' * 4_001}", "*/*"),
    ],
)
def test_both_ways_answer_alike(client: TestClient, method: str, asked: str, accept: str) -> None:
    """Status, headers and body are the same, of answers and of refusals."""

    def ask(times: int) -> tuple[int, list[tuple[str, str]], str]:
        headers = [("X-Request-ID", "the-same-name"), *[("Accept", accept)] * times]
        got = client.request(method, f"/v1/{asked}", headers=headers, follow_redirects=False)
        return got.status_code, sorted(got.headers.multi_items()), got.text

    straight = ask(1)
    client.app.state.ways.clear()  # type: ignore[attr-defined]
    assert ask(2) == straight  # a header that stands twice is nothing plain: the feed takes it to the route


def test_lists_do_go_straight(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every list has a way past the framework's own, and so have a page of the feed and a record by its id."""

    async def nobody(*_: object) -> None:
        raise AssertionError

    paths = sorted(search.ways())
    assert paths == sorted(one.path for one in search.router.routes if isinstance(one, APIRoute))
    monkeypatch.setattr("fastapi.routing.APIRouter.app", nobody)
    for path in [*paths, "/v1/changes?afterChangeNumber=7&kind=tool", f"/v1/records?id={_ONE}"]:
        assert client.get(path).status_code == 200, path
