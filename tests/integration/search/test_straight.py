"""Lists are answered the same whether a request is taken straight to its route or passes all that the framework has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from api import search
from api.app import create_app
from federation.database import Database
from tests.integration.search.corpus import URL, publish, records
from tests.services import client as client_of
from tests.services import make_services

_BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    """Give an application with a few records."""
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
    ],
)
def test_both_ways_answer_alike(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, method: str, asked: str, accept: str
) -> None:
    """Status, headers and body are the same, of answers and of refusals."""

    def ask() -> tuple[int, list[tuple[str, str]], str]:
        got = client.request(
            method, f"/v1/{asked}", headers={"Accept": accept, "X-Request-ID": "the-same-name"}, follow_redirects=False
        )
        return got.status_code, got.headers.multi_items(), got.text

    straight = ask()
    monkeypatch.setattr(search, "straight", dict)
    assert ask() == straight


def test_lists_do_go_straight(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every list has a way past the framework's own."""

    async def nobody(*_: object) -> None:
        raise AssertionError

    paths = sorted(search.straight())
    assert paths == sorted(one.path for one in search.router.routes if isinstance(one, APIRoute))
    monkeypatch.setattr("fastapi.routing.APIRouter.app", nobody)
    assert {client.get(path).status_code for path in paths} == {200}
