"""Held removals as people meet them: marks on records, the count at /v1/nodes, the commands that decide."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from api.app import create_app
from federation.told import REMOVAL_HELD
from tests.integration.crawl.conftest import Run
from tests.integration.crawl.world import Aggregator, FakeNode, World
from tests.services import client, make_services


@pytest.fixture
def council(moot: Aggregator, world: World) -> FakeNode:
    """Return a node of which 30 removals are held."""
    node = world.node(size=500)
    node.key("2026-1")
    node.all_again()
    for n in range(59):
        node.put("contract", f"C-{n}")
    moot.add(node)
    moot.crawl()
    for n in range(30):
        node.delete("contract", f"C-{n}")
    world.pass_time(hours=1)
    moot.crawl()
    return node


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_the_log_names_the_node_by_its_key(moot: Aggregator, world: World, council: FakeNode) -> None:
    """The line that removals are held names the node by its key, as the commands that decide take it."""
    council.put("contract", "C-1")
    for n in range(30, 55):
        council.delete("contract", f"C-{n}")
    world.pass_time(hours=1)
    with capture_logs() as told:
        moot.crawl()
    assert [line["node"] for line in told if line["event"] == "removals are held"] == ["exa.example"]


@pytest.fixture
def site(moot: Aggregator, council: FakeNode, tmp_path: Path) -> Iterator[TestClient]:
    """Return a client of the aggregator that holds them."""
    del council
    services = make_services(moot.database, tmp_path, "aggregator", moot.url, organisation=None)
    services.follower.catch_up()
    yield client(create_app(services))
    services.follower.stop()


def _marked(site: TestClient) -> int:
    items = site.get("/v1/contracts?limit=100").json()["items"]
    assert len(items) == 59
    return sum(item.get("marks") == ["removal-held"] for item in items)


def test_held_records_are_served_and_marked(site: TestClient, council: FakeNode) -> None:
    """Lists, single records and pages carry the mark; the feed and bulk files have the record and no mark."""
    record = council.prefix + "contract/C-1"
    assert _marked(site) == 30
    assert site.get("/v1/records", params={"id": record}).json()["marks"] == ["removal-held"]
    for path in ("/v1/changes", "/v1/bulk/contracts.ndjson"):
        text = site.get(path).text
        assert (record in text, "removal-held" in text) == (True, False)
    assert "Its removal waits for a person" in site.get("/records", params={"id": record}).text
    node = site.get("/v1/nodes/exa.example").json()
    assert (node["held"], [p["rule"] for p in node["problems"]]) == (30, [REMOVAL_HELD])
    assert "30" in site.get("/nodes/exa.example").text


def test_what_is_held_says_how_it_is_decided(site: TestClient, run: Run) -> None:
    """Page, JSON, feeds and `node show` name the commands that decide about held removals, and those are taken."""
    (problem,) = site.get("/v1/nodes/exa.example").json()["problems"]
    named = re.findall(r"folkmoot (node \w+ \S+ --\w+)", problem["message"])
    assert named == ["node release exa.example --removals", "node reject exa.example --removals"]
    assert "The operator decides with" in problem["message"]
    page = site.get("/nodes/exa.example").text
    assert page.count("folkmoot node release exa.example --removals") == 2, "at the head and among the problems"
    for form in ("atom", "jsonfeed"):
        assert named[0] in site.get(f"/v1/nodes/exa.example?format={form}").text
    assert problem["message"] in run("node", "show", "exa.example")[1].splitlines()
    assert run(*named[1].split())[0] == 0
    assert "The operator decides" not in site.get("/nodes/exa.example").text


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_marks_change_the_etag_of_a_list(site: TestClient, run: Run) -> None:
    """A list whose marks alone have changed is no longer the one that the client has."""
    tag = {"If-None-Match": site.get("/v1/contracts?limit=100").headers["etag"]}
    assert site.get("/v1/contracts?limit=100", headers=tag).status_code == 304
    code, said = run("node", "reject", "exa.example", "--removals")
    assert (code, "30 removals forgotten; the records stay" in said) == (0, True)
    assert site.get("/v1/contracts?limit=100", headers=tag).status_code == 200
    assert _marked(site) == 0


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_release_from_the_command_line(site: TestClient, run: Run) -> None:
    """One command removes what is held and says how much that was; what to release must be said."""
    code, said = run("node", "release", "exa.example")
    assert (code, "--removals" in said) == (2, True)
    code, said = run("node", "release", "https://exa.example", "--removals")
    assert (code, said.strip()) == (0, "exa.example: 30 records withdrawn.")
    node = site.get("/v1/nodes/exa.example").json()
    assert (node["held"], node["problems"], node["records"]) == (0, [], 30)
    assert run("node", "release", "exa.example", "--removals")[1].strip() == "exa.example: 0 records withdrawn."


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize("held", [False, True])
def test_an_idle_poll_asks_one_thing_about_removals(moot: Aggregator, world: World, *, held: bool) -> None:
    """A visit without tombstones asks one question about what waits; it writes its feed's row and its host's."""
    node = world.node(size=500)
    for n in range(59):
        node.put("contract", f"C-{n}")
    moot.add(node)
    moot.crawl()
    if held:
        for n in range(30):
            node.delete("contract", f"C-{n}")
    world.pass_time(seconds=400)
    moot.crawl()
    world.pass_time(seconds=400)
    world.asked.clear()
    said: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        said.append(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        moot.crawl()
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    assert len(world.asked) == 1
    assert len([one for one in said if "removal" in one]) == 1
    written = {one.split()[one.startswith("INSERT") + 1] for one in said if one.startswith(("UPDATE", "INSERT"))}
    assert written == {"feed", "host"}
