"""How far behind the log a server is: told in changes and seconds, and refused beyond a bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.services import Services
from federation import status
from federation.database import Database
from federation.status import Lag
from tests.contract.world import publish
from tests.services import NOW, client, make_services


@pytest.fixture
def behind(database: Database, tmp_path: Path) -> Services:
    """Return a server whose index was built, and has not seen the two contracts that came ten seconds ago."""
    services = make_services(database, tmp_path, now=lambda: NOW + timedelta(seconds=10))
    services.follower.catch_up()
    publish(database, {"contract": [{"reference": f"C-{n}", "title": "Grounds"} for n in range(2)]})
    return services


def _asked(services: Services, bound: float) -> tuple[int, dict[str, object]]:
    answer = client(create_app(replace(services, max_lag_seconds=bound))).get("/health/ready")
    return answer.status_code, answer.json()["checks"]["index"]


@pytest.mark.parametrize(("bound", "status"), [(0, 200), (9, 503), (11, 200)])
def test_a_server_too_far_behind_is_not_ready(behind: Services, bound: float, status: int) -> None:
    """Beyond FOLKMOOT_MAX_LAG_SECONDS readiness is 503 and says by how much; 0 is no bound."""
    said = {"status": "ok" if status == 200 else "failing", "lag": 2, "seconds": 10.0}
    assert _asked(behind, bound) == (status, said)


def test_a_server_that_is_too_far_behind_still_answers(behind: Services) -> None:
    """Only readiness refuses: who asks the server itself gets what the index has."""
    site = client(create_app(replace(behind, max_lag_seconds=1)))
    assert site.get("/v1/contracts").status_code == 200


def test_when_the_index_has_followed_the_server_is_ready(behind: Services) -> None:
    """A server that has caught up is ready again, with nothing behind."""
    behind.follower.catch_up()
    assert _asked(behind, 1) == (200, {"status": "ok", "lag": 0, "seconds": 0.0})


def test_lag_is_told_to_prometheus(behind: Services) -> None:
    """The figures give the index's lag in changes and in seconds."""
    page = client(create_app(behind)).get("/metrics").text
    assert "\nfolkmoot_index_lag 2.0\n" in page
    assert "\nfolkmoot_index_lag_seconds 10.0\n" in page
    assert "folkmoot_replica_lag" not in page


def test_lag_is_that_of_the_first_change_not_taken(behind: Services) -> None:
    """Seconds count from the oldest change that waits; nobody is ahead of the log."""
    with behind.database.read() as session:
        assert status.lag(session, 1, 3, NOW + timedelta(seconds=4)) == Lag(2, 4.0)
        assert status.lag(session, 3, 3, NOW) == Lag(0, 0.0)
        assert status.lag(session, 9, 3, NOW) == Lag(0, 0.0)


@pytest.fixture
def replicated(database: Database, database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    """Yield a server that reads by another URL; here it is the same database, so that nothing is behind."""
    both = Database(database_url, read_url=database_url)
    services = make_services(both, tmp_path)
    services.follower.catch_up()
    yield client(create_app(services))
    both.dispose()


def test_a_replica_is_looked_at_too(replicated: TestClient) -> None:
    """Where requests are read from a replica, readiness and figures tell how far that is behind."""
    checks = replicated.get("/health/ready").json()["checks"]
    assert checks["replica"] == {"status": "ok", "lag": 0, "seconds": 0.0}
    assert "\nfolkmoot_replica_lag 0.0\n" in replicated.get("/metrics").text


def test_while_the_primary_is_away_the_replica_serves(replicated: TestClient, tmp_path: Path) -> None:
    """A primary that cannot be reached leaves the replica's lag unknown, and the server ready to be read."""
    app: object = replicated.app
    services: Services = app.state.services  # type: ignore[attr-defined]
    away = Database(f"sqlite:///{tmp_path}/no/such/folder/x.db")
    services.database._present, kept = away._present, services.database._present
    checks = replicated.get("/health/ready").json()["checks"]
    services.database._present = kept
    away.dispose()
    assert checks["replica"] == {"status": "ok", "lag": None, "seconds": None}
    assert checks["index"]["status"] == "ok"
