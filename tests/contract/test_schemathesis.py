"""The application keeps its own contract: every operation, every check, both roles, both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import hypothesis
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from federation.database import Database
from tests.contract.world import World, make_world

schema = schemathesis.pytest.from_fixture("contract")
SETTINGS = {
    "max_examples": 10,
    "deadline": None,
    "database": None,
    "derandomize": True,
    "suppress_health_check": list(hypothesis.HealthCheck),
    "phases": [hypothesis.Phase.explicit, hypothesis.Phase.generate],
}


@pytest.fixture(params=["node", "aggregator"])
def role(request: pytest.FixtureRequest) -> Literal["node", "aggregator"]:
    """Return which of the two roles the application serves as."""
    found: Literal["node", "aggregator"] = request.param
    return found


@pytest.fixture
def world(database: Database, tmp_path: Path, role: Literal["node", "aggregator"]) -> Iterator[World]:
    """Yield an application with something in it."""
    made = make_world(database, tmp_path, role)
    yield made
    made.app.state.services.follower.stop()


@pytest.fixture
def contract(request: pytest.FixtureRequest, world: World) -> schemathesis.BaseSchema:
    """Return the contract as the application itself gives it."""
    # schemathesis 4.32 names its subtests through a private attribute that pytest 9.2 has no more.
    request.node._nodeid = request.node.nodeid
    return schemathesis.openapi.from_asgi("/openapi.json", world.app, config=SchemathesisConfig())


@schema.parametrize()
@hypothesis.settings(**SETTINGS)
def test_every_answer_is_as_the_contract_says(case: schemathesis.Case, world: World) -> None:
    """Whatever is sent, the answer is one that the contract documents, and never a fault of the server."""
    case.call_and_validate(headers={"Authorization": f"Bearer {world.token}"})
