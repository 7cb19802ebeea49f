"""A server with its index in a real cluster: lists, pages and cursors over HTTP, and the commands of an operator."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import orjson
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from federation.database import Database
from federation.follow import Follower
from federation.opensearch.address import Address
from federation.opensearch_index import OpenSearchIndex
from federation.tantivy_index import TantivyIndex
from folkmoot.commands.index import app
from tests.integration.search.corpus import URL, found, publish, records
from tests.services import client, make_services

pytestmark = pytest.mark.prove


@pytest.fixture
def engine_name() -> str:
    """Return the one database that these tests need: the engine is what is tried here."""
    return "sqlite"


@pytest.fixture
def address(cluster_address: Callable[[str], Address]) -> Address:
    """Return the address of a new index."""
    return cluster_address(f"served-{secrets.token_hex(4)}")


@pytest.fixture
def served(database: Database, tmp_path: Path, address: Address) -> Iterator[TestClient]:
    """Yield a client of an aggregator that holds 123 records and has its index in the cluster."""
    made = [*found(database), *records(Random(7), 120)]
    publish(database, made[3:])
    services = make_services(database, tmp_path, "aggregator", URL, organisation=None)
    index = OpenSearchIndex(address)
    object.__setattr__(services, "index", index)
    object.__setattr__(services, "follower", Follower(database, index))
    services.follower.catch_up()
    with client(create_app(services)) as opened:
        yield opened


def test_lists_and_pages_are_those_of_the_embedded_engine(
    served: TestClient, database: Database, tmp_path: Path
) -> None:
    """Every list, download and page that is asked of both engines is the same, byte for byte, cursors included."""
    services = make_services(database, tmp_path / "own", "aggregator", URL, organisation=None)
    assert isinstance(services.index, TantivyIndex)
    services.follower.catch_up()
    asks = [
        "/v1/contracts?sort=-end&limit=7&facets=supplier,publisher,cpv,stage",
        "/v1/search?q=parking&sort=updated&facets=kind,region&region=wessex",
        "/v1/search?q=planning -waste&sort=value&valueMin=60",
        "/v1/contracts?format=csv",
        "/v1/contracts?format=ndjson&supplier=acme digital",
        "/v1/search?format=atom&q=parks",
        "/v1/contracts?format=ics",
    ]
    with client(create_app(services)) as own:
        for path in asks:
            here, there = own.get(path), served.get(path)
            assert (there.status_code, there.content) == (200, here.content), path
        following = served.get("/v1/contracts?sort=-end&limit=7").json()["next"]
        assert own.get(following).content == served.get(following).content
        for page in ("/", "/search?q=parking", "/publishers/GB-LAE-EXA"):
            assert served.get(page, headers={"Accept": "text/html"}).status_code == 200
    ready = served.get("/health/ready").json()["checks"]["index"]
    assert (ready["status"], ready["lag"]) == ("ok", 0)


def test_an_operator_rebuilds_and_verifies(
    served: TestClient, database_url: str, tmp_path: Path, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`folkmoot index` works on the cluster beside a server that goes on answering from it."""
    servers = ",".join(f"{host}:{port}" for host, port in address.hosts)
    monkeypatch.setenv("FOLKMOOT_INDEX_URL", f"http://{servers}/{address.name}")
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", database_url)
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", str(tmp_path))
    rebuilt = CliRunner().invoke(app, ["rebuild", "--json"])
    assert rebuilt.exit_code == 0, rebuilt.output
    assert orjson.loads(rebuilt.stdout)["documents"] == 123
    verified = CliRunner().invoke(app, ["verify"])
    assert verified.exit_code == 0, verified.output
    assert "0 differences" in verified.stdout
    assert served.get("/v1/search?limit=1").json()["count"] == {"value": 123, "exact": True}
