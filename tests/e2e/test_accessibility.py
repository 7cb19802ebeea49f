"""Every page in a real browser, on a desk and on a phone, judged by axe (WCAG 2.2 AA)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from api.app import create_app
from api.services import Services
from federation import examining
from federation.database import Database
from federation.examiner import Examiner
from tests.contract.world import publish
from tests.e2e import browser
from tests.integration.crawl.world import World
from tests.integration.pages.site import aggregator, contract
from tests.integration.pages.test_hostile import POLYGLOTS, plant
from tests.services import NOW, make_services

EXA = "https://exa.example/id/GB-LAE-EXA/"
# One page of each template, and each state of it that looks different.
REGION = {
    "/": 200,
    "/search?q=planning&kind=contract&publisher=GB-LAE-EXA&endsAfter=2026-11-01&sort=end": 200,
    "/search?q=nothing-like-it": 200,
    "/search?publsher=GB-LAE-EXA": 422,
    f"/records?id={EXA}contract/C-1": 200,
    f"/records?id={EXA}roadmap-item/R-1": 200,
    f"/records?id={EXA}contract/C-gone": 410,
    "/contracts": 200,
    "/publishers": 200,
    "/publishers/GB-LAE-EXA": 200,
    "/nodes": 200,
    "/check": 200,
    "/nodes/exa.example": 200,
    "/nodes/fer.example": 200,
    "/suppliers/GB-COH-01234567": 200,
    "/join": 200,
    "/accessibility": 200,
    "/privacy": 200,
    "/nowhere": 404,
}
COUNCIL = ("/", "/contracts", "/id/GB-LAE-EXA/contract/C-1")


@pytest.fixture
def engine_name() -> str:
    """Return SQLite alone: a page looks the same on both databases."""
    return "sqlite"


@contextmanager
def served(services: Services) -> Iterator[str]:
    """Serve on a free port of this machine; yields the address."""
    services.follower.catch_up()
    config = uvicorn.Config(create_app(services), host="127.0.0.1", port=0, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.browser
def test_no_page_of_an_aggregator_has_a_violation(database: Database, tmp_path: Path) -> None:
    """Axe finds nothing on any page of an aggregator, wide or narrow, light or dark; nothing comes from elsewhere."""
    services = aggregator(database, tmp_path)
    region = {**REGION, f"/check/{_checked(database)}": 200}
    with served(services) as address:
        verdicts = browser.visit([address + path for path in region])
    assert [verdict["status"] for verdict in verdicts[::2]] == list(region.values())
    assert all(verdict["passes"] > 15 for verdict in verdicts)
    assert browser.complaints(verdicts) == []


def _checked(database: Database) -> str:
    """A check of a node that breaks rules of each severity, done; its id."""
    world = World()
    node = world.node()
    node.put("contract", "C-1", title=5)
    node.more = {"contact": {"name": "Team"}, "feeds": [*node.manifest()["feeds"]], "updateFrequency": "often"}
    with database.write() as session:
        made = examining.ask(session, node.id, aggregator=True, now=NOW)
    asyncio.run(Examiner(database, world.get, lambda: NOW).turn())
    return made


@pytest.mark.browser
def test_no_page_of_a_node_has_a_violation(database: Database, tmp_path: Path) -> None:
    """Axe finds nothing on any page of a node."""
    services = make_services(database, tmp_path)
    publish(database, {"contract": [contract(1, "2027-01-15"), contract(2, "2026-11-09")]})
    with served(services) as address:
        verdicts = browser.visit([address + path for path in COUNCIL])
    assert [verdict["status"] for verdict in verdicts] == [200] * 2 * len(COUNCIL)
    assert browser.complaints(verdicts) == []


@pytest.mark.browser
def test_no_hostile_text_runs_in_a_browser(database: Database, tmp_path: Path) -> None:
    """With hostile texts in every member, the browser reports no script, no refusal by policy, no other origin."""
    services = make_services(database, tmp_path)
    ids = plant(database, " ".join(POLYGLOTS))
    shown = [f"/records?id={record_id}" for record_id in ids if record_id.endswith(("contract/bad", "festival/bad"))]
    with served(services) as address:
        verdicts = browser.visit([address + path for path in ("/", *shown)])
    assert [line for verdict in verdicts for line in (*verdict["errors"], *verdict["outside"])] == []
    assert {verdict["status"] for verdict in verdicts} == {200}
